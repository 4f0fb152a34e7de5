"""Run-time side of the accelerator: what the board's own Python needs, numpy and pynq alone."""
