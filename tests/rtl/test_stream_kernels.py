"""RTL of the kernels that hold at most a few rows: fork, add, concatenation, bias, thresholds, max-pool,
bilinear upsampling.
"""

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from hw_build.base.errors import ConfigError
from tests.rtl.kernel_bench import KernelBench, single_node_model


def model_of(op_type, *, dim, channels, x="UINT4", streams=1, constants=None, num_outputs=1, types=None, **attributes):
    channel_list = channels if isinstance(channels, list) else [channels] * streams
    return single_node_model(
        op_type,
        [(1, *dim, c) for c in channel_list],
        types or [x] * len(channel_list),
        constants or {},
        num_outputs,
        ImgDim=list(dim),
        NumChannels=channels,
        inputDataType=(types or [x])[0],
        **attributes,
    )


@pytest.mark.parametrize(
    ("num_outputs", "x", "channels", "pe"), [(2, "UINT4", 10, 2), (3, "INT5", 3, 3), (7, "UINT8", 12, 1)]
)
def test_fork(num_outputs, x, channels, pe):
    bench = KernelBench(
        model_of(
            "StreamFork_rtl", dim=(3, 5), channels=channels, x=x, PE=pe, num_outputs=num_outputs, NumOutputs=num_outputs
        )
    )
    bench.check_all_patterns()


@pytest.mark.parametrize(
    ("types", "out", "channels", "pe"),
    [(["UINT4", "UINT4"], "UINT5", 10, 5), (["INT4", "UINT8"], "INT10", 12, 1), (["INT8", "INT3"], "INT9", 3, 3)],
)
def test_add(types, out, channels, pe):
    bench = KernelBench(
        model_of(
            "StreamAdd_rtl",
            dim=(5, 3),
            channels=channels,
            streams=2,
            types=types,
            PE=pe,
            inputDataType2=types[1],
            outputDataType=out,
        )
    )
    bench.check_all_patterns()


@pytest.mark.parametrize(
    ("types", "channels", "pe"),
    [(["UINT4", "UINT4"], [10, 4], 2), (["UINT4", "INT6"], [3, 12], 1), (["INT4", "UINT4"], [6, 6], 6)],
)
def test_concat(types, channels, pe):
    bench = KernelBench(
        model_of("StreamConcat_rtl", dim=(4, 3), channels=channels, types=types, PE=pe, inputDataType2=types[1])
    )
    bench.check_all_patterns()


@pytest.mark.parametrize(
    ("x", "out", "channels", "pe"), [("INT12", "INT14", 1, 1), ("UINT4", "INT13", 10, 2), ("INT6", "INT13", 6, 6)]
)
def test_bias(x, out, channels, pe):
    bias = np.random.default_rng(channels).integers(-2048, 2048, channels)
    bench = KernelBench(
        model_of("ChannelBias_rtl", dim=(4, 5), channels=channels, x=x, PE=pe, constants={1: bias}, outputDataType=out)
    )
    bench.check_all_patterns()


@pytest.mark.parametrize(
    ("dim", "x", "channels", "pe"),
    [((6, 10), "UINT4", 10, 2), ((4, 6), "INT4", 12, 12), ((2, 2), "UINT8", 1, 1), ((8, 4), "INT7", 3, 1)],
)
def test_maxpool(dim, x, channels, pe):
    KernelBench(model_of("MaxPool2x2_rtl", dim=dim, channels=channels, x=x, PE=pe)).check_all_patterns()


@pytest.mark.parametrize(
    ("dim", "x", "channels", "pe", "factor"),
    [
        ((3, 5), "UINT4", 10, 2, 2),
        ((4, 6), "INT4", 12, 12, 2),
        ((1, 1), "UINT8", 1, 1, 2),
        ((1, 7), "UINT4", 3, 1, 2),
        ((7, 1), "INT5", 4, 2, 2),
        ((2, 2), "UINT1", 2, 2, 2),
        ((3, 4), "UINT4", 4, 2, 4),
        ((1, 1), "INT8", 1, 1, 4),
        ((5, 1), "INT3", 2, 1, 4),
        ((2, 3), "UINT2", 2, 2, 8),
    ],
)
def test_bilinear(dim, x, channels, pe, factor):
    model = model_of("BilinearUpsample_rtl", dim=dim, channels=channels, x=x, PE=pe, Factor=factor)
    KernelBench(model).check_all_patterns()


def test_bilinear_by_no_power_of_two_is_refused():
    with pytest.raises(ConfigError, match="Factor=3 must be 2, 4, 8 or another power of two"):
        KernelBench(model_of("BilinearUpsample_rtl", dim=(2, 2), channels=2, Factor=3))


@pytest.mark.parametrize(("channels", "pe", "shared"), [(6, 2, True), (6, 3, False), (3, 1, False)])
def test_add_threshold(channels, pe, shared):
    steps = np.sort(np.random.default_rng(pe).integers(0, 33, (1 if shared else channels, 15)), axis=1)
    model = model_of(
        "StreamAddThreshold_rtl", dim=(4, 5), channels=channels, streams=2, constants={2: steps}, PE=pe,
        inputDataType2="UINT4", outputDataType="UINT4",
    )  # fmt: skip
    KernelBench(model).check_all_patterns()


