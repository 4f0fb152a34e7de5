"""Kernels that move data: crop, gather of channels, zeros around: references, RTL, netlists and cost models."""

from functools import partial

import numpy as np
import pytest

from hw_build.base.errors import ConfigError
from hw_build.kernels.crop import TO_THE_END, crop_reference
from hw_build.kernels.gather import gather_reference
from hw_build.kernels.zero_pad import zero_pad_reference
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_cost_models import check
from tests.rtl.test_stream_kernels import model_of

cropped = partial(model_of, "StreamCrop_rtl")
gathered = partial(model_of, "ChannelGather_rtl")
zero_padded = partial(model_of, "ZeroPad_rtl")
HALF = {"Rows": [0, TO_THE_END, 2], "Columns": [0, TO_THE_END, 2]}
SHUFFLE = [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]  # of 3 groups


def test_references():
    x = np.random.default_rng(1).integers(-8, 8, (2, 7, 6, 5))
    np.testing.assert_array_equal(crop_reference(x, range(1, 6, 2), range(3), range(2, 4)), x[:, 1:6:2, :3, 2:4])
    around = np.zeros((2, 10, 10, 8), int)
    around[:, 1:8, :6, 2:7] = x
    np.testing.assert_array_equal(zero_pad_reference(x, [1, 0, 2, 4], [2, 1]), around)
    np.testing.assert_array_equal(gather_reference(x, [3, 0, 3]), np.stack([x[..., 3], x[..., 0], x[..., 3]], -1))


def first_quick(cases):
    """The first of ``cases`` as it is, the others slow."""
    return [case if number == 0 else pytest.param(*case, marks=pytest.mark.slow) for number, case in enumerate(cases)]


@pytest.mark.parametrize(
    ("dim", "channels", "x", "pe", "attributes"),
    first_quick([
        ((7, 7), 6, "UINT8", 1, {"Rows": [1, -1, 3], "Columns": [0, 5, 2], "Channels": [1, 4]}),
        ((5, 6), 4, "UINT4", 2, {"Rows": [1, 5, 1], "Columns": [2, -1, 1], "Channels": [2, 4]}),
        ((6, 5), 3, "INT5", 3, {"Rows": [0, TO_THE_END, 2], "Columns": [0, 9, 2], "Channels": [0, 3]}),
        ((3, 4), 2, "UINT1", 1, {"Rows": [-1, TO_THE_END, 1], "Columns": [1, 2, 1], "Channels": [1, 2]}),
    ]),
)  # fmt: skip
def test_crop_rtl(dim, channels, x, pe, attributes):
    KernelBench(cropped(dim=dim, channels=channels, x=x, PE=pe, **attributes)).check_all_patterns()


@pytest.mark.parametrize(
    ("channels", "x", "pe", "index"),
    first_quick([
        (12, "INT3", 4, SHUFFLE),
        (12, "UINT4", 1, SHUFFLE),
        (4, "UINT8", 2, [3, 2, 1, 0, 0, 1]),
        (6, "UINT4", 6, [5, 0, 4, 1, 3, 2]),
        (5, "UINT2", 1, [4]),
    ]),
)  # fmt: skip
def test_gather_rtl(channels, x, pe, index):
    KernelBench(gathered(dim=(3, 4), channels=channels, x=x, PE=pe, Index=index)).check_all_patterns()


@pytest.mark.parametrize(
    ("dim", "channels", "x", "pe", "attributes"),
    first_quick([
        ((4, 5), 4, "UINT4", 2, {"Padding": [1, 2, 3, 1]}),
        ((3, 2), 2, "INT5", 1, {"Padding": [5, 0, 4, 3]}),  # more than the image has rows
        ((1, 4), 6, "UINT8", 6, {"Padding": [0, 2, 1, 0]}),
        ((3, 3), 4, "UINT2", 2, {"Padding": [0, 0, 0, 1], "Channels": [2, 4]}),
        ((2, 3), 3, "UINT4", 1, {"Padding": [1, 0, 0, 0], "Channels": [0, 2]}),
        ((4, 1), 1, "UINT3", 1, {"Padding": [1, 1, 1, 1], "Channels": [1, 0]}),
    ]),
)  # fmt: skip
def test_zero_pad_rtl(dim, channels, x, pe, attributes):
    bench = KernelBench(zero_padded(dim=dim, channels=channels, x=x, PE=pe, **attributes))
    beats, (before, _) = bench.op.output_channels() // pe, bench.op.groups_around
    bench.check_all_patterns(depends=attributes["Padding"][1] * beats + before)


