"""pynq's view of the simulated board: pynq and a program on it run unchanged, the hardware behind is simulated RTL.

Runs in an environment of its own (``.ci/setup-board.sh``), because pynq 4.0 wants an older numpy; it imports pynq,
numpy, the standard library and ``hw_build.implement.board_sim.library``.
"""
