"""Maximum of windows: reference, RTL, netlist and cost model."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.window_max import window_max_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

greatest = partial(model_of, "WindowMax_rtl")


def test_reference_is_the_greatest_tap_of_each_channel():
    x = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 9 * 5))
    expected = np.stack([x[..., channel::5].max(-1) for channel in range(5)], -1)
    np.testing.assert_array_equal(window_max_reference(x, 9), expected)


@pytest.mark.parametrize(
    ("x", "channels", "pe", "taps"),
    [("UINT4", 10, 2, 9), ("INT4", 6, 6, 4), ("UINT8", 1, 1, 25), ("INT7", 3, 1, 2), ("UINT1", 4, 2, 6)],
)
def test_rtl(x, channels, pe, taps):
    KernelBench(greatest(dim=(3, 4), channels=taps * channels, x=x, PE=pe, Taps=taps)).check_all_patterns()


@pytest.mark.parametrize(("x", "pe"), [pytest.param("UINT4", 1, marks=pytest.mark.slow), ("INT5", 4)])
def test_netlist(x, pe):
    NetlistBench(greatest(dim=(2, 3), channels=36, x=x, PE=pe, Taps=9), num_frames=2).check_all_patterns()


COSTS = ((16, 1, 9), (16, 16, 9), (12, 3, 4), (64, 1, 25), (8, 4, 9))


@pytest.mark.parametrize(
    ("channels", "pe", "taps"), [COSTS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in COSTS[1:])]
)
def test_cost(channels, pe, taps):
    check(greatest(dim=(8, 8), channels=taps * channels, PE=pe, Taps=taps))


def test_taps_that_do_not_divide_are_refused():
    with pytest.raises(ConfigError, match="Taps=4 must be 2 or more, and divide NumChannels=6"):
        KernelBench(greatest(dim=(2, 2), channels=6, Taps=4))
