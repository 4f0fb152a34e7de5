"""Images and masks: where they are, how they are read, split and augmented."""
