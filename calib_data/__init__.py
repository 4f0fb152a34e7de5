"""A few real images with masks, and their loader."""
