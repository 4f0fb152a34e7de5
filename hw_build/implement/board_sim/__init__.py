"""A board in simulation: shell and accelerator as they are synthesised, with a processor's port and a memory around.

``library`` drives a built one and imports the standard library only, so that any Python can load it; ``build`` makes it
from a build directory; ``python -m hw_build.implement.board_sim BUILD_DIR`` prints its path.
"""
