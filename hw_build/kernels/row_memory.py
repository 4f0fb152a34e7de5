"""Kernels that hold rows of their input in a memory: whether it may lie in block RAM is part of their folding."""

from __future__ import annotations

from hw_build.kernels.fabric import SERIES_7
from hw_build.kernels.stream_kernel import StreamKernel

RAM_STYLES = ("auto", "distributed")


class RowMemoryKernel(StreamKernel):
    """Attribute ram_style: ``auto`` puts many rows in block RAM, ``distributed`` all of them in LUT RAM."""

    def get_nodeattr_types(self):
        """ram_style, as FINN names it."""
        return super().get_nodeattr_types() | {"ram_style": ("s", False, "auto", set(RAM_STYLES))}

    def folding_choices(self) -> dict[str, tuple[int | str, ...]]:
        """Where rows lie."""
        return super().folding_choices() | {"ram_style": RAM_STYLES}

    @property
    def ram_style(self) -> str:
        """``auto`` or ``distributed``."""
        return self.get_nodeattr("ram_style")

    def row_memory_parameters(self) -> dict[str, str]:
        """RAM_STYLE of the RTL."""
        return {"RAM_STYLE": f'"{self.ram_style}"'}

    def settled_row_memory(self, depth: int, width: int) -> dict[str, str]:
        """RAM_STYLE of the RTL as `settled_ram_style` says."""
        return {"RAM_STYLE": f'"{self.settled_ram_style(depth, width)}"'}

    def settled_ram_style(self, depth: int, width: int) -> str:
        """``block`` or ``distributed``, decided here and for all devices, as the RTL is one: for a memory that is never
        read and written at once. Synthesis places such a one by other rules.
        """
        return "block" if SERIES_7.uses_block_ram(depth, width, self.ram_style) else "distributed"
