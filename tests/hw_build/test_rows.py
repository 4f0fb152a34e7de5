"""Which input rows an operator needs: against what a change of each row changes, and for every node that is folded."""

from fractions import Fraction

import numpy as np
import pytest
from onnx import helper
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import rows_of
from hw_build.kernels import DOMAIN, custom_op
from hw_build.kernels.rows import global_rows, padded_rows, pointwise_rows, upsampled_rows, window_rows
from hw_build.kernels.stream_kernel import StreamKernel
from hw_build.lowering.specialize import RTL_DOMAIN


def pooled(x, *, kernel, stride=1, dilation=1, pads=(0, 0)):
    """Sums of windows of rows, x (H,)."""
    padded = np.pad(x, pads)
    starts = range(0, len(padded) - dilation * (kernel - 1), stride)
    return np.array([sum(padded[start + dilation * tap] for tap in range(kernel)) for start in starts])


def interpolated(x, factor):
    """Linear, half-pixel centres, the edge repeated, x (H,)."""
    centres = (np.arange(factor * len(x)) + 0.5) / factor - 0.5
    return np.interp(centres, np.arange(len(x)), x)


def needs(operator, rows_in):
    """(first, last) row that each output row depends on, found by changing one row after the other."""
    x = np.zeros(rows_in)
    depends = np.array([operator(x + np.eye(rows_in)[row]) != operator(x) for row in range(rows_in)])  # (H, H')
    return [(found.min(), found.max()) if (found := np.flatnonzero(each)).size else None for each in depends.T]


def checked(rows, operator, rows_in):
    found = needs(operator, rows_in)
    assert rows.rows_in == rows_in and rows.rows_out == len(found)
    last = np.maximum.accumulate([0 if need is None else need[1] for need in found])  # rows leave in order
    assert list(rows.last) == last.tolist()
    first = np.minimum.accumulate([rows_in - 1 if need is None else need[0] for need in found[::-1]])[::-1]
    assert list(rows.first) == first.tolist()  # what a later row needs is kept
    assert rows.held == (last - first).max() + 1


