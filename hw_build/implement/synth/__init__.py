"""Synthesis with Yosys: cells of one module, of every instance of a stitched design, and what they take of a board."""
