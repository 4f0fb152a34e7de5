"""Depthwise RTL against its numpy reference: folding, borders, tiny and non-square images, widths, residual."""

import numpy as np
import pytest
from qonnx.core.datatype import DataType

from tests.rtl.kernel_bench import KernelBench, random_codes, single_node_model


def depthwise_model(
    *,
    dim,
    channels,
    kernel,
    pe=1,
    simd=1,
    residual=0,
    x="UINT4",
    w="INT4",
    y="UINT4",
    between=None,
    shared=True,
    narrow=False,
    seed=0,
    **attributes,
):
    """A depthwise node with random weights of both signs and thresholds spread over the sums that occur.

    ``between``: type of the codes that a residual adds, that of the output unless it is given; ``narrow`` leaves the
    least codes out.
    """
    rng = np.random.default_rng(seed)
    weights = random_codes(rng, w, (channels, kernel, kernel))
    x_type, r_type, y_type = DataType[x], DataType[between or y], DataType[y]
    spread = 3 * kernel * 2 ** (x_type.bitwidth() + int(w[3:]) - 3)
    r_lowest, y_lowest = int(r_type.min()) + narrow, int(y_type.min()) + narrow
    r_count, y_count = int(r_type.max()) - r_lowest, int(y_type.max()) - y_lowest
    constants = {1: weights, 2: np.sort(rng.integers(-spread, spread + 1, (channels, r_count)), axis=1)}
    if residual:
        low, top = int(x_type.min()) + r_lowest, int(x_type.max() + r_type.max()) + 1
        constants[3] = np.sort(rng.integers(low, top + 1, (1 if shared else channels, y_count)), axis=1)
    return single_node_model(
        "DepthwiseConv_rtl",
        [(1, *dim, channels)],
        [x],
        constants,
        ImgDim=list(dim),
        NumChannels=channels,
        KernelDim=kernel,
        PE=pe,
        SIMD=simd,
        Residual=residual,
        inputDataType=x,
        weightDataType=w,
        convDataType=between or y,
        outputDataType=y,
        ConvLowestCode=r_lowest,
        LowestCode=y_lowest,
        **attributes,
    )


CASES = {
    "k3_c10_serial": {"dim": (6, 5), "channels": 10, "kernel": 3, "residual": 1},
    "k3_columns": {"dim": (4, 6), "channels": 8, "kernel": 3, "simd": 3, "residual": 1},
    "k3_columns_one_channel": {"dim": (2, 3), "channels": 1, "kernel": 3, "simd": 3},
    "k5_columns": {"dim": (6, 5), "channels": 3, "kernel": 5, "simd": 5, "residual": 1, "shared": False},
    "k7_columns": {"dim": (5, 12), "channels": 4, "kernel": 7, "simd": 7, "residual": 1},
    "k9_columns": {"dim": (10, 9), "channels": 3, "kernel": 9, "simd": 3, "residual": 1},
    "k9_serial": {"dim": (6, 16), "channels": 2, "kernel": 9, "residual": 1},
    "x8_w8_y8_columns": {
        "dim": (4, 5),
        "channels": 2,
        "kernel": 3,
        "simd": 1,
        "x": "UINT8",
        "w": "INT8",
        "y": "UINT8",
        "residual": 1,
    },
    "y3_t5": {"dim": (4, 4), "channels": 3, "kernel": 3, "simd": 3, "y": "UINT3", "residual": 1},
    "k3_full": {"dim": (5, 8), "channels": 4, "kernel": 3, "pe": 4, "simd": 9, "residual": 1},
    "k3_full_folded_channels": {"dim": (4, 6), "channels": 12, "kernel": 3, "pe": 2, "simd": 9},
    "k5_w2": {
        "dim": (7, 9),
        "channels": 3,
        "kernel": 5,
        "pe": 3,
        "simd": 5,
        "w": "INT2",
        "residual": 1,
        "shared": False,
    },
    "k7_c12": {"dim": (9, 11), "channels": 12, "kernel": 7, "pe": 1, "simd": 7, "residual": 1, "shared": False},
    "k9_simd27": {"dim": (10, 9), "channels": 6, "kernel": 9, "pe": 2, "simd": 27, "residual": 1},
    "k9_2x2": {"dim": (2, 2), "channels": 6, "kernel": 9, "pe": 1, "simd": 9, "residual": 1},
    "k7_3x2_full": {"dim": (3, 2), "channels": 2, "kernel": 7, "pe": 2, "simd": 49},
    "k3_1x1": {"dim": (1, 1), "channels": 1, "kernel": 3, "pe": 1, "simd": 9, "residual": 1},
    "k9_row": {"dim": (1, 13), "channels": 4, "kernel": 9, "pe": 2, "simd": 3},
    "k5_column": {"dim": (13, 1), "channels": 1, "kernel": 5, "pe": 1, "simd": 5, "residual": 1},
    "k1": {"dim": (3, 4), "channels": 4, "kernel": 1, "pe": 2, "simd": 1, "residual": 1},
    "x8_w8_y8": {
        "dim": (4, 5),
        "channels": 2,
        "kernel": 3,
        "pe": 1,
        "simd": 3,
        "x": "UINT8",
        "w": "INT8",
        "y": "UINT8",
        "residual": 1,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_depthwise(case):
    KernelBench(depthwise_model(**CASES[case])).check_all_patterns()


def test_frame_is_flushed_without_a_next_one():
    """The last rows come out at full speed although no further frame begins, and nothing comes after them."""
    bench = KernelBench(depthwise_model(**CASES["k9_simd27"]), num_frames=1)
    result = bench.check(0.0, 0.0)
    gaps = np.diff(result.output_cycles[0].astype(np.int64))
    assert gaps.max() == gaps.min() == bench.op.tap_cycles
