"""From RTL to what a board loads: shell, synthesis, netlist, bitstream, IP core, deployment,
and the simulated board.
"""
