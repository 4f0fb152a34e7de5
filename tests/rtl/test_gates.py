"""Kernels of gates: sum of a frame, repetition, product: references, RTL, netlists and cost models."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.global_sum import global_sum_reference
from hw_build.kernels.repeat import repeat_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

summed = partial(model_of, "GlobalSum_rtl")


def repeated(size, channels, pe, *, pixel, x="UINT4"):
    """A pixel of ``channels`` all over ``size``, or a channel for all of them."""
    given = {"dim": (1, 1), "channels": channels} if pixel else {"dim": size, "channels": 1}
    return model_of("StreamRepeat_rtl", x=x, PE=pe, OutDim=list(size), OutChannels=channels, **given)


def product(types, out, channels, pe, dim=(3, 4)):
    return model_of(
        "StreamMultiply_rtl", dim=dim, channels=channels, streams=2, types=types, PE=pe, inputDataType2=types[1],
        outputDataType=out,
    )  # fmt: skip


def test_references():
    x = np.random.default_rng(1).integers(-8, 8, (2, 3, 4, 5))
    np.testing.assert_array_equal(global_sum_reference(x)[1, 0, 0], [x[1, :, :, c].sum() for c in range(5)])
    pixel, channel = x[:, :1, :1], x[..., :1]
    np.testing.assert_array_equal(repeat_reference(pixel, (2, 6), 5), np.tile(pixel, (1, 2, 6, 1)))
    np.testing.assert_array_equal(repeat_reference(channel, (3, 4), 7), np.tile(channel, (1, 1, 1, 7)))


@pytest.mark.parametrize(
    ("dim", "channels", "x", "out", "pe"), [((3, 5), 6, "UINT4", "UINT8", 2), ((2, 4), 3, "INT5", "INT8", 3)]
)
def test_sum_rtl(dim, channels, x, out, pe):
    KernelBench(summed(dim=dim, channels=channels, x=x, PE=pe, outputDataType=out)).check_all_patterns()


@pytest.mark.parametrize(
    ("size", "channels", "pe", "pixel"),
    [((3, 5), 6, 2, True), ((2, 3), 4, 4, True), ((3, 4), 6, 2, False), ((4, 2), 3, 3, False)],
)
def test_repeat_rtl(size, channels, pe, pixel):
    KernelBench(repeated(size, channels, pe, pixel=pixel, x="INT5")).check_all_patterns()


@pytest.mark.parametrize(
    ("types", "out", "channels", "pe"), [(["UINT8", "UINT8"], "UINT16", 2, 1), (["INT8", "UINT5"], "INT13", 4, 2)]
)
def test_product_rtl(types, out, channels, pe):
    KernelBench(product(types, out, channels, pe)).check_all_patterns()


NETLISTS = {
    "sum": lambda: summed(dim=(2, 3), channels=4, PE=2, outputDataType="UINT7"),
    "repeat": lambda: repeated((2, 3), 4, 2, pixel=True),
    "product": lambda: product(["UINT4", "INT4"], "INT8", 2, 1, dim=(2, 3)),
}


@pytest.mark.parametrize(
    "name", [name if name == "sum" else pytest.param(name, marks=pytest.mark.slow) for name in NETLISTS]
)
def test_netlist(name):
    NetlistBench(NETLISTS[name](), num_frames=2).check_all_patterns()


COSTS = {
    "sum": lambda: summed(dim=(32, 32), channels=16, PE=1, outputDataType="UINT14"),
    "sum_at_once": lambda: summed(dim=(32, 32), channels=8, PE=8, outputDataType="UINT14"),
    "repeat": lambda: repeated((32, 32), 16, 1, pixel=True, x="UINT8"),
    "repeat_lanes": lambda: repeated((32, 32), 64, 4, pixel=True),
    "repeat_channel": lambda: repeated((32, 32), 16, 1, pixel=False),
    "product": lambda: product(["UINT8", "UINT8"], "UINT16", 8, 2),
    "product_of_few_bits": lambda: product(["UINT4", "INT4"], "INT8", 8, 2),
}


@pytest.mark.parametrize(
    "name", [name if name == "sum" else pytest.param(name, marks=pytest.mark.slow) for name in COSTS]
)
def test_cost(name):
    check(COSTS[name]())


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            partial(summed, dim=(4, 4), channels=2, outputDataType="UINT7"),
            "16 pixels of UINT4 sum up to 0 to 240, which",
        ),
        (
            partial(product, ["UINT4", "INT4"], "INT7", 2, 1),
            "UINT4 times INT4 spans -120 to 105, which outputDataType=INT7",
        ),
    ],
)
def test_types_that_do_not_hold_all_are_refused(model, sentence):
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(model())


def test_other_repetitions_are_refused():
    model = model_of("StreamRepeat_rtl", dim=(2, 1), channels=4, OutDim=[4, 4], OutChannels=4)
    with pytest.raises(ConfigError, match="one pixel is repeated, or one of each row or column, or one channel"):
        KernelBench(model)
