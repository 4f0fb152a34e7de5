"""Resource formulas shared by the kernels' cost models: block RAM, and logic and arithmetic in LUT6.

First estimates, fitted to Yosys' ``synth_xilinx -family xc7`` on a few instances; a report after synthesis replaces
them. In what is here 7-series and UltraScale+ are alike; where they differ, `hw_build.kernels.fabric.Fabric` is asked.
FINN counts block RAM in units of 18 Kbit, so does this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw_build.kernels.fabric import Fabric

# (depth, width) of one RAMB18 as simple dual-port memory
_RAMB18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
ULTRA_WORDS, ULTRA_WORD_BITS = 4_096, 72  # of one URAM288


def rom_luts(depth: int, width: int) -> int:
    """LUTs of a ROM: at most one a bit up to 64 words; deeper, Yosys packs some 15 bits of contents in a LUT."""
    if depth == 1:
        return 0
    if depth <= 64:
        return width if depth > 16 else math.ceil(width / 2)
    return math.ceil(width * depth / 15)


def dense_rom_luts(depth: int, width: int) -> int:
    """LUTs of lib/rom.sv: 64 bits a LUT6, fewer where Yosys must pad the depth or has no MUXF8 left (above 256)."""
    if depth == 1:
        return 0
    padding = 1.0 if depth <= 128 or depth % 64 == 0 else 1.6
    return math.ceil(width * math.ceil(depth / 64) * padding * (1.2 if depth > 256 else 1.0))


def forced_bram18(depth: int, width: int) -> int:
    """18 Kbit blocks of a memory that is asked to lie in block RAM, however small."""
    return min(math.ceil(depth / d) * math.ceil(width / w) for d, w in _RAMB18_SHAPES)


def ultra_blocks(depth: int, width: int) -> int:
    """URAM288 of a memory in UltraRAM."""
    return math.ceil(depth / ULTRA_WORDS) * math.ceil(width / ULTRA_WORD_BITS)


def ultra_lanes(depth: int, width: int) -> int:
    """Words of a memory of rows that share one of UltraRAM: the fewest that take the fewest blocks (row_memory.sv)."""
    shares = [lanes for lanes in (1, 2, 4, 8) if lanes == 1 or lanes * width <= ULTRA_WORD_BITS]
    return min(shares, key=lambda lanes: math.ceil(depth / (ULTRA_WORDS * lanes)))


def threshold_luts(rows: int, lanes: int, acc_bits: int, y_bits: int) -> int:
    """LUTs of thresholds.sv: for each lane and bit of the count a table and a comparator."""
    tables = sum(dense_rom_luts(max(1, rows // lanes) << stage, acc_bits) for stage in range(y_bits))
    return lanes * (tables + y_bits * math.ceil(0.75 * acc_bits))


def residual_luts(x_bits: int, y_bits: int, shifted: bool) -> int:
    """LUTs of a depthwise kernel's own pixel, kept and added, and of the sum's code: from a table, or shifted."""
    code = y_bits if shifted else y_bits * math.ceil(2 ** (x_bits + 1) / 64)
    return 2 * (x_bits + 1) + code


def line_dsps(fabric: Fabric, acc_bits: int, line_bits: tuple[int, ...]) -> int:
    """DSPs of a lane of requantizer.sv: of its line, none where ``line_bits`` is empty."""
    if not line_bits:
        return 0
    return 1 if acc_bits <= fabric.multiplier_bits and line_bits[0] <= 18 else 2


def requantizer_luts(
    fabric: Fabric, rows: int, lanes: int, acc_bits: int, y_bits: int, line_bits: tuple[int, ...]
) -> int:
    """LUTs of requantizer.sv: a search in thresholds; with ``line_bits`` a table of lines for each lane, and what
    clips.
    """
    if not line_bits:
        return threshold_luts(rows, lanes, acc_bits, y_bits)
    depth, word = max(1, rows // lanes), sum(line_bits)
    functions = {1: 0, 2: 0, 3: 6, 4: 6}.get(depth, word)  # of so few address bits that differ and are not one of them
    halves = 32 if line_dsps(fabric, acc_bits, line_bits) == 2 else 0  # of a product, added outside
    offset = fabric.dsp_adder_luts(acc_bits + line_bits[0])
    return lanes * (min(functions, dense_rom_luts(depth, word)) + halves + offset + y_bits)


def product_dsps(x_bits: int, w_bits: int) -> int:
    """DSPs into which Yosys maps a product that is written as such: one beyond 8 bits, else it takes LUTs."""
    return int(x_bits + w_bits > 8)


def products_luts(fabric: Fabric, count: int, x_bits: int, w_bits: int, acc_bits: int) -> float:
    """LUTs of ``count`` products as they are written, their tree and accumulator; DSPs hold the products they take,
    and, where they add, the first adders and the accumulator.
    """
    if product_dsps(x_bits, w_bits):
        in_dsps = fabric.dsp_adder_luts((count - 1) * (x_bits + w_bits) // 2 + acc_bits)
        return (count - 1) * (x_bits + w_bits) / 2 + in_dsps
    return 1.35 * x_bits * w_bits * count + ((count - 1) * 11.5 / 8 * (x_bits + w_bits) + acc_bits)


def dot_tables_luts(steps: int, inputs: int, x_bits: int, w_bits: int, out_bits: int) -> int:
    """LUTs of dot_tables.sv: tables for every bit of the inputs, a tree for each of these bits, one over them."""
    together = min(inputs, max(1, 6 - math.ceil(math.log2(steps))))
    tables = math.ceil(inputs / together)
    sum_bits = w_bits + math.ceil(math.log2(together))
    lookups = tables * x_bits * dense_rom_luts(steps << together, sum_bits)
    trees, count, bits = 0, tables, sum_bits
    while count > 1:
        bits += 1
        trees += count // 2 * min(bits, out_bits)
        count -= count // 2
    last, count, level = 0, x_bits, 0
    while count > 1:
        last += count // 2 * min(bits + 1, out_bits)  # as many low bits pass by as the upper addend is shifted
        level += 1
        bits = bits + (1 << (level - 1))
        count -= count // 2
    return lookups + x_bits * trees + last


def mux_luts(ways: int, width: int) -> int:
    """LUTs of a ``ways``:1 multiplexer, four ways a LUT6."""
    return 0 if ways == 1 else width * math.ceil((ways - 1) / 3)


def fifo2_luts(width: int) -> int:
    """LUTs of the two-entry output buffer: one multiplexer a bit and its control."""
    return width + 4
