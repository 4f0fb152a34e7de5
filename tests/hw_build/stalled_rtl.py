"""A design against the logits that it must give, in simulated RTL: at full rate, and with gaps and stalls."""

import numpy as np

from hw_build.simulate.accelerator import simulate


def assert_exact_under_stalls(design, codes, expected):
    """``codes`` (N, H, W, C) uint8 one behind the other give ``expected`` (N, H', W', classes)."""
    for seed, (idle, stall) in enumerate(((0.0, 0.0), (0.5, 0.3))):
        run = simulate(design, codes, idle=idle, stall=stall, seed=seed)
        np.testing.assert_array_equal(run.logits, expected, err_msg=f"idle {idle}, stall {stall}")
