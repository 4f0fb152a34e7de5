"""The network's structure in the two foldings shipped for PYNQ-Z2: two images back to back under random stalls.

The folding is that of 256x256 pixels; the image is 32x32, so that a frame takes seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hw_build"))
import exports
import synthetic

import calib_data
from hw_build.base.board_config import load_board
from hw_build.folding.apply import fold_as_asked
from hw_build.folding.config import load_folding
from hw_build.lowering import STEPS, execute_codes, set_input_size
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch

pytestmark = pytest.mark.slow
FULL, SMALL = (256, 256), (32, 32)


@pytest.mark.parametrize("folding", ["pynq-z2-60fps", "pynq-z2-max"])
def test_two_images_are_exact_under_stalls(folding, tmp_path):
    network = synthetic.xxs(*SMALL)
    codes = exports.real_codes(calib_data.names()[:2], *SMALL)
    expected = execute_codes(network, codes)
    for step in STEPS:
        network = step.run(network)
    folded = fold_as_asked(set_input_size(network, *FULL), load_folding(folding), FULL, load_board("pynq-z2"))
    design = stitch(set_input_size(folded, *SMALL), tmp_path)
    for seed, (idle, stall) in enumerate(((0.0, 0.0), (0.5, 0.2), (0.2, 0.6))):
        run = simulate(design, codes, idle=idle, stall=stall, seed=seed)
        np.testing.assert_array_equal(run.logits, expected, err_msg=f"idle {idle}, stall {stall}, seed {seed}")