WINDOWS = [
    *({"kernel": kernel, "pads": (kernel // 2, kernel // 2)} for kernel in (1, 3, 5, 7, 9)),
    *({"kernel": kernel} for kernel in (3, 5)),
    {"kernel": 2, "stride": 2},
    {"kernel": 3, "stride": 2, "pads": (1, 1)},
    {"kernel": 3, "stride": 2, "pads": (0, 1)},
    {"kernel": 7, "stride": 2, "pads": (3, 3)},
    {"kernel": 3, "dilation": 4, "pads": (4, 4)},
    {"kernel": 3, "dilation": 2},
    {"kernel": 5, "stride": 3, "dilation": 2, "pads": (4, 3)},
    {"kernel": 1, "stride": 2},
    {"kernel": 1, "pads": (2, 3)},
]


@pytest.mark.parametrize("rows_in", [9, 12, 16, 31])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows_need_what_changes_them(window, rows_in):
    rows = window_rows(rows_in, **window)
    checked(rows, lambda x: pooled(x, **window), rows_in)
    assert rows.step == window.get("stride", 1)


@pytest.mark.parametrize("rows_in", [1, 2, 5, 8])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_upsampling_needs_what_changes_it(rows_in, factor):
    checked(upsampled_rows(rows_in, factor=factor, mode="nearest"), lambda x: np.repeat(x, factor), rows_in)
    rows = upsampled_rows(rows_in, factor=factor, mode="linear")
    checked(rows, lambda x: interpolated(x, factor), rows_in)
    assert rows.step == Fraction(1, factor) and rows.held == min(rows_in, 1 if factor == 1 else 2)


def test_frames_that_are_needed_whole():
    pooling = global_rows(32)
    assert pooling.last == (31,) and pooling.first == (0,) and pooling.held == 32 and pooling.whole_frame
    checked(pooling, lambda x: x.mean(keepdims=True), 32)
    assert window_rows(4, kernel=9, pads=(4, 4)).whole_frame
    assert not window_rows(8, kernel=9, pads=(4, 4)).whole_frame


def test_rows_by_hand():
    assert window_rows(64, kernel=7, stride=2, pads=(3, 3)).last[:3] == (3, 5, 7)
    assert window_rows(64, kernel=3, dilation=4, pads=(4, 4)).last[:3] == (4, 5, 6)
    assert upsampled_rows(2, factor=2, mode="nearest").last == (0, 0, 1, 1)
    assert upsampled_rows(4, factor=2, mode="linear").last == (0, 1, 1, 2, 2, 3, 3, 3)
    assert padded_rows(4, 1, 1).last == (0, 0, 1, 2, 3, 3)
    assert pointwise_rows(3).first == pointwise_rows(3).last == (0, 1, 2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: window_rows(4, kernel=7, pads=(1, 1)), r"spans 7 rows does not fit 4 rows with pads \[1, 1\]"),
        (lambda: window_rows(4, kernel=2, stride=0), "a window of 2 rows with stride 0.* must be positive"),
        (lambda: window_rows(4, kernel=2, pads=(-1, 0)), "pads must not be negative"),
        (lambda: upsampled_rows(4, factor=2, mode="cubic"), "mode 'cubic': .* the modes nearest and linear"),
        (lambda: upsampled_rows(4, factor=0, mode="linear"), "upsampling of 4 rows by 0.* positive whole factors"),
    ],
)
def test_what_is_no_geometry_is_refused(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make()


NEEDED = {
    "BlockSum_rtl": {"Rows": 4, "Columns": 1, "outputDataType": "UINT6"},
    "ChannelGather_rtl": {"Index": [3, 0]},
    "DepthToSpace_rtl": {"Block": 2},
    "NearestUpsample_rtl": {"Factor": 3},
    "StreamCrop_rtl": {"Channels": [0, 4]},
    "StreamRepeat_rtl": {"OutDim": [8, 6], "OutChannels": 5},
    "WindowMax_rtl": {"Taps": 4},
    "WindowSum_rtl": {"Taps": 4, "outputDataType": "UINT6"},
    "ZeroPad_rtl": {"Padding": [1, 0, 2, 0]},
}


@pytest.mark.parametrize("op_type", sorted(custom_op))
def test_every_kernel_says_which_rows_it_needs(op_type):
    node = helper.make_node(
        op_type, ["x"], ["y"], domain=DOMAIN, name="n", ImgDim=[8, 6], NumChannels=4, inputDataType="UINT4",
        **NEEDED.get(op_type, {}),
        **({"KernelDim": 5} if "Conv" in op_type else {}), **({"OutChannels": 3} if op_type.startswith("Conv") else {}),
    )  # fmt: skip
    rows = rows_of(node)
    operation = getCustomOp(node)
    assert (rows.rows_in, rows.rows_out) == (8, operation.get_normal_output_shape(0)[1])


def test_finn_s_window_by_its_attributes():
    window = {
        "ConvKernelDim": [3, 1],
        "IFMDim": [9, 7],
        "OFMDim": [3, 7],
        "IFMChannels": 1,
        "SIMD": 1,
        "inputDataType": "UINT4",
    }
    window |= {"Stride": [2, 1], "Dilation": [2, 1], "outputDataType": "UINT4"}
    node = helper.make_node("ConvolutionInputGenerator_rtl", ["x"], ["y"], domain=RTL_DOMAIN, name="n", **window)
    assert rows_of(node).last == (4, 6, 8)


def test_unknown_operators_are_refused():
    node = helper.make_node("VVAU_rtl", ["x"], ["y"], domain=RTL_DOMAIN, name="VVAU_rtl_3")
    with pytest.raises(ConfigError, match="VVAU_rtl_3: which input rows VVAU_rtl needs .* is not known"):
        rows_of(node)
    kernel = getCustomOp(helper.make_node("StreamFork_rtl", ["x"], ["y"], domain=DOMAIN, name="new"))
    with pytest.raises(ConfigError, match="new: StreamFork_rtl does not say which input rows it needs"):
        StreamKernel.rows(kernel)