def test_no_zero_leaves_before_its_frame():
    """Not a beat, however long nothing comes; and the frame behind is whole."""
    bench = KernelBench(zero_padded(dim=(4, 5), channels=4, PE=2, Padding=[1, 2, 3, 1]), num_frames=1)
    nothing = bench.simulator.run([np.zeros((0, 1), np.uint8)], [0], settle_cycles=500)
    assert nothing.cycles > 500 and not nothing.output_cycles[0].size
    bench.check(0.0, 0.0)


NETLISTS = {
    "crop": lambda: cropped(dim=(3, 4), channels=4, PE=2, Rows=[0, 3, 2], Columns=[1, 4, 2], Channels=[0, 2]),
    "gather": lambda: gathered(dim=(2, 2), channels=6, PE=2, Index=[5, 0, 4, 1]),
    "zero_pad": lambda: zero_padded(dim=(2, 3), channels=4, PE=2, Padding=[1, 0, 2, 1], Channels=[0, 2]),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in NETLISTS])
def test_netlist(name):
    NetlistBench(NETLISTS[name](), num_frames=2).check_all_patterns()


COSTS = {
    "gather_shuffle": lambda: gathered(dim=(32, 32), channels=16, Index=np.arange(16).reshape(2, 8).T.ravel().tolist()),
    "gather_shuffle_lanes": lambda: gathered(
        dim=(32, 32), channels=32, PE=4, Index=np.arange(32).reshape(4, 8).T.ravel().tolist()
    ),
    "gather_repeat": lambda: gathered(dim=(32, 32), channels=8, Index=np.repeat(np.arange(8), 2).tolist()),
    "gather_more": lambda: gathered(dim=(32, 32), channels=8, Index=list(range(8)) * 3),
    "gather_fewer": lambda: gathered(dim=(32, 32), channels=16, Index=list(range(0, 16, 2))),
    "gather_reversed": lambda: gathered(dim=(32, 32), channels=24, PE=2, Index=list(range(24))[::-1]),
    "crop_stride": lambda: cropped(dim=(64, 64), channels=16, PE=2, **HALF, Channels=[0, 16]),
    "crop_channels": lambda: cropped(dim=(64, 64), channels=16, PE=4, Channels=[8, 16]),
    "crop_border": lambda: cropped(
        dim=(128, 128), channels=8, x="UINT8", Rows=[4, -4, 1], Columns=[4, -4, 1], Channels=[0, 8]
    ),
    "crop_border_56": lambda: cropped(dim=(56, 56), channels=8, Rows=[3, -3, 1], Columns=[3, -3, 1], Channels=[0, 8]),
    "crop_half_48": lambda: cropped(dim=(48, 48), channels=8, **HALF, Channels=[0, 8]),
    "crop_half_128": lambda: cropped(dim=(128, 128), channels=8, **HALF, Channels=[0, 8]),
    **{
        f"zero_pad_{side}_{c}_{pe}_{by}": partial(zero_padded, dim=(side, side), channels=c, PE=pe, Padding=[by] * 4)
        for side, c, pe, by in (
            (32, 16, 1, 1),
            (64, 16, 16, 1),
            (128, 8, 1, 1),
            (256, 8, 8, 3),
            (14, 12, 4, 1),
            (30, 8, 1, 1),
            (48, 24, 2, 2),
            (8, 64, 1, 6),
            (16, 32, 4, 12),
        )
    },
    "zero_pad_behind": lambda: zero_padded(dim=(64, 64), channels=8, Padding=[0, 0, 1, 1]),
    "zero_pad_channels": lambda: zero_padded(dim=(32, 32), channels=8, Padding=[0] * 4, Channels=[4, 4]),
    "crop_wide": lambda: cropped(dim=(32, 32), channels=16, PE=16, **HALF, Channels=[0, 16]),
}


@pytest.mark.parametrize(
    "name", [name if name == "gather_shuffle" else pytest.param(name, marks=pytest.mark.slow) for name in COSTS]
)
def test_cost(name):
    check(COSTS[name]())


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (partial(cropped, dim=(4, 4), channels=4, Rows=[2, 2, 1], Channels=[0, 4]), "must leave a part of 4x4x4"),
        (partial(cropped, dim=(4, 4), channels=4, Channels=[2, 5]), r"Channels=\[2, 5\] must leave a part of 4x4x4"),
        (partial(zero_padded, dim=(4, 4), channels=4, Padding=[1, 0, -1, 0]), r"\[1, 0, -1, 0\] .* none negative"),
        (partial(zero_padded, dim=(4, 4), channels=4, PE=2, Padding=[1] * 4, Channels=[0, 1]), "PE=2 does not divide"),
        (partial(gathered, dim=(4, 4), channels=4, Index=[4]), r"Index=\[4\] must name channels 0 to 3"),
        (partial(gathered, dim=(4, 4), channels=6, PE=4, Index=[0, 1]), "PE=4 does not divide the greatest common"),
    ],
)
def test_what_is_not_there_is_refused(model, sentence):
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(model())
