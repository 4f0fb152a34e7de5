"""What a FIFO's beats lie in, and what that costs.

Up to four beats lie in registers (stream_fifo.sv), a LUT a bit. A ring of up to 32 words lies in RAM32M, up to 64 and
multiples of it in RAM64M, beyond in block RAM, whose depth depends on its width (`hw_build.kernels.resources`). A
beat seldom fills a width that block RAM has: where several to a word take fewer blocks, they are packed
(stream_fifo_packed.sv).
"""

from __future__ import annotations

from hw_build.kernels.resources import forced_bram18, lutram_luts

MIN_DEPTH = 4
# what a ring of more than 64 words may hold in LUT RAM; one that holds more is packed where that takes fewer blocks,
# and a packed ring lies in block RAM. `hw_build.folding.lag` reckons with the same limit
LUTRAM_BITS = 1_024
_WORD_BITS = (36, 72)  # of one RAMB18E1, and of two side by side


def memory_cost(depth: int, width_bits: int) -> tuple[int, int]:
    """(RAMB18, LUT sites) of a FIFO's beats."""
    if depth <= MIN_DEPTH:
        return 0, width_bits
    beats = word_beats(depth, width_bits)
    bram18 = _packed_bram18(depth, width_bits, beats) if beats > 1 else _plain_bram18(depth, width_bits)
    return (bram18, 0) if bram18 else (0, lutram_luts(depth, width_bits))


def word_beats(depth: int, width_bits: int) -> int:
    """Beats in a word of the FIFO's memory: 1, or as many as take the fewest blocks, where these are fewer."""
    least, beats = _plain_bram18(depth, width_bits), 1
    for word_bits in _WORD_BITS:
        fit = word_bits // width_bits
        if fit > 1 and 0 < _packed_bram18(depth, width_bits, fit) < least:
            least, beats = _packed_bram18(depth, width_bits, fit), fit
    return beats


def _plain_bram18(depth: int, width_bits: int) -> int:
    return forced_bram18(depth, width_bits) if depth > 64 and depth * width_bits > LUTRAM_BITS else 0


def _packed_bram18(depth: int, width_bits: int, beats: int) -> int:
    return forced_bram18(-(-depth // beats), beats * width_bits)