@pytest.mark.parametrize(("dim", "channels", "pe", "shared"), [((3, 5), 4, 2, True), ((2, 3), 3, 1, False)])
def test_bilinear_threshold(dim, channels, pe, shared):
    steps = np.sort(np.random.default_rng(pe).integers(0, 250, (1 if shared else channels, 15)), axis=1)
    model = model_of(
        "BilinearThreshold2x_rtl", dim=dim, channels=channels, constants={1: steps}, PE=pe, outputDataType="UINT4"
    )
    KernelBench(model).check_all_patterns()


@pytest.mark.parametrize(
    ("x", "out", "count", "channels", "pe", "shared"),
    [
        ("UINT8", "UINT4", 15, 6, 2, False),
        ("INT10", "UINT4", 15, 3, 1, False),
        ("UINT5", "UINT3", 5, 4, 4, True),
        ("INT6", "UINT1", 1, 4, 2, True),
        ("UINT8", "UINT8", 255, 2, 1, False),
    ],
)
def test_threshold(x, out, count, channels, pe, shared):
    """Steps also below and above all that the input's type holds."""
    low, high = int(DataType[x].min()), int(DataType[x].max())
    steps = np.random.default_rng(count).integers(low - 3, high + 4, (1 if shared else channels, count))
    model = model_of(
        "Threshold_rtl", dim=(3, 5), channels=channels, x=x, constants={1: np.sort(steps, axis=1)}, PE=pe,
        ThresholdRows=len(steps), outputDataType=out,
    )  # fmt: skip
    KernelBench(model).check_all_patterns()


def test_wrong_threshold_tables_are_refused():
    for steps, out, sentence in (
        (np.zeros((3, 15)), "UINT4", r"thresholds have shape \(3, 15\), expected \(1 or 4, n\)"),
        (
            np.zeros((1, 16)),
            "UINT4",
            r"16 thresholds give codes 0 to 16, which outputDataType=UINT4 cannot hold",
        ),
    ):
        model = model_of(
            "Threshold_rtl", dim=(2, 2), channels=4, constants={1: steps}, ThresholdRows=len(steps), outputDataType=out
        )
        with pytest.raises(ConfigError, match=sentence):
            KernelBench(model)


@pytest.mark.parametrize("types", [["UINT10", "UINT10"], ["INT9", "INT10"]])
def test_wide_sums_are_refused(types):
    model = model_of(
        "StreamAddThreshold_rtl", dim=(2, 2), channels=2, streams=2, types=types, constants={2: np.arange(15)[None]},
        inputDataType2=types[1], outputDataType="UINT4",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="a sum of 11 bits does not fit .* keep sum and thresholds in nodes of their"):
        KernelBench(model)


def test_thresholds_of_a_sum_of_another_shape_are_refused():
    model = model_of(
        "StreamAddThreshold_rtl", dim=(2, 2), channels=4, streams=2, constants={2: np.zeros((3, 15))},
        inputDataType2="UINT4", outputDataType="UINT4",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"thresholds have shape \(3, 15\), expected \(1 or 4, n\)"):
        KernelBench(model)


@pytest.mark.parametrize(
    ("types", "times", "out", "pe"), [(["UINT4", "INT5"], [3, 1], "INT8", 2), (["INT4"] * 2, [8, 5], "INT8", 6)]
)
def test_add_of_multiples(types, times, out, pe):
    model = model_of(
        "StreamAdd_rtl", dim=(4, 3), channels=6, streams=2, types=types, PE=pe, inputDataType2=types[1],
        outputDataType=out, Times=times,
    )  # fmt: skip
    KernelBench(model).check_all_patterns()


@pytest.mark.parametrize(
    ("types", "times", "out"), [(["UINT4", "UINT3"], [1, 4], "UINT5"), (["INT3", "UINT4"], [6, 1], "INT6")]
)
def test_concat_of_multiples(types, times, out):
    model = model_of(
        "StreamConcat_rtl", dim=(3, 4), channels=[4, 2], types=types, PE=2, inputDataType2=types[1],
        outputDataType=out, Times=times,
    )  # fmt: skip
    KernelBench(model).check_all_patterns()


def test_add_threshold_of_multiples():
    steps = np.sort(np.random.default_rng(5).integers(0, 16 * 11, (4, 15)), axis=1)
    model = model_of(
        "StreamAddThreshold_rtl", dim=(4, 5), channels=4, streams=2, constants={2: steps}, PE=2,
        inputDataType2="UINT4", outputDataType="UINT4", Times=[8, 3],
    )  # fmt: skip
    KernelBench(model).check_all_patterns()


@pytest.mark.parametrize(
    ("op", "channels", "settings", "sentence"),
    [
        (
            "StreamAdd_rtl",
            4,
            {"Times": [1, 9], "outputDataType": "UINT7"},
            "and UINT4 spans 0 to 150, which outputDataType=UINT7",
        ),
        (
            "StreamAdd_rtl",
            4,
            {"Times": [1, 0], "outputDataType": "UINT8"},
            r"Times=\[1, 0\] must be two numbers of 1 or",
        ),
        ("StreamConcat_rtl", [4, 4], {"Times": [2, 1], "outputDataType": "UINT4"}, "2 times UINT4 does not fit UINT4"),
    ],
)
def test_multiples_that_do_not_fit_are_refused(op, channels, settings, sentence):
    model = model_of(
        op, dim=(2, 2), channels=channels, streams=2, types=["UINT4"] * 2, inputDataType2="UINT4", **settings
    )
    with pytest.raises(ConfigError, match=sentence):
        KernelBench(model)
