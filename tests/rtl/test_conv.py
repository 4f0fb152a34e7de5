"""The dense convolution kernel against its numpy reference: stalls, frames back to back, packing, edges."""

import numpy as np
import pytest
import torch
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp
from torch.nn import functional

from hw_build.base.errors import ConfigError
from hw_build.kernels.conv import conv_accumulate
from tests.rtl.kernel_bench import KernelBench, random_codes, single_node_model

SEED = 3


def conv_model(
    shape, out_channels, kernel, *, pe=1, simd=1, x="UINT4", w="INT4", y="UINT4", raw=False, extreme=False,
    narrow=False, **attributes,
):  # fmt: skip
    """A convolution with random narrow-range weights, or the largest alone; ``narrow`` leaves out the least code.

    Thresholds are spread in proportion to the codes that are multiplied, as sums are.
    """
    height, width, channels = shape
    rng = np.random.default_rng(SEED)
    weights = random_codes(rng, w, (out_channels, kernel, kernel, channels))
    weights = np.maximum(weights, weights.min() + 1)
    if extreme:
        weights = np.where(np.arange(out_channels) % 2, weights.min(), weights.max())[:, None, None, None] + 0 * weights
    lowest = int(DataType[y].min()) + narrow
    if raw:
        table = rng.integers(-50, 50, out_channels)
    else:
        spread = max(int(np.abs(weights).sum() * 2 ** DataType[x].bitwidth() / 20 / out_channels), 8)
        table = np.sort(rng.integers(-spread, spread, (out_channels, int(DataType[y].max()) - lowest)), axis=1)
    return single_node_model(
        "ConvThreshold_rtl",
        [(1, height, width, channels)],
        [x],
        {1: weights, 2: table},
        ImgDim=[height, width],
        NumChannels=channels,
        OutChannels=out_channels,
        KernelDim=kernel,
        PE=pe,
        SIMD=simd,
        Raw=int(raw),
        inputDataType=x,
        weightDataType=w,
        outputDataType="INT24" if raw else y,
        **{"NarrowWeights": 1, "LowestCode": 0 if raw else lowest, **attributes},
    )


