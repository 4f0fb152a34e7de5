"""Rounded depths: enough, and as much as the same memory holds."""

import pytest

from hw_build.fifo.depths import rounded_depth
from hw_build.kernels.fifo_memory import MIN_DEPTH, memory_cost


@pytest.mark.parametrize("width", [1, 4, 20, 36, 80])
@pytest.mark.parametrize("held", [0, 2, 3, 4, 31, 32, 63, 64, 200, 511, 700, 5_000, 70_000])
def test_depth_is_enough_and_costs_no_more_than_the_smallest(held, width):
    depth = rounded_depth(held, width)
    assert depth >= max(held + 1, MIN_DEPTH)
    assert memory_cost(depth, width) == memory_cost(max(held + 1, MIN_DEPTH), width)


def test_known_shapes():
    assert rounded_depth(1, 8) == MIN_DEPTH
    assert rounded_depth(20, 8) == 32  # RAM32M
    assert rounded_depth(40, 8) == 64  # RAM64M
    assert rounded_depth(300, 36) == 512  # RAMB18 as 512 x 36
    assert rounded_depth(3_000, 4) == 4_096  # RAMB18 as 4096 x 4
