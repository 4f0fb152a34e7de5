"""The pipelined threshold search against numpy.searchsorted, on every sum that its accumulator can hold."""

from pathlib import Path

import numpy as np
import pytest

from board.packing import pack_stream, unpack_stream
from hw_build.kernels.base import StreamPort
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.multi_threshold import search_trees
from hw_build.kernels.stream_kernel import RTL_DIR
from hw_build.simulate import build
from tests.rtl.kernel_bench import BUILD_DIR

FILES = (RTL_DIR / "lib/rom.sv", RTL_DIR / "lib/thresholds.sv", Path(__file__).with_name("thresholds_stream.sv"))


def port(prefix: str, elements: int, bits: int) -> StreamPort:
    width = elements * bits
    names = (f"{prefix}_axis_{signal}" for signal in ("tdata", "tvalid", "tready"))
    return StreamPort(**dict(zip(("tdata", "tvalid", "tready"), names, strict=True)),
                      width_bits=width, payload_bits=width, element_bits=bits)  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "lanes", "num_t", "acc_bits", "y_bits", "block"),
    [(6, 2, 15, 9, 4, 0), (1, 3, 15, 6, 4, 0), (5, 1, 6, 8, 3, 0), (4, 4, 1, 5, 1, 0), (8, 1, 15, 9, 4, 1)],
)
def test_every_sum_of_every_channel_gives_the_count_of_thresholds_passed(rows, lanes, num_t, acc_bits, y_bits, block):
    rng = np.random.default_rng(rows)
    low, high = -(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1
    table = np.sort(rng.integers(low, high + 1, (rows, num_t)), axis=1)  # equal thresholds and the extremes among them
    table[0, 0], table[-1, -1] = low, high
    channels = max(rows, lanes)
    every_sum = np.arange(low, high if num_t < 2**y_bits - 1 else high + 1)
    sums = np.repeat(every_sum[:, None], channels, axis=1)  # (sums, C)
    expected = np.stack(
        [np.searchsorted(table[c % rows], sums[:, c], side="right") for c in range(channels)], axis=1
    )  # (sums, C)
    parameters = {
        "ROWS": rows, "LANES": lanes, "ACC_BITS": acc_bits, "Y_BITS": y_bits, "BLOCK": block,
        "TREES": packed_literal(search_trees(table, y_bits, high, lanes if rows > 1 else 1), acc_bits),
    }  # fmt: skip
    simulator = build(
        "thresholds_stream", FILES, BUILD_DIR, parameters=parameters,
        inputs=[port("s", lanes, acc_bits)], outputs=[port("m", lanes, y_bits)],
    )  # fmt: skip
    for idle, stall in ((0.0, 0.0), (0.4, 0.4)):
        result = simulator.run([pack_stream(sums, lanes, acc_bits)], [sums.size // lanes], idle=idle, stall=stall)
        got = unpack_stream(result.outputs[0], expected.shape, lanes, y_bits)
        np.testing.assert_array_equal(got, expected)
        if not idle:
            assert (result.output_cycles[0] - result.input_cycles[0] == y_bits + 1).all()
