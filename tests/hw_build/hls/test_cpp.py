"""The C++ of ours that stands for FINN's RTL in the program: windows, beats of another size, memories."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from hls_frames import compile_frames, run_frames

from board.packing import pack_stream, unpack_stream
from hw_build.backends.hls.network import LIBRARY

FRAMES, BITS = 3, 4
WINDOWS = [  # (H, W, C, SIMD, (KH, KW), stride, dilation, depthwise)
    (5, 6, 2, 1, (3, 3), (1, 1), (1, 1), False),
    (5, 6, 4, 2, (3, 3), (1, 1), (1, 1), True),
    (7, 5, 2, 2, (2, 2), (2, 2), (1, 1), True),
    (4, 9, 1, 1, (1, 5), (1, 2), (1, 1), False),
    (6, 3, 3, 1, (6, 3), (1, 1), (1, 1), False),
    (1, 1, 2, 1, (1, 1), (1, 1), (1, 1), True),
    (7, 8, 4, 2, (3, 3), (1, 1), (2, 3), False),
    (9, 7, 2, 1, (3, 2), (2, 2), (3, 2), True),
]
SIZES = [(2, 6), (6, 2), (3, 3)]  # elements of a beat, before and after


PARALLEL = [  # (H, W, C, (KH, KW), stride, dilation)
    (5, 6, 2, (3, 3), (1, 1), (1, 1)),
    (4, 9, 1, (1, 5), (1, 2), (1, 1)),
    (6, 3, 3, (6, 3), (1, 1), (1, 1)),
    (1, 1, 2, (1, 1), (1, 1), (1, 1)),
    (9, 7, 2, (3, 2), (2, 2), (3, 2)),
]


def window_function(case):
    height, width, channels, simd, kernel, stride, dilation, depthwise = case
    numbers = [height, width, channels // simd, *kernel, *stride, *dilation, str(depthwise).lower()]
    return f"sliding_window<{', '.join(map(str, numbers))}, ap_uint<{simd * BITS}>>"


def parallel_function(case):
    height, width, channels, kernel, stride, dilation = case
    numbers = [height, width, *kernel, *stride, *dilation]
    types = [f"ap_uint<{taps * channels * BITS}>" for taps in (1, kernel[0] * kernel[1])]
    return f"parallel_window<{', '.join(map(str, [*numbers, *types]))}>"


FUNCTIONS = [
    *(window_function(case) for case in WINDOWS),
    *(f"convert_beats<{24 // a}, {BITS}, {a}, {b}, ap_uint<{a * BITS}>, ap_uint<{b * BITS}>>" for a, b in SIZES),
    "scaled",
    *(parallel_function(case) for case in PARALLEL),
]
MEMORY = """
static const ap_uint<8> memory[3] = {1, 2, 3};
void scaled(hls::stream<ap_uint<4>> &in, hls::stream<ap_uint<8>> &out) {
    hls::stream<ap_uint<8>> words;
    stream_memory<2, 3>(memory, words);
    for (int i = 0; i < 6; i++) out.write(words.read() * in.read());
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cpp")
    includes = "".join(f'#include "{path}"\n' for path in sorted(LIBRARY.iterdir()))
    return compile_frames(folder, includes + MEMORY, FUNCTIONS, frames=FRAMES)


def run(program, index, x, before, shape, after, *, bits=BITS):
    """``x`` (N, ...) in beats of ``before`` elements through a function -> ``shape`` from beats of ``after``."""
    beats = pack_stream(x.reshape(-1, before), before, BITS)
    given = np.frombuffer(run_frames(program, index, beats, frames=FRAMES), np.uint8)
    return unpack_stream(given.reshape(-1, (after * bits + 7) // 8), shape, after, bits)


def windows_of(x, kernel, stride, dilation, simd, *, depthwise):
    """(N, H, W, C) -> (N, beats, SIMD) in the order of the stream."""
    spans = [step * (side - 1) + 1 for side, step in zip(kernel, dilation, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    view = view[..., :: dilation[0], :: dilation[1]]
    taps = view.transpose(0, 1, 2, 4, 5, 3)  # (N, OH, OW, C, KH, KW) -> (N, OH, OW, KH, KW, C)
    if depthwise:
        split = taps.reshape(*taps.shape[:5], -1, simd)
        taps = split.transpose(0, 1, 2, 5, 3, 4, 6)  # -> (N, OH, OW, C/SIMD, KH, KW, SIMD)
    return taps.reshape(len(x), -1, simd)


def random_codes(*shape):
    return np.random.default_rng(len(shape)).integers(0, 2**BITS, shape)


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_sliding_window(program, case):
    height, width, channels, simd, kernel, stride, dilation, depthwise = case
    x = random_codes(FRAMES, height, width, channels)
    expected = windows_of(x, kernel, stride, dilation, simd, depthwise=depthwise)
    found = run(program, FUNCTIONS.index(window_function(case)), x, simd, expected.shape, simd)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", PARALLEL, ids=str)
def test_parallel_window(program, case):
    height, width, channels, kernel, stride, dilation = case
    x = random_codes(FRAMES, height, width, channels)
    expected = windows_of(x, kernel, stride, dilation, channels * kernel[0] * kernel[1], depthwise=False)
    found = run(program, FUNCTIONS.index(parallel_function(case)), x, channels, expected.shape, expected.shape[-1])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_beats_of_another_size(program, number):
    before, after = SIZES[number]
    x = random_codes(FRAMES, 4, 6)
    found = run(program, len(WINDOWS) + number, x, before, x.shape, after)
    np.testing.assert_array_equal(found, x)


def test_memory_comes_over_and_over(program):
    x = random_codes(FRAMES, 6, 1)
    found = run(program, FUNCTIONS.index("scaled"), x, 1, x.shape, 1, bits=8)
    np.testing.assert_array_equal(found[..., 0], x[..., 0] * [1, 2, 3, 1, 2, 3])
