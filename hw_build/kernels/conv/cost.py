"""What a ConvThreshold kernel takes, from its shape alone: fitted to Yosys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.kernels.resources import (
    dense_rom_luts,
    dot_tables_luts,
    fifo2_luts,
    forced_bram18,
    line_dsps,
    mux_luts,
    product_dsps,
    requantizer_luts,
    rom_luts,
)

if TYPE_CHECKING:
    from hw_build.kernels.fabric import Fabric

_BLOCK_WEIGHT_BITS = 8192  # beyond this many bits of weights block RAM is cheaper, where few blocks hold a word
_BLOCK_WEIGHT_BLOCKS = 2
# weights of so many bits may lie in block RAM whatever their word, where they fill this part of its blocks: they are
# what a network of millions of weights is made of, at 64 bits a LUT
_LARGE_WEIGHT_BITS = 32_768
_FILLED = 0.5
_DSP_A_BITS = 25  # the wider operand of a DSP48E1's multiplier: one RTL for both families


@dataclass(frozen=True, kw_only=True)
class ConvShape:
    """Shape, folding and widths of a convolution, and where it lies."""

    fabric: Fabric
    height: int
    width: int
    in_channels: int
    out_channels: int
    kernel: int
    simd: int
    pe: int
    lanes: int
    x_bits: int
    x_signed: bool
    w_bits: int
    y_bits: int
    raw: bool
    parallel: bool
    tables: bool
    narrow: bool
    ram_style: str
    weight_style: str = "auto"
    line_bits: tuple[int, ...] = ()  # of multiplier and offset, where lines stand in place of thresholds

    @property
    def groups(self) -> int:
        """Words of a pixel."""
        return self.in_channels // self.simd

    @property
    def passes(self) -> int:
        """How often a pixel is read."""
        return self.out_channels // self.pe

    @property
    def products(self) -> int:
        """Products a cycle of each sum."""
        return self.simd * (self.kernel**2 if self.parallel else 1)

    @property
    def rows(self) -> tuple[int, int]:
        """(words, bits) of the memory of pixels: as in sliding_window.sv or conv_window.sv."""
        pad = self.kernel // 2
        if self.parallel:
            return self.width * self.groups, 2 * min(pad, self.height - 1) * self.simd * self.x_bits
        pixels = 2 * pad * (self.width + 1) + 3
        return pixels * self.groups, self.simd * self.x_bits

    @property
    def steps(self) -> int:
        """Words of weights: cycles a pixel."""
        return self.passes * self.kernel**2 * self.in_channels // self.products

    @property
    def weight_memory(self) -> tuple[int, int]:
        """(words, bits)."""
        return self.steps, self.products * self.pe * self.w_bits

    @property
    def weights_in_block_ram(self) -> bool:
        """Whether the weights go to block RAM rather than LUTs."""
        words, bits = self.weight_memory
        if self.weight_style == "block":
            return True
        few = forced_bram18(words, bits) <= _BLOCK_WEIGHT_BLOCKS
        return not self.tables and words * bits > _BLOCK_WEIGHT_BITS and few

    @property
    def weights_fill_blocks(self) -> bool:
        """Whether large weights fill most of the block RAM that words of this folding take."""
        words, bits = self.weight_memory
        return words * bits >= max(_LARGE_WEIGHT_BITS, _FILLED * 18_432 * forced_bram18(words, bits))

    @property
    def lane_bits(self) -> int:
        """Bits of one input lane's sum, at most: a signed code is at most half as large as an unsigned one."""
        terms = self.steps // self.passes
        return self.x_bits + self.w_bits - self.x_signed + math.ceil(math.log2(terms))

    @property
    def acc_bits(self) -> int:
        """Bits of a whole sum: weights of both signs seldom add up to the extreme of many, two bits less."""
        terms = self.products * self.steps // self.passes
        return self.x_bits + self.w_bits + math.ceil(math.log2(terms)) - (2 if terms > 16 else self.x_signed)

    @property
    def packs(self) -> bool:
        """Whether two sums share a multiplier: room between them, and for the borrow in the upper weight's bits."""
        return not self.tables and self.narrow and self.pe > 1 and self.lane_bits <= _DSP_A_BITS - self.w_bits

    @property
    def unpaired(self) -> int:
        """Products a cycle that no other one shares a multiplier with."""
        return 0 if self.tables else self.products * (self.pe % 2 if self.packs else self.pe)

    @property
    def _unpaired_in_luts(self) -> bool:
        """Whether Yosys takes LUTs for them: signed factors are as wide as codes and weights, unsigned ones wider."""
        return product_dsps(self.x_bits + (not self.x_signed), self.w_bits) == 0

    @property
    def _pairs(self) -> int:
        """Multipliers that two sums share."""
        return self.products * (self.pe // 2) if self.packs else 0

    @property
    def _alone(self) -> int:
        """Multipliers of one sum."""
        return 0 if self._unpaired_in_luts else self.unpaired

    def multipliers(self) -> int:
        """DSPs, those of the lines included."""
        return self.lanes * line_dsps(self.fabric, self.acc_bits, self.line_bits) + self._pairs + self._alone

    def bram18(self) -> int:
        """18 Kbit blocks of pixels and weights."""
        weights = forced_bram18(*self.weight_memory) if self.weights_in_block_ram else 0
        return self.fabric.ram_bram18(*self.rows, self.ram_style) + weights

    def luts(self) -> int:
        """LUT6 and LUT RAM sites."""
        if self.raw:
            tables = self.lanes * self.y_bits
        else:
            shape = (self.out_channels, self.lanes, self.acc_bits, self.y_bits, self.line_bits)
            tables = requantizer_luts(self.fabric, *shape)
        products = self._table_luts() if self.tables else self._multiplier_luts()
        rows = self.fabric.ram_luts(*self.rows, self.ram_style)
        return self._window_luts() + products + tables + rows + fifo2_luts(self.lanes * self.y_bits)

    def _window_luts(self) -> int:
        if not self.parallel:
            address = math.ceil(math.log2(max(2, self.rows[0])))
            return 10 + 6 * address + (0 if self.kernel == 1 else 50)
        column = self.kernel * self.simd * self.x_bits
        columns = self.fabric.lutram_luts(self.groups, (self.kernel - 1) * column)
        if self.groups == 1 or self.passes == 1:
            return 100 + columns
        replay = self.fabric.lutram_luts(self.groups, self.kernel * column) + 2 * self.kernel * column
        next_pixel = 30 + 2 * self.simd * self.x_bits
        return 100 + columns + replay + next_pixel

    def _table_luts(self) -> int:
        sums = self.pe * dot_tables_luts(self.steps, self.products, self.x_bits, self.w_bits, self.acc_bits)
        grow = 0 if self.steps == self.passes else self.pe * self.acc_bits
        return sums + grow + self.lanes * mux_luts(self.pe // self.lanes, self.acc_bits)

    def _multiplier_luts(self) -> int:
        depth, width = self.weight_memory
        weights = 0 if self.weights_in_block_ram else min(dense_rom_luts(depth, width), rom_luts(depth, width))
        parts = self.lanes * self.products * self.lane_bits  # one of an input for each lane
        read_out: float
        if not self.packs:
            read_out = self.lanes * self.products * mux_luts(self.pe // self.lanes, self.lane_bits) + parts
        elif self.lanes % 2:  # either half of a word: chosen and corrected
            read_out = self.lanes * self.products * mux_luts(self.pe // self.lanes, self.lane_bits) + 1.9 * parts
        else:
            read_out = 1.8 * parts
        of_pair = _DSP_A_BITS - self.w_bits + self.lane_bits
        growing = self.fabric.dsp_adder_luts(self._pairs * of_pair + self._alone * self.lane_bits)
        return round(0.8 * weights + read_out + growing + self._unpaired_luts())

    def _unpaired_luts(self) -> float:
        """Rows of partial products, and the sum that grows."""
        fewer, more = sorted((self.x_bits, self.w_bits))
        return self.unpaired * (2.6 * (fewer - 1) * more + self.lane_bits) if self._unpaired_in_luts else 0
