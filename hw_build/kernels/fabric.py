"""Where the families of devices differ for the kernels' cost models: the shapes of LUT RAM, which memories Yosys puts
in block RAM, and what a DSP holds beside its multiplier.

Fitted to Yosys' ``synth_xilinx -family xc7`` and ``-family xcup``. Vivado puts more of UltraScale+ in a DSP48E2.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family, family_of
from hw_build.kernels.resources import ULTRA_WORDS, forced_bram18, mux_luts, ultra_blocks, ultra_lanes

if TYPE_CHECKING:
    from typing import ClassVar


class Fabric(ABC):
    """Of one family. ``lutram``: LUTs of a simple dual-port LUT RAM and its bits, 32 and 64 words deep;
    ``single_port_words``: the deepest LUT RAM with one port, 64 bits a LUT; ``multiplier_bits``: the wider operand of a
    DSP; ``dsp_adds``: whether an adder behind a multiplier is the DSP's; ``ultra_ram``: whether it has UltraRAM.
    """

    lutram: ClassVar[tuple[int, int, int]]
    single_port_words: ClassVar[int]
    multiplier_bits: ClassVar[int]
    dsp_adds: ClassVar[bool]
    ultra_ram: ClassVar[bool]

    @abstractmethod
    def infers_block_ram(self, depth: int, width: int) -> bool:
        """Whether a memory with synchronous read that asks for nothing lies in block RAM."""

    def uses_block_ram(self, depth: int, width: int, ram_style: str) -> bool:
        """Whether a memory with synchronous read lies in block RAM: it must, it must not, or it is inferred."""
        return ram_style == "block" or (ram_style == "auto" and self.infers_block_ram(depth, width))

    def ram_bram18(self, depth: int, width: int, ram_style: str) -> int:
        """18 Kbit blocks of a memory with synchronous read, 0 where it lies elsewhere."""
        return forced_bram18(depth, width) if self.uses_block_ram(depth, width, ram_style) else 0

    def ram_uram(self, depth: int, width: int, ram_style: str) -> int:
        """URAM288 of a memory of rows, 0 where it lies elsewhere: of four or more, Yosys may save one, since it trims
        what words of 72 bits leave unused.
        """
        return ultra_blocks(math.ceil(depth / ultra_lanes(depth, width)), width) if ram_style == "ultra" else 0

    def lutram_luts(self, depth: int, width: int) -> int:
        """LUTs of a simple dual-port LUT RAM."""
        luts, short_bits, bits = self.lutram
        if depth == 1:
            return 0
        if depth <= 32:
            return luts * math.ceil(width / short_bits)
        return luts * math.ceil(width / bits) * math.ceil(depth / 64)

    def ram_luts(self, depth: int, width: int, ram_style: str) -> int:
        """LUTs of a memory with synchronous read, of the multiplexers that read it and of the decoder that writes it:
        0 where it lies in block RAM.
        """
        if ram_style == "ultra":
            ways = ultra_lanes(depth, width)
            ways *= math.ceil(depth / (ULTRA_WORDS * ways))
            return mux_luts(ways, width) + (3 * ways // 2 if ways > 1 else 0)
        if self.uses_block_ram(depth, width, ram_style):
            return 0
        blocks = math.ceil(depth / 64)
        return self.lutram_luts(depth, width) + mux_luts(blocks, width) + (blocks if blocks > 1 else 0)

    def single_port_luts(self, depth: int, width: int, ram_style: str) -> int:
        """`ram_luts` of a memory that is never read and written at once: deep ones have 64 bits in a LUT and their
        multiplexers inside (RAM128X1S and beyond).
        """
        if depth <= 64 or ram_style == "ultra" or self.uses_block_ram(depth, width, ram_style):
            return self.ram_luts(depth, width, ram_style)
        words = self.single_port_words
        blocks, rest = math.ceil(depth / words), depth % words
        last = next(luts for luts in (0, 1, 2, 4, 8) if rest <= 64 * luts)
        full = depth // words * (words // 64)
        return width * (full + last) + mux_luts(blocks, width) + (blocks if blocks > 1 else 0)

    def dsp_adder_luts(self, bits: int) -> int:
        """LUTs of an adder of ``bits`` behind a multiplier."""
        return 0 if self.dsp_adds else bits


class _Series7(Fabric):
    lutram = (4, 6, 3)  # RAM32M, RAM64M
    single_port_words = 256
    multiplier_bits = 25
    dsp_adds = True
    ultra_ram = False

    def infers_block_ram(self, depth: int, width: int) -> bool:
        """What would fill more than 12.5 LUT RAMs: found by depth for widths of 1 to 36 bits."""
        return depth > 64 and min(math.ceil(depth / 32) * width / 6, math.ceil(depth / 64) * width / 3) > 12.5


class _UltraScalePlus(Fabric):
    lutram = (8, 14, 7)  # RAM32M16, RAM64M8
    single_port_words = 512
    multiplier_bits = 27
    dsp_adds = False
    ultra_ram = True

    def infers_block_ram(self, depth: int, width: int) -> bool:
        """What Yosys' costs make cheaper there: 129 a block, 16 a LUT RAM, as far as it is used, and what reads it."""
        blocks = math.ceil(depth / 64)
        return 16 * blocks * width / 7 + 10 + blocks > 129 * forced_bram18(depth, width)


SERIES_7: Fabric = _Series7()
ULTRASCALE_PLUS: Fabric = _UltraScalePlus()
_OF_FAMILY = {Family.ZYNQ_7000: SERIES_7, Family.ZYNQ_ULTRASCALE: ULTRASCALE_PLUS}


def fabric_of(part: str) -> Fabric:
    """The fabric of ``part``, which a board names; 7-series for a part of neither family."""
    family = family_of(part)
    return SERIES_7 if family is None else _OF_FAMILY[family]
