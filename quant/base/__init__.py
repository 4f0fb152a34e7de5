"""What every part of quant stands on: errors, files, settings of a run, checkpoints."""
