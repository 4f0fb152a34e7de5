"""What a FIFO's beats lie in, and what that costs.

Up to four beats lie in registers (stream_fifo.sv), a LUT a bit. A ring of up to 32 words lies in RAM32M, up to 64 and
multiples of it in RAM64M, beyond in block RAM, whose depth depends on its width (`hw_build.kernels.resources`). A
beat seldom fills a width that block RAM has: where several to a word take fewer blocks, they are packed
(stream_fifo_packed.sv).

Where the device has UltraRAM, the FIFOs that save most block RAM lie there (stream_fifo_ultra.sv), as far as it goes.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from hw_build.kernels.fabric import SERIES_7, Fabric
from hw_build.kernels.resources import ULTRA_WORD_BITS, ULTRA_WORDS, forced_bram18, mux_luts, ultra_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_DEPTH = 4
# what a ring of more than 64 words may hold in LUT RAM; one that holds more is packed where that takes fewer blocks,
# and a packed ring lies in block RAM. `hw_build.folding.lag` reckons with the same limit
LUTRAM_BITS = 1_024
_WORD_BITS = (36, 72)  # of one RAMB18E1, and of two side by side
# what each UltraRAM must save of RAMB18, a quarter of its bits: a FIFO that saves less stays in block RAM
LEAST_SAVED_BRAM18 = 4


def memory_cost(depth: int, width_bits: int, fabric: Fabric = SERIES_7) -> tuple[int, int]:
    """(RAMB18, LUT sites) of a FIFO's beats."""
    if depth <= MIN_DEPTH:
        return 0, width_bits
    beats = word_beats(depth, width_bits)
    bram18 = _packed_bram18(depth, width_bits, beats) if beats > 1 else _plain_bram18(depth, width_bits)
    return (bram18, 0) if bram18 else (0, fabric.lutram_luts(depth, width_bits))


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


def ultra_beats(depth: int, width_bits: int) -> int:
    """Beats in a word of a FIFO in UltraRAM: as many as take the fewest blocks, one block wide or two."""
    fitting = [max(1, blocks * ULTRA_WORD_BITS // width_bits) for blocks in (1, 2)]
    return min(fitting, key=lambda beats: _uram(depth, width_bits, beats))


def ultra_cost(depth: int, width_bits: int) -> tuple[int, int]:
    """(URAM288, LUTs) of a FIFO in UltraRAM; the LUTs are fitted to Yosys' ``synth_xilinx -family xcup``."""
    beats = ultra_beats(depth, width_bits)
    words = _ultra_words(depth, beats)
    address, beat_bits = (words - 1).bit_length(), (beats - 1).bit_length()
    control = 5 * address + 6 * beat_bits + (beats if beats > 1 else 0)
    blocks_deep = mux_luts(ceil(words / ULTRA_WORDS), beats * width_bits)
    return _uram(depth, width_bits, beats), control + mux_luts(beats, width_bits) + blocks_deep


def in_ultra(memories: Sequence[tuple[int, int]], uram: int) -> set[int]:
    """Which of ``memories``, (RAMB18, URAM288) each would take, lie in the ``uram`` blocks of a device, by index.

    Those that take most block RAM come first, and each while there is room for it whole.
    """
    chosen: set[int] = set()
    for index in sorted(range(len(memories)), key=lambda each: (-memories[each][0], each)):
        bram18, blocks = memories[index]
        if blocks <= uram and bram18 >= LEAST_SAVED_BRAM18 * blocks > 0:
            chosen.add(index)
            uram -= blocks
    return chosen


def _ultra_words(depth: int, beats: int) -> int:
    return ceil(depth / beats) + 1


def _uram(depth: int, width_bits: int, beats: int) -> int:
    return ultra_blocks(_ultra_words(depth, beats), beats * width_bits)
