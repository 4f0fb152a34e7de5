"""The numpy references of the kernels against torch, and the errors of their attributes. No RTL here."""

import re

import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.kernels import custom_op
from hw_build.kernels.bilinear import bilinear_reference
from hw_build.kernels.depthwise import depthwise_accumulate, depthwise_reference
from hw_build.kernels.literals import packed_literal, signed_bits
from hw_build.kernels.maxpool import maxpool_reference
from hw_build.kernels.multi_threshold import multi_threshold
from tests.rtl.kernel_bench import single_node_model


def nchw(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float64))


def nhwc(x: torch.Tensor) -> np.ndarray:
    return x.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize(("kernel", "height", "width"), [(3, 5, 8), (5, 4, 3), (7, 6, 6), (9, 2, 11), (1, 3, 3)])
def test_depthwise_matches_torch(kernel, height, width):
    rng = np.random.default_rng(kernel)
    x = rng.integers(0, 16, (2, height, width, 10))
    weights = rng.integers(-7, 8, (10, kernel, kernel))
    expected = torch.nn.functional.conv2d(
        nchw(x), torch.from_numpy(weights[:, None].astype(np.float64)), padding=kernel // 2, groups=10
    )
    acc = depthwise_accumulate(x, weights)
    np.testing.assert_array_equal(acc, nhwc(expected))
    thresholds = np.sort(rng.integers(-300, 300, (10, 15)), axis=1)
    r = (acc[..., None] >= thresholds).sum(-1)
    np.testing.assert_array_equal(depthwise_reference(x, weights, thresholds), r)
    sums = np.arange(1, 31, 2)[None]
    y = ((x + r)[..., None] >= sums).sum(-1)
    np.testing.assert_array_equal(depthwise_reference(x, weights, thresholds, sums), y)


def test_multi_threshold_counts_ties():
    np.testing.assert_array_equal(multi_threshold(np.array([[3], [4], [5]]), np.array([[4, 4, 9]])), [[0], [2], [2]])


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 1), (4, 7)])
def test_bilinear_is_a_multiple_of_torch(height, width, factor):
    x = np.random.default_rng(height * 8 + width).integers(-128, 128, (2, height, width, 3))
    expected = torch.nn.functional.interpolate(nchw(x), scale_factor=factor, mode="bilinear", align_corners=False)
    np.testing.assert_array_equal(bilinear_reference(x, factor), nhwc(expected) * (2 * factor) ** 2)


def test_maxpool_matches_torch():
    x = np.random.default_rng(2).integers(-8, 8, (2, 6, 10, 5))
    np.testing.assert_array_equal(maxpool_reference(x), nhwc(torch.nn.functional.max_pool2d(nchw(x), 2)))


