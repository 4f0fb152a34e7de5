"""The shell around the accelerator: registers, DMA, and the top for a board's processing system."""
