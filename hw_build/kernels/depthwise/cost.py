"""LUTs and block RAM of depthwise_columns.sv and of depthwise.sv, fitted to Yosys."""

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
    products_luts,
    requantizer_luts,
    residual_luts,
)

if TYPE_CHECKING:
    from hw_build.kernels.fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class ColumnsCost:
    """An instance by its parameters; ``block`` puts weights and thresholds in block RAM."""

    fabric: Fabric
    width: int
    channels: int
    kernel: int
    simd: int
    x_bits: int
    w_bits: int
    r_bits: int
    y_bits: int
    residual: bool
    ram_style: str
    block: bool
    serial: bool  # search of a sum's thresholds
    line_bits: tuple[int, ...] = ()  # of multiplier and offset, where lines stand in place of thresholds
    sum_shifted: bool = False

    @property
    def acc_bits(self) -> int:
        """Bits of a sum: weights of both signs seldom add up to the extreme, two bits less."""
        return math.ceil(math.log2(self.kernel**2)) + self.x_bits + self.w_bits - 2

    @property
    def steps(self) -> int:
        """Words of the weight memory."""
        return self.channels * self.kernel**2 // self.simd

    @property
    def rows(self) -> tuple[int, int]:
        """(depth, width in bits) of the row memory: column and channel are separate fields of the address."""
        fields = (self.width, self.channels)
        return math.prod(1 << (field - 1).bit_length() for field in fields), self.kernel * self.x_bits

    def _threshold_roms(self) -> list[tuple[int, int]]:
        """(depth, width in bits) of the tables of the search: one, or one a stage; none where lines serve."""
        if self.line_bits:
            return []
        depths = [self.r_bits] if self.serial else range(self.r_bits)
        return [(self.channels << depth, self.acc_bits) for depth in depths]

    def bram18(self) -> int:
        """18 Kbit blocks of rows, weights and thresholds."""
        roms = [(self.steps, self.simd * self.w_bits), *self._threshold_roms()] if self.block else []
        return self.fabric.ram_bram18(*self.rows, self.ram_style) + sum(forced_bram18(*rom) for rom in roms)

    def dsps(self) -> int:
        """DSPs of products and lines."""
        lines = line_dsps(self.fabric, self.acc_bits, self.line_bits)
        return lines + self.simd * product_dsps(self.x_bits, self.w_bits)

    def luts(self) -> int:
        """Products and their sum, row selection, tables, comparators, delays, position, masks and the output buffer."""
        products = products_luts(self.fabric, self.simd, self.x_bits, self.w_bits, self.acc_bits)
        select = mux_luts(self.kernel // self.simd, self.simd * (self.x_bits + 1))
        roms = [(self.steps, self.simd * self.w_bits), *self._threshold_roms()]
        tables = 0 if self.block else sum(dense_rom_luts(*rom) for rom in roms)
        if product_dsps(self.x_bits, self.w_bits):
            tables = 0 if self.block else sum(math.ceil(depth / 64) * width for depth, width in roms)
        search = 2 * self.acc_bits if not self.serial else 8
        compare = (1 if self.serial else self.r_bits) * (self.acc_bits // 2)
        if self.line_bits:
            shape = (self.channels, 1, self.acc_bits, self.r_bits, self.line_bits)
            search, compare = requantizer_luts(self.fabric, *shape), 0
        residual = residual_luts(self.x_bits, self.y_bits, self.sum_shifted) if self.residual else 0
        control = 78 + 2 * self.kernel
        memory = self.fabric.ram_luts(*self.rows, self.ram_style)
        buffer = fifo2_luts(self.y_bits)
        return round(products + select + tables + search + compare + residual + memory + control + buffer)


@dataclass(frozen=True, kw_only=True)
class WindowCost:
    """An instance of depthwise.sv by its parameters: PE windows at once, ``simd`` of their taps a cycle."""

    fabric: Fabric
    height: int
    width: int
    channels: int
    kernel: int
    pe: int
    simd: int
    x_bits: int
    w_bits: int
    r_bits: int
    y_bits: int
    residual: bool
    ram_style: str
    line_bits: tuple[int, ...] = ()
    sum_shifted: bool = False

    @property
    def acc_bits(self) -> int:
        """Bits of a sum: weights of both signs seldom add up to the extreme, two bits less."""
        return math.ceil(math.log2(max(4, self.kernel**2))) + self.x_bits + self.w_bits - 2

    @property
    def rows(self) -> tuple[int, int]:
        """(depth, width in bits) of the row memory: K-1 rows, one column of one beat a word."""
        older = 2 * min(self.kernel // 2, self.height - 1)
        return self.width * self.channels // self.pe, older * self.pe * self.x_bits

    def bram18(self) -> int:
        """18 Kbit blocks of rows."""
        return self.fabric.ram_bram18(*self.rows, self.ram_style)

    def dsps(self) -> int:
        """DSPs of products and lines."""
        lines = line_dsps(self.fabric, self.acc_bits, self.line_bits)
        by_tables = self.kernel**2 == self.simd
        return self.pe * (lines + (0 if by_tables else self.simd * product_dsps(self.x_bits, self.w_bits)))

    def luts(self) -> int:
        """Position and masks, columns, sums, thresholds, residual and the output buffer."""
        groups = self.channels // self.pe
        columns = self.fabric.lutram_luts(groups, (self.kernel - 1) * self.kernel * self.pe * self.x_bits)
        bits = self.r_bits if self.line_bits else self.y_bits
        search = requantizer_luts(self.fabric, self.channels, self.pe, self.acc_bits, bits, self.line_bits)
        residual = self.pe * residual_luts(self.x_bits, self.y_bits, self.sum_shifted) if self.residual else 0
        control = 60 + self.kernel**2
        out = fifo2_luts(self.pe * self.y_bits)
        rows = self.fabric.ram_luts(*self.rows, self.ram_style)
        return round(control + rows + columns + self._sums(groups) + search + residual + out)

    def _sums(self, groups: int) -> float:
        cycles = self.kernel**2 // self.simd
        if cycles == 1:
            return self.pe * dot_tables_luts(groups, self.simd, self.x_bits, self.w_bits, self.acc_bits)
        products = products_luts(self.fabric, self.simd, self.x_bits, self.w_bits, self.acc_bits)
        select = mux_luts(cycles, self.simd * (self.pe * self.x_bits + 1)) + self.simd * self.pe * self.x_bits
        weights = dense_rom_luts(groups * cycles, self.simd * self.pe * self.w_bits)
        return self.pe * products + select + weights