def kernel_cases():
    """One node of every kernel on 4x6 images of four channels: outputs, streams, constants, attributes, what comes."""
    rng = np.random.default_rng(3)
    thresholds, halves = np.sort(rng.integers(-99, 99, (4, 15))), np.arange(1, 31, 2)[None]
    narrow = {"weightDataType": "INT4", "outputDataType": "UINT4", "KernelDim": 3}
    raw = {**narrow, "Raw": 1, "outputDataType": "INT24"}
    dense = rng.integers(-7, 8, (6, 3, 3, 4))
    return [
        ("StreamFork_rtl", 2, 1, {}, {"NumOutputs": 2}, (4, 6, 4), "UINT4"),
        ("StreamAdd_rtl", 1, 2, {}, {"inputDataType2": "UINT4", "outputDataType": "UINT5"}, (4, 6, 4), "UINT5"),
        (
            *("StreamAddThreshold_rtl", 1, 2, {2: halves}),
            *({"inputDataType2": "UINT4", "outputDataType": "UINT4"}, (4, 6, 4), "UINT4"),
        ),
        ("MaxPool2x2_rtl", 1, 1, {}, {}, (2, 3, 4), "UINT4"),
        ("AveragePool2x2_rtl", 1, 1, {}, {}, (2, 3, 4), "UINT6"),
        ("WindowMax_rtl", 1, 1, {}, {"Taps": 2}, (4, 6, 2), "UINT4"),
        ("WindowSum_rtl", 1, 1, {}, {"Taps": 2, "outputDataType": "UINT5"}, (4, 6, 2), "UINT5"),
        (
            *("PlaceFactor_rtl", 1, 1, {}),
            *({"RowFactors": [1, 2, 1, 1], "ColumnFactors": [1, 1, 2, 1, 1, 3], "outputDataType": "UINT7"},),
            *((4, 6, 4), "UINT7"),
        ),
        ("ChannelGather_rtl", 1, 1, {}, {"Index": [3, 1, 1, 0, 2, 2]}, (4, 6, 6), "UINT4"),
        ("StreamCrop_rtl", 1, 1, {}, {"Rows": [1, 4, 1], "Columns": [0, 6, 2], "Channels": [2, 4]}, (3, 3, 2), "UINT4"),
        ("ZeroPad_rtl", 1, 1, {}, {"Padding": [1, 0, 2, 3], "Channels": [0, 2]}, (7, 9, 6), "UINT4"),
        ("NearestUpsample_rtl", 1, 1, {}, {"Factor": 2}, (8, 12, 4), "UINT4"),
        ("DepthToSpace_rtl", 1, 1, {}, {"Block": 2, "PE": 1}, (8, 12, 1), "UINT4"),
        ("BilinearUpsample_rtl", 1, 1, {}, {}, (8, 12, 4), "UINT8"),
        ("BilinearUpsample_rtl", 1, 1, {}, {"Factor": 4}, (16, 24, 4), "UINT10"),
        (
            *("BilinearThreshold2x_rtl", 1, 1, {1: np.arange(8, 240, 16)[None]}),
            *({"outputDataType": "UINT4"}, (8, 12, 4), "UINT4"),
        ),
        (
            *("CodeTable_rtl", 1, 2, {2: rng.integers(0, 8, (1, 256))}),
            *({"inputDataType2": "UINT4", "outputDataType": "UINT3", "TableRows": 1}, (4, 6, 4), "UINT3"),
        ),
        ("GlobalSum_rtl", 1, 1, {}, {"outputDataType": "UINT9"}, (1, 1, 4), "UINT9"),
        ("BlockSum_rtl", 1, 1, {}, {"Rows": 2, "Columns": 1, "outputDataType": "UINT5"}, (2, 6, 4), "UINT5"),
        ("StreamMultiply_rtl", 1, 2, {}, {"inputDataType2": "UINT4", "outputDataType": "UINT8"}, (4, 6, 4), "UINT8"),
        ("StreamRepeat_rtl", 1, 1, {}, {"ImgDim": [1, 1], "OutDim": [3, 5], "OutChannels": 4}, (3, 5, 4), "UINT4"),
        ("ChannelBias_rtl", 1, 1, {1: [1, -2, 3, -4]}, {"outputDataType": "INT6"}, (4, 6, 4), "INT6"),
        ("StreamConcat_rtl", 1, 2, {}, {"NumChannels": [4, 4]}, (4, 6, 8), "UINT4"),
        (
            *("DepthwiseConv_rtl", 1, 1, {1: rng.integers(-7, 8, (4, 3, 3)), 2: thresholds, 3: halves}),
            *({**narrow, "SIMD": 3, "Residual": 1}, (4, 6, 4), "UINT4"),
        ),
        (
            *("ConvThreshold_rtl", 1, 1, {1: dense, 2: np.sort(rng.integers(-99, 99, (6, 15)))}),
            *({**narrow, "OutChannels": 6, "NarrowWeights": 1}, (4, 6, 6), "UINT4"),
        ),
        (
            *("ConvThreshold_rtl", 1, 1, {1: dense, 2: rng.integers(-50, 50, 6)}),
            *({**raw, "OutChannels": 6, "NarrowWeights": 1}, (4, 6, 6), "INT24"),
        ),
        (
            *("Threshold_rtl", 1, 1, {1: np.sort(rng.integers(0, 16, (4, 3)))}),
            *({"ThresholdRows": 4, "outputDataType": "UINT2"}, (4, 6, 4), "UINT2"),
        ),
    ]


def test_every_kernel_executes_in_a_graph():
    rng = np.random.default_rng(4)
    common = {"ImgDim": [4, 6], "NumChannels": 4, "PE": 2, "inputDataType": "UINT4"}
    for op_type, outputs, streams, constants, attributes, shape, out_type in kernel_cases():
        settings = {**common, **attributes}
        image = (1, *settings["ImgDim"], 4)
        model = single_node_model(op_type, [image] * streams, ["UINT4"] * streams, constants, outputs, **settings)
        op = getCustomOp(model.graph.node[0])
        op.verify_node()
        frames = [rng.integers(0, 16, image) for _ in range(streams)]
        names = [value.name for value in model.graph.input]
        result = execute_onnx(
            model,
            {name: x.astype(np.float32) for name, x in zip(names, frames, strict=True)},
            return_full_exec_context=True,
        )
        expected = op.compute(frames + [np.asarray(constants[index]) for index in sorted(constants)])
        assert len(expected) == len(model.graph.output) == outputs
        for value, wanted in zip(model.graph.output, expected, strict=True):
            found, kind = result[value.name], model.get_tensor_datatype(value.name)
            assert found.shape == (1, *shape) and model.get_tensor_shape(value.name) == [1, *shape], op_type
            np.testing.assert_array_equal(found, wanted, err_msg=op_type)
            assert kind.name == out_type and np.unique(found).size > 1, op_type
            assert kind.min() <= found.min() and found.max() <= kind.max(), op_type
        estimate = op.node_res_estimation("xc7z020clg400-1")
        multiplies = op_type in ("ConvThreshold_rtl", "PlaceFactor_rtl")
        assert estimate["LUT"] > 0 and (estimate["DSP"] == 0 or multiplies), op_type
        rtl = op.rtl_instance(model)
        assert re.search(
            rf"^module {rtl.module}\b",
            "".join([*rtl.generated.values(), *(path.read_text() for path in rtl.files)]),
            re.MULTILINE,
        )


