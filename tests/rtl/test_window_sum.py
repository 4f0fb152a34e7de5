"""Sum of windows: reference, RTL, netlist and cost model."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.window_sum import window_sum_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

summed = partial(model_of, "WindowSum_rtl")


def test_reference_is_the_sum_of_the_taps_of_each_channel():
    x = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 9 * 5))
    expected = np.stack([x[..., channel::5].sum(-1) for channel in range(5)], -1)
    np.testing.assert_array_equal(window_sum_reference(x, 9), expected)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("x", "out", "channels", "pe", "taps"),
    [
        ("UINT4", "UINT8", 10, 2, 9),
        pytest.param("INT4", "INT6", 6, 6, 4, marks=SLOW),
        pytest.param("UINT8", "UINT13", 1, 1, 25, marks=SLOW),
        pytest.param("INT7", "INT9", 3, 1, 2, marks=SLOW),
    ],
)
def test_rtl(x, out, channels, pe, taps):
    model = summed(dim=(3, 4), channels=taps * channels, x=x, PE=pe, Taps=taps, outputDataType=out)
    KernelBench(model).check_all_patterns()


@pytest.mark.slow
@pytest.mark.parametrize(("x", "out", "pe"), [("UINT4", "UINT8", 1), ("INT5", "INT9", 4)])
def test_netlist(x, out, pe):
    model = summed(dim=(2, 3), channels=36, x=x, PE=pe, Taps=9, outputDataType=out)
    NetlistBench(model, num_frames=2).check_all_patterns()


COSTS = {
    f"{channels}_{pe}_{taps}": partial(
        summed, dim=(8, 8), channels=taps * channels, PE=pe, Taps=taps, outputDataType=out
    )
    for channels, pe, taps, out in (
        (16, 1, 9, "UINT8"),
        (16, 16, 9, "UINT8"),
        (12, 3, 4, "UINT6"),
        (64, 1, 25, "UINT9"),
        (8, 4, 9, "UINT8"),
    )
}


@pytest.mark.parametrize(
    "name", [name if name == "16_1_9" else pytest.param(name, marks=pytest.mark.slow) for name in COSTS]
)
def test_cost(name):
    check(COSTS[name]())


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"Taps": 4, "outputDataType": "UINT8"}, "Taps=4 must be 2 or more, and divide NumChannels=6"),
        ({"Taps": 3, "outputDataType": "UINT5"}, "3 taps of UINT4 sum up to 0 to 45, which outputDataType=UINT5"),
    ],
)
def test_what_does_not_fit_is_refused(attributes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(summed(dim=(2, 2), channels=6, **attributes))
