"""From an exported integer network to a streaming dataflow accelerator in SystemVerilog."""