def test_no_kernel_is_left_out():
    assert {case[0] for case in kernel_cases()} == set(custom_op)


@pytest.mark.parametrize(
    ("attributes", "constants", "message"),
    [
        ({"PE": 3}, {}, r"DepthwiseConv_rtl_0: PE=3 does not divide NumChannels=4; choose one of 1, 2, 4"),
        ({"SIMD": 2}, {}, r"SIMD=2 does not divide KernelDim \* KernelDim=9; choose one of 1, 3, 9"),
        ({"KernelDim": 4, "SIMD": 4}, {}, r"KernelDim=4 must be odd"),
        ({"ImgDim": [0, 6]}, {}, r"ImgDim=\[0, 6\] must be at least 1 x 1"),
        ({"outputDataType": "UINT3"}, {}, r"15 thresholds give codes 0 to 15, which outputDataType=UINT3 cannot hold"),
        ({"accDataType": "INT6"}, {}, r"which accDataType=INT6 cannot hold"),
        ({"Residual": 1}, {}, r"3 inputs where Residual=1 needs 4"),
        ({}, {1: np.full((4, 3, 3), 9)}, r"weights spans 9 to 9, which INT4 cannot hold"),
        ({}, {1: np.ones((4, 5, 5))}, r"weights have shape \(4, 5, 5\), expected \(C, K, K\)"),
        ({}, {2: np.ones((3, 15))}, r"thresholds have shape \(3, 15\), expected \(4, n\)"),
    ],
)
def test_depthwise_refuses(attributes, constants, message):
    merged = {1: np.ones((4, 3, 3)), 2: np.ones((4, 15))} | constants
    base = {"ImgDim": [4, 6], "NumChannels": 4, "KernelDim": 3, "weightDataType": "INT4", "outputDataType": "UINT4"}
    input_type = attributes.get("inputDataType", "UINT4")
    model = single_node_model(
        "DepthwiseConv_rtl", [(1, 4, 6, 4)], [input_type], merged, **{**base, "inputDataType": input_type, **attributes}
    )
    with pytest.raises(ConfigError, match=message):
        getCustomOp(model.graph.node[0]).rtl_instance(model)


@pytest.mark.parametrize(
    ("op_type", "attributes", "constants", "streams", "message"),
    [
        ("MaxPool2x2_rtl", {"ImgDim": [5, 6]}, {}, 1, r"ImgDim=\[5, 6\] must be even for a 2x2 max-pool"),
        ("StreamFork_rtl", {"NumOutputs": 5}, {}, 1, r"NumOutputs=5 with 1 outputs; .* at least 2"),
        (
            "StreamAdd_rtl",
            {"inputDataType2": "UINT4", "outputDataType": "UINT4"},
            {},
            2,
            r"the sum of UINT4 and UINT4 spans 0 to 30, which outputDataType=UINT4 cannot hold",
        ),
        ("ChannelBias_rtl", {"outputDataType": "UINT4"}, {1: [1, 2, 3, 4]}, 1, r"spans 1 to 19, .* cannot hold"),
        ("ChannelBias_rtl", {"outputDataType": "INT6"}, {1: [1, 2]}, 1, r"bias has shape \(2,\), expected \(4,\)"),
        (
            "StreamConcat_rtl",
            {"NumChannels": [4, 3], "PE": 2},
            {},
            2,
            r"PE=2 does not divide .* of NumChannels=\[4, 3\]=1; choose one of 1",
        ),
        ("StreamConcat_rtl", {"NumChannels": [4, 3, 2]}, {}, 2, r"must be \[C0, C1\]; chain concatenations"),
    ],
)
def test_kernels_refuse(op_type, attributes, constants, streams, message):
    base = {"ImgDim": [4, 6], "NumChannels": 4, "inputDataType": "UINT4"}
    model = single_node_model(
        op_type, [(1, 4, 6, 4)] * streams, ["UINT4"] * streams, constants, **{**base, **attributes}
    )
    with pytest.raises(ConfigError, match=message):
        getCustomOp(model.graph.node[0]).rtl_instance(model)


def test_missing_constant_and_wrong_shape_are_named():
    attributes = {"ImgDim": [4, 6], "NumChannels": 4, "inputDataType": "UINT4", "outputDataType": "INT6"}
    model = single_node_model("ChannelBias_rtl", [(1, 4, 6, 4), (4,)], ["UINT4", "INT4"], {}, **attributes)
    op = getCustomOp(model.graph.node[0])
    with pytest.raises(ConfigError, match=r"input 1 \('in1'\) has no initializer"):
        op.rtl_instance(model)
    with pytest.raises(ConfigError, match=r"input 0 has shape \(1, 4, 5, 4\), its attributes say \(1, 4, 6, 4\)"):
        op.execute_node({"in0": np.zeros((1, 4, 5, 4)), "in1": np.zeros(4)}, None)


def test_literals():
    assert packed_literal(np.array([1, -1, 2]), 4) == "12'h2f1"
    assert [signed_bits(*r) for r in [(0, 0), (-8, 7), (-9, 0), (0, 8)]] == [1, 4, 5, 5]
