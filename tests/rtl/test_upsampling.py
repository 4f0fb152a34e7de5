"""Nearest upsampling and depth to space: references against torch, RTL, netlists and cost models."""

from functools import partial

import numpy as np
import pytest
import torch
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.kernels.depth_to_space import depth_to_space_reference
from hw_build.kernels.nearest import nearest_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

nearest = partial(model_of, "NearestUpsample_rtl")
shuffle = partial(model_of, "DepthToSpace_rtl")


def first(x: np.ndarray) -> torch.Tensor:
    """Channels first, float64."""
    return torch.from_numpy(x.transpose(0, 3, 1, 2)).double()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_references_are_torch(factor):
    x = np.random.default_rng(factor).integers(-128, 128, (2, 3, 5, 2 * factor**2))
    torch_nearest = torch.nn.functional.interpolate(first(x), scale_factor=factor, mode="nearest")
    np.testing.assert_array_equal(nearest_reference(x, factor), torch_nearest.numpy().transpose(0, 2, 3, 1))
    # torch has the channel first among what becomes a block
    by_channel = x.reshape(2, 3, 5, factor**2, 2).swapaxes(3, 4).reshape(x.shape)
    torch_shuffle = torch.nn.functional.pixel_shuffle(first(by_channel), factor)
    np.testing.assert_array_equal(depth_to_space_reference(x, factor), torch_shuffle.numpy().transpose(0, 2, 3, 1))


SHAPES = [
    ((3, 5), "UINT4", 10, 2, 2),
    ((2, 3), "INT4", 12, 12, 2),
    ((1, 1), "UINT8", 1, 1, 2),
    ((3, 1), "INT7", 3, 1, 3),
    ((1, 4), "UINT1", 4, 2, 4),
]


@pytest.mark.parametrize(("dim", "x", "channels", "pe", "factor"), SHAPES)
def test_nearest(dim, x, channels, pe, factor):
    KernelBench(nearest(dim=dim, channels=channels, x=x, PE=pe, Factor=factor)).check_all_patterns()


@pytest.mark.parametrize(("dim", "x", "channels", "pe", "block"), SHAPES)
def test_depth_to_space(dim, x, channels, pe, block):
    KernelBench(shuffle(dim=dim, channels=channels * block**2, x=x, PE=pe, Block=block)).check_all_patterns()


@pytest.mark.parametrize(
    ("width", "options", "block_ram"),
    [(6, {"PE": 2}, False), pytest.param(256, {}, True, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("kind", ["nearest", "shuffle"])
def test_netlist(kind, width, options, block_ram):
    model = {
        "nearest": partial(nearest, channels=8, Factor=2),
        "shuffle": partial(shuffle, channels=16, Block=2),
    }[kind](dim=(2, width), **options)
    assert (getCustomOp(model.graph.node[0]).bram_estimation("") > 0) == block_ram
    bench = NetlistBench(model, num_frames=2)
    bench.check_all_patterns()
    assert ("RAMB" in bench.netlist.read_text()) == block_ram


COSTS = ((128, 8, 1), (128, 8, 8), (64, 12, 3), (32, 16, 16), (16, 64, 1), (8, 16, 4), (16, 16, 1))


@pytest.mark.parametrize(
    ("side", "channels", "pe"), [COSTS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in COSTS[1:])]
)
@pytest.mark.parametrize("kind", ["nearest", "shuffle"])
def test_cost(kind, side, channels, pe):
    if kind == "nearest":
        check(nearest(dim=(side, side), channels=channels, PE=pe, Factor=2))
    else:
        check(shuffle(dim=(side, side), channels=4 * channels, PE=pe, Block=2))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (partial(nearest, channels=2, Factor=1), "Factor=1 must be 2 or more"),
        (partial(shuffle, channels=6, Block=2), "its square divide NumChannels=6"),
        (partial(shuffle, channels=8, Block=2, PE=4), r"PE=4 does not divide NumChannels/Block\^2=2"),
    ],
)
def test_what_cannot_be_built_is_refused(model, sentence):
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(model(dim=(4, 4)))
