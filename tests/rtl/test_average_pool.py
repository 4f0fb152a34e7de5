"""2x2 average pooling: reference, RTL, netlist and cost model."""

from functools import partial

import numpy as np
import pytest
import torch
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.kernels.average_pool import average_pool_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

pool = partial(model_of, "AveragePool2x2_rtl")


def test_reference_is_four_times_the_average():
    x = np.random.default_rng(2).integers(-128, 128, (2, 6, 8, 5))
    average = torch.nn.functional.avg_pool2d(torch.from_numpy(x.transpose(0, 3, 1, 2)).double(), 2)
    np.testing.assert_array_equal(average_pool_reference(x), 4 * average.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("dim", "x", "channels", "pe"),
    [
        ((6, 10), "UINT4", 10, 2),
        ((4, 6), "INT4", 12, 12),
        ((2, 2), "UINT8", 1, 1),
        ((8, 4), "INT7", 3, 1),
        ((2, 6), "UINT1", 4, 2),
    ],
)
def test_rtl(dim, x, channels, pe):
    KernelBench(pool(dim=dim, channels=channels, x=x, PE=pe)).check_all_patterns()


@pytest.mark.parametrize(
    ("dim", "channels", "options", "block_ram"),
    [
        ((4, 6), 4, {"PE": 2}, False),
        pytest.param((2, 64), 16, {}, True, marks=pytest.mark.slow),
        pytest.param((2, 64), 16, {"ram_style": "distributed"}, False, marks=pytest.mark.slow),
    ],
)
def test_netlist(dim, channels, options, block_ram):
    model = pool(dim=dim, channels=channels, **options)
    assert (getCustomOp(model.graph.node[0]).bram_estimation("") > 0) == block_ram
    bench = NetlistBench(model, num_frames=2)
    bench.check_all_patterns()
    assert ("RAMB" in bench.netlist.read_text()) == block_ram


COSTS = ((256, 8, 1), (256, 8, 8), (128, 10, 1), (64, 12, 3), (32, 16, 16), (16, 16, 1))


@pytest.mark.parametrize(
    ("side", "channels", "pe"), [COSTS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in COSTS[1:])]
)
def test_cost(side, channels, pe):
    check(pool(dim=(side, side), channels=channels, PE=pe))


@pytest.mark.slow
@pytest.mark.parametrize(("side", "channels"), [(256, 8), (32, 16)])
def test_cost_of_rows_in_lut_ram(side, channels):
    check(pool(dim=(side, side), channels=channels, ram_style="distributed"))


def test_odd_sides_are_refused():
    with pytest.raises(ConfigError, match=r"ImgDim=\[4, 5\] must be even for 2x2 average pooling"):
        KernelBench(pool(dim=(4, 5), channels=2))