def test_reference_is_torchs_convolution():
    rng = np.random.default_rng(SEED)
    x, w = rng.integers(0, 16, (2, 5, 7, 3)), rng.integers(-7, 8, (4, 3, 3, 3))
    expected = functional.conv2d(
        torch.from_numpy(x).permute(0, 3, 1, 2).double(), torch.from_numpy(w).permute(0, 3, 1, 2).double(), padding=1
    )
    assert np.array_equal(conv_accumulate(x, w), expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(
    ("shape", "out_channels", "kernel", "options"),
    [
        ((6, 8, 4), 6, 3, {"pe": 6, "simd": 2}),
        ((5, 4, 3), 4, 3, {"pe": 2, "simd": 1}),
        ((4, 6, 2), 3, 3, {"pe": 3, "simd": 2}),
        ((2, 2, 2), 2, 3, {"pe": 1, "simd": 1}),
        ((1, 1, 2), 2, 3, {"pe": 2, "simd": 1}),
        ((4, 4, 8), 8, 1, {"pe": 8, "simd": 2}),
        ((4, 4, 4), 8, 1, {"pe": 8, "simd": 4}),
        ((3, 5, 6), 4, 1, {"pe": 1, "simd": 1}),
        ((6, 5, 2), 4, 5, {"pe": 4, "simd": 2, "extreme": True}),
        ((4, 6, 3), 4, 3, {"pe": 4, "simd": 3, "x": "UINT8", "w": "INT8"}),
        ((4, 4, 4), 1, 1, {"pe": 1, "simd": 4, "w": "INT8", "raw": True}),
        ((4, 4, 4), 3, 1, {"pe": 3, "simd": 1, "w": "INT8", "raw": True}),
        ((5, 6, 4), 4, 3, {"pe": 4, "simd": 1, "Window": "parallel"}),
        ((5, 4, 4), 4, 3, {"pe": 2, "simd": 2, "Window": "parallel"}),
        ((4, 6, 3), 4, 3, {"pe": 4, "simd": 3, "x": "UINT8", "Window": "parallel"}),
        ((5, 6, 4), 4, 3, {"pe": 1, "simd": 4, "Window": "parallel", "Multiplier": "lut"}),
        pytest.param(
            (5, 3, 6),
            4,
            3,
            {"pe": 2, "simd": 2, "Window": "parallel", "Multiplier": "lut", "extreme": True},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            (2, 3, 4), 2, 5, {"pe": 1, "simd": 1, "Window": "parallel", "Multiplier": "lut"}, marks=pytest.mark.slow
        ),
        pytest.param(
            (1, 1, 2), 2, 3, {"pe": 2, "simd": 2, "Window": "parallel", "Multiplier": "lut"}, marks=pytest.mark.slow
        ),
        ((4, 6, 3), 4, 3, {"pe": 1, "simd": 3, "x": "UINT8", "w": "INT8", "Window": "parallel", "Multiplier": "lut"}),
        ((4, 4, 8), 16, 1, {"pe": 4, "simd": 4, "Multiplier": "lut"}),
        pytest.param((4, 4, 8), 4, 1, {"pe": 2, "simd": 8, "Multiplier": "lut"}, marks=pytest.mark.slow),
        ((4, 4, 2), 2, 1, {"pe": 2, "simd": 2, "x": "UINT5", "w": "INT3", "Multiplier": "lut"}),
        ((3, 3, 1), 5, 3, {"pe": 1, "simd": 1, "x": "UINT3", "Multiplier": "lut", "extreme": True}),
        ((3, 4, 4), 3, 3, {"pe": 3, "simd": 2, "Multiplier": "lut", "NarrowWeights": 0}),
        pytest.param((4, 4, 8), 8, 1, {"pe": 8, "simd": 2, "NarrowWeights": 0}, marks=pytest.mark.slow),
        ((4, 4, 4), 1, 1, {"pe": 1, "simd": 4, "w": "INT8", "raw": True, "Multiplier": "lut"}),
    ],
)
def test_every_frame_is_exact_under_stalls_and_takes_the_cycles_of_the_model(shape, out_channels, kernel, options):
    KernelBench(conv_model(shape, out_channels, kernel, **options)).check_all_patterns()


@pytest.mark.parametrize("channels", [4, 12])
def test_words_of_the_next_pixel_may_come_slowly(channels):
    """A beat every other cycle still keeps every cycle busy where a pixel is read several times."""
    bench = KernelBench(conv_model((6, 6, channels), 4, 3, pe=1, simd=2, Window="parallel"))
    result = bench.check(0.45, 0.0)
    expected = bench.op.get_exp_cycles()
    assert max(bench.frame_cycles(result)) <= 1.02 * expected


def test_foldings_that_do_not_divide_and_codes_out_of_their_type_are_refused():
    with pytest.raises(ConfigError, match=r"PE=4 does not divide OutChannels=6; choose one of 1, 2, 3, 6"):
        KernelBench(conv_model((4, 4, 4), 6, 3, pe=4))
    for lowest in (-3, 1):
        sentence = (
            rf"15 thresholds give codes {lowest} to {lowest + 15}, which outputDataType=UINT4 cannot hold; widen it"
        )
        with pytest.raises(ConfigError, match=sentence):
            KernelBench(conv_model((4, 4, 4), 6, 3, LowestCode=lowest))


def test_weights_that_are_not_as_narrow_as_told_are_refused():
    model = conv_model((4, 4, 2), 2, 1, pe=2)
    model.set_initializer(model.graph.node[0].input[1], np.full((2, 1, 1, 2), -8, np.float32))
    with pytest.raises(ConfigError, match=r"NarrowWeights=1, but weight -8 occurs; set it to 0"):
        KernelBench(model)


def test_whether_two_sums_share_a_multiplier_is_decided_once():
    for narrow, multipliers in ((1, 2 * 4), (0, 2 * 8)):
        model = conv_model((4, 4, 8), 8, 1, pe=8, simd=2, NarrowWeights=narrow)
        op = getCustomOp(model.graph.node[0])
        assert op.dsp_estimation("xc7z020clg400-1") == multipliers
        assert op.rtl_instance(model).parameters["PACKED"] == str(narrow)
