"""Kernels that hold rows of their input in a memory: which kind of memory it may lie in is part of their folding."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from hw_build.kernels.fabric import SERIES_7, ULTRASCALE_PLUS, fabric_of
from hw_build.kernels.stream_kernel import StreamKernel

if TYPE_CHECKING:
    from typing import ClassVar

    from hw_build.kernels.fabric import Fabric

ROW_MEMORY = "lib/row_memory.sv"
ULTRA = "ultra"
RAM_STYLES = ("auto", "distributed", ULTRA)
# what each UltraRAM must save of RAMB18: rows that save less would waste it
LEAST_SAVED_BRAM18 = 2


class RowMemoryKernel(StreamKernel):
    """Attribute ram_style: ``auto`` puts many rows in block RAM, ``distributed`` all of them in LUT RAM, ``ultra`` all
    of them in UltraRAM, where the device has it.
    """

    row_banks: ClassVar[int] = 1  # how many such memories there are

    @abstractmethod
    def row_memory(self) -> tuple[int, int]:
        """(words, bits of a word) of each memory of rows."""

    def get_nodeattr_types(self):
        """ram_style, as FINN names it."""
        return super().get_nodeattr_types() | {"ram_style": ("s", False, "auto", set(RAM_STYLES))}

    def folding_choices(self, fabric: Fabric) -> dict[str, tuple[int | str, ...]]:
        """Where rows lie."""
        styles = tuple(style for style in RAM_STYLES if style != ULTRA or fabric.ultra_ram)
        return super().folding_choices(fabric) | {"ram_style": styles}

    def folding_conflict(self, folding: dict[str, int | str]) -> str | None:
        """Rows lie in UltraRAM where they would take much block RAM."""
        if folding.get("ram_style") != ULTRA:
            return super().folding_conflict(folding)
        memory = self.folded(folding).row_memory()
        saved = self.row_banks * ULTRASCALE_PLUS.ram_bram18(*memory, "auto")
        blocks = self.row_banks * ULTRASCALE_PLUS.ram_uram(*memory, ULTRA)
        if saved >= LEAST_SAVED_BRAM18 * blocks:
            return super().folding_conflict(folding)
        return (
            f"ram_style=ultra would save {saved} RAMB18 with {blocks} UltraRAMs, fewer than {LEAST_SAVED_BRAM18} each: "
            "choose another PE or SIMD, or ram_style=auto"
        )

    def uram_estimation(self, fpgapart: str) -> int:
        """URAM288 of the rows."""
        return self.row_banks * fabric_of(fpgapart).ram_uram(*self.row_memory(), self.ram_style)

    @property
    def ram_style(self) -> str:
        """``auto``, ``distributed`` or ``ultra``."""
        return self.get_nodeattr("ram_style")

    def row_memory_parameters(self) -> dict[str, str]:
        """RAM_STYLE of the RTL."""
        return {"RAM_STYLE": f'"{self.ram_style}"'}

    def settled_row_memory(self) -> dict[str, str]:
        """RAM_STYLE of the RTL as `settled_ram_style` says."""
        return {"RAM_STYLE": f'"{self.settled_ram_style}"'}

    @property
    def settled_ram_style(self) -> str:
        """``block``, ``distributed`` or ``ultra``, decided here and for all devices, as the RTL is one: for a memory
        that is never read and written at once. Synthesis places such a one by other rules.
        """
        if self.ram_style == ULTRA:
            return ULTRA
        return "block" if SERIES_7.uses_block_ram(*self.row_memory(), self.ram_style) else "distributed"
