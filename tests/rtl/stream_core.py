"""The stream core in Verilator: its AXI4-Lite channels and streams as streams, and what the core around it gives."""

from pathlib import Path

import numpy as np

from board.io_spec import FrameLayout, decide
from hw_build.kernels.base import StreamPort
from hw_build.simulate import LastStreamPort, build
from hw_build.simulate.simulator import Simulator

BENCH = Path(__file__).with_name("stream_core_bench.sv")
BUILD_DIR = BENCH.parents[2] / "build" / "tests" / "rtl"
GATES = ("writes_after", "reads_after", "first_pixels", "pixels_after")


def port(name, bits, kind=StreamPort, **more):
    signals = {signal: f"{name}_{signal}" for signal in ("tdata", "tvalid", "tready")}
    return kind(**signals, width_bits=bits, payload_bits=bits, element_bits=bits, **more)


def build_core(sources) -> Simulator:
    """The core of ``sources``, packages first, its top last."""
    return build(
        BENCH.stem,
        [*sources, BENCH],
        BUILD_DIR,
        inputs=[port("aw", 12), port("w", 36), port("ar", 12), port("s_axis", 24)],
        outputs=[port("b", 2), port("r", 34), port("m_axis", 32, LastStreamPort, tlast="m_axis_tlast")],
        pins=dict.fromkeys(GATES, 16),
    )


def beats(values, size):
    """Integers as little-endian bytes, (N,) -> (N, size)."""
    return np.array(values, "<u8").reshape(-1, 1).view(np.uint8)[:, :size]


def run(core, pixels, words, *, writes=(), reads=(), **options):
    """Streams ``pixels`` (N, 3); ``writes`` are (offset, value[, strobes]). Returns write responses, (response, value)
    of each read, the words and which had TLAST.
    """
    data = [value | (strobes[0] if strobes else 0xF) << 32 for _, value, *strobes in writes]
    inputs = [beats([offset for offset, *_ in writes], 2), beats(data, 5), beats(reads, 2), pixels]
    result = core.run(inputs, [len(writes), len(reads), words], **options)
    answers, read, out = (
        np.pad(array, ((0, 0), (0, 8 - array.shape[1]))).view("<u8")[:, 0].tolist() for array in result.outputs
    )
    return answers, [(word >> 32, word & 0xFFFF_FFFF) for word in read], out, result.output_lasts[2].tolist()


def words_of(logits, mask):
    """What frames of ``logits`` (N, H, W, classes) leave as, or their masks or indices, each filled up."""
    layout = FrameLayout(*logits.shape[1:3], 3, logits.shape[3])
    return layout.pack(decide(logits) if mask else logits).tolist()


def logit_words(logits):
    return logits.reshape(-1).astype(np.uint32).tolist()


def mask_words(logits):
    return np.packbits(logits.reshape(-1) > 0, bitorder="little").view("<u4").tolist()
