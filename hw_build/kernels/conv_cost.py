"""What a ConvThreshold kernel takes, from its shape alone: fitted to Yosys' ``synth_xilinx -family xc7``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hw_build.kernels.resources import fifo2_luts, mux_luts, ram_bram18, ram_luts, rom_luts, threshold_luts

_BLOCK_WEIGHT_BITS = 8192  # beyond this many bits of weights block RAM is cheaper, where few blocks hold a word
_BLOCK_WEIGHT_BLOCKS = 2


@dataclass(frozen=True, kw_only=True)
class ConvShape:
    """Shape, folding and widths of a convolution."""

    height: int
    width: int
    in_channels: int
    out_channels: int
    kernel: int
    simd: int
    pe: int
    lanes: int
    x_bits: int
    w_bits: int
    y_bits: int
    raw: bool

    @property
    def ring(self) -> tuple[int, int]:
        """(words, bits) of the memory of pixels: as in conv_window.sv."""
        pad = self.kernel // 2
        pixels = 2 * pad * (self.width + 1) + 1 + (1 if self.kernel == 1 else 2)
        return pixels * (self.in_channels // self.simd), self.simd * self.x_bits

    @property
    def steps(self) -> int:
        """Words of weights: cycles a pixel."""
        return (self.out_channels // self.pe) * self.kernel**2 * (self.in_channels // self.simd)

    @property
    def weight_memory(self) -> tuple[int, int]:
        """(words, bits)."""
        return self.steps, self.simd * self.pe * self.w_bits

    @property
    def lane_bits(self) -> int:
        """Bits of one input lane's sum, at most."""
        terms = self.kernel**2 * (self.in_channels // self.simd)
        return self.x_bits + self.w_bits + math.ceil(math.log2(terms)) if terms > 1 else self.x_bits + self.w_bits

    @property
    def acc_bits(self) -> int:
        """Bits of a whole sum, at most."""
        return self.lane_bits + math.ceil(math.log2(self.simd))

    @property
    def packs(self) -> bool:
        """Whether two sums share a multiplier."""
        return self.pe > 1 and self.lane_bits <= 25 - self.w_bits


def weights_in_block_ram(shape: ConvShape) -> bool:
    """Whether the weights go to block RAM rather than LUTs."""
    words, bits = shape.weight_memory
    return words * bits > _BLOCK_WEIGHT_BITS and ram_bram18(words, bits) <= _BLOCK_WEIGHT_BLOCKS


def conv_multipliers(shape: ConvShape) -> int:
    """DSP48E1."""
    return shape.simd * (math.ceil(shape.pe / 2) if shape.packs else shape.pe)


def conv_luts(shape: ConvShape) -> int:
    """LUT6 and LUT RAM sites."""
    address = math.ceil(math.log2(max(2, shape.ring[0])))
    control = 60 + 6 * address + (0 if shape.kernel == 1 else 60)
    weights = 0 if weights_in_block_ram(shape) else rom_luts(*shape.weight_memory)
    multiplexers = shape.lanes * shape.simd * mux_luts(shape.pe // shape.lanes, shape.lane_bits)
    unpack = shape.lanes * shape.simd * shape.lane_bits
    if shape.raw:
        tables = shape.lanes * shape.y_bits
    else:
        tables = threshold_luts(shape.out_channels, shape.lanes, shape.acc_bits, shape.y_bits)
    return (
        control
        + weights
        + multiplexers
        + unpack
        + tables
        + ram_luts(*shape.ring)
        + fifo2_luts(shape.lanes * shape.y_bits)
    )
