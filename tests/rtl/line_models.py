"""Single-node graphs of kernels whose thresholds lie on lines, lowered as a network's are."""

import numpy as np
from qonnx.custom_op.registry import getCustomOp

from hw_build.lowering.lines import LinesForThresholds
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model
from tests.rtl.test_stream_kernels import model_of

EIGHT = {"x": "UINT8", "w": "INT8", "y": "UINT8"}


def straight_thresholds(rows, count, spacing, first=0, seed=2):
    """(rows, count): thresholds (k - 1/2) * spacing from about ``first`` on, both a little different in each row."""
    rng = np.random.default_rng(seed)
    spacings = np.round(spacing * rng.uniform(0.7, 1.3, (rows, 1))) if rows > 1 else spacing
    starts = first + rng.integers(-20, 20, (rows, 1)) - 0.25 if rows > 1 else first
    return np.ceil((np.arange(1, count + 1) - 0.5)[None] * spacings + starts)


def lined(model, thresholds, attributes):
    """``model`` with ``thresholds`` by input position, lowered; exactly ``attributes`` must have been set."""
    node = model.graph.node[0]
    for position, values in thresholds.items():
        model.set_initializer(node.input[position], values.astype(np.float32))
    model = model.transform(LinesForThresholds())
    operation = getCustomOp(model.graph.node[0])
    found = {"LineBits"} if node.op_type not in SUMS and operation.get_nodeattr("LineBits") else set()
    if node.op_type in (*SUMS, "DepthwiseConv_rtl") and operation.get_nodeattr("SumShift") >= 0:
        found.add("SumShift")
    assert found == set(attributes)
    return model


SUMS = ("StreamAddThreshold_rtl", "BilinearThreshold2x_rtl")


def line_conv(shape=(4, 6, 3), out_channels=4, kernel=3, spacing=217.0, first=-8000, **options):
    model = conv_model(shape, out_channels, kernel, **{**EIGHT, **options})
    return lined(model, {2: straight_thresholds(out_channels, 255, spacing, first)}, {"LineBits"})


def line_depthwise(ratio=2, spacing=181.0, **options):
    """``ratio``: of the residual sum's scale to its code's; 0 leaves the residual out."""
    model = depthwise_model(**EIGHT, residual=int(ratio > 0), **options)
    channels = model.get_initializer(model.graph.node[0].input[1]).shape[0]
    thresholds = {2: straight_thresholds(channels, 255, spacing, -9000)}
    if ratio:
        thresholds[3] = straight_thresholds(1, 255, float(ratio))
    return lined(model, thresholds, {"LineBits", "SumShift"} if ratio else {"LineBits"})


def line_threshold(rows=4, pe=2, x="INT14"):
    steps = straight_thresholds(rows, 255, 23.0, -2500)
    model = model_of(
        "Threshold_rtl", dim=(5, 8), channels=4, x=x, constants={1: steps}, PE=pe, ThresholdRows=rows,
        outputDataType="UINT8",
    )  # fmt: skip
    return lined(model, {}, {"LineBits"})


def line_add(ratio=2, pe=2, first=0):
    model = model_of(
        "StreamAddThreshold_rtl", dim=(4, 6), channels=4, x="UINT8", streams=2,
        constants={2: straight_thresholds(1, 255, float(ratio), first)}, PE=pe, inputDataType2="UINT8",
        outputDataType="UINT8",
    )  # fmt: skip
    return lined(model, {}, {"SumShift"})


def line_bilinear(ratio=16, pe=1, dim=(3, 4)):
    model = model_of(
        "BilinearThreshold2x_rtl", dim=dim, channels=4, x="UINT8",
        constants={1: straight_thresholds(1, 255, float(ratio))}, PE=pe, outputDataType="UINT8",
    )  # fmt: skip
    return lined(model, {}, {"SumShift"})
