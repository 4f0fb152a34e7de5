"""A depth for what a FIFO held: at least that, and as much more as costs nothing.

Up to four beats lie in registers (stream_fifo.sv), a LUT a bit. A ring of up to 32 words lies in RAM32M, up to 64 and
multiples of it in RAM64M, beyond in block RAM, whose depth depends on its width (`hw_build.kernels.resources`).
"""

from __future__ import annotations

from hw_build.kernels.resources import lutram_luts, ram_bram18

MIN_DEPTH = 4
LUTRAM_STEP, BRAM_STEP, STEPS = 32, 512, 64


def memory_cost(depth: int, width_bits: int) -> tuple[int, int]:
    """(RAMB18, LUT sites) of a FIFO's beats."""
    if depth <= MIN_DEPTH:
        return 0, width_bits
    bram18 = ram_bram18(depth, width_bits)
    return (bram18, 0) if bram18 else (0, lutram_luts(depth, width_bits))


def rounded_depth(held: int, width_bits: int) -> int:
    """The largest depth that costs as much as the smallest one that holds ``held`` beats and one on its way."""
    needed = max(held + 1, MIN_DEPTH)
    if needed == MIN_DEPTH:
        return needed
    cost = memory_cost(needed, width_bits)
    step = BRAM_STEP if cost[0] else LUTRAM_STEP
    multiples = (step * (-(-needed // step) + extra) for extra in range(STEPS))
    return max((depth for depth in multiples if memory_cost(depth, width_bits) == cost), default=needed)
