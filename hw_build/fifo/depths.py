"""A depth for what a FIFO held: at least that, and as much more as costs nothing."""

from __future__ import annotations

from hw_build.kernels.fifo_memory import MIN_DEPTH, memory_cost, ultra_cost, word_beats

LUTRAM_STEP, BRAM_STEP, STEPS = 32, 512, 64


def rounded_depth(held: int, width_bits: int, *, ultra: bool = False) -> int:
    """The largest depth of the same memory as the smallest one that holds ``held`` beats and one on its way; with
    ``ultra`` of as many UltraRAMs, too, should it lie there.
    """
    needed = max(held + 1, MIN_DEPTH)
    if needed == MIN_DEPTH:
        return needed
    cost, beats = memory_cost(needed, width_bits), word_beats(needed, width_bits)
    step = BRAM_STEP if cost[0] else LUTRAM_STEP
    multiples = (step * (-(-needed // step) + extra) for extra in range(STEPS))
    same = [d for d in multiples if (memory_cost(d, width_bits), word_beats(d, width_bits)) == (cost, beats)]
    if ultra:
        same = [d for d in same if ultra_cost(d, width_bits)[0] == ultra_cost(needed, width_bits)[0]]
    return max(same, default=needed)
