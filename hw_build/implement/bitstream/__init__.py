"""From a stitched accelerator and its shell to a bitstream, by Vivado or by Yosys and nextpnr, whichever is there."""
