"""Cells of xc7 and xcup -> the sites of the device that they take.

A LUT site is a LUT, a memory of up to 64 bits or a shift register of up to 32; an inverter takes one, too
(placement may still absorb it). Two RAMB18 share the site of one RAMB36. Sizes of the memory cells: Xilinx UG953,
UG974.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOGIC = {"INV": 1, **{f"LUT{inputs}": 1 for inputs in range(1, 7)}}
_LUTRAM = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM32X2S": 2,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4,
    "RAM512X1S": 8, "RAM256X1D": 8, "RAM32M16": 8, "RAM64M8": 8,
}  # fmt: skip
_SRL = {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
_FF = dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1", "LDCE", "LDPE"), 1)
_BESIDE_LUTS = frozenset(
    (
        "CARRY4",
        "CARRY8",
        "MUXF7",
        "MUXF8",
        "MUXF9",
        "GND",
        "VCC",
        "BUFG",
        "BUFGCTRL",
        "BUFG_PS",
        "IBUF",
        "OBUF",
        "PS7",
        "PS8",
    )
)
_KINDS = {
    "logic_luts": _LOGIC, "lutram": _LUTRAM, "srl": _SRL, "ffs": _FF,
    "bram18": {"RAMB18E1": 1, "RAMB36E1": 2, "RAMB18E2": 1, "RAMB36E2": 2}, "dsps": {"DSP48E1": 1, "DSP48E2": 1},
    "uram": {"URAM288": 1},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Utilization:
    """Sites that a netlist takes; ``lutram`` and ``srl`` LUT sites that hold data, ``bram18`` halves of a RAMB36,
    ``uram`` UltraRAMs.
    """

    logic_luts: int = 0
    lutram: int = 0
    srl: int = 0
    ffs: int = 0
    bram18: int = 0
    dsps: int = 0
    uram: int = 0

    @property
    def luts(self) -> int:
        """All LUT sites: logic, memories and shift registers."""
        return self.logic_luts + self.lutram + self.srl

    @property
    def bram36(self) -> int:
        """RAMB36 sites."""
        return math.ceil(self.bram18 / 2)

    def __add__(self, other: Utilization) -> Utilization:
        return Utilization(**{e.name: getattr(self, e.name) + getattr(other, e.name) for e in fields(self)})


def utilization(cells: Mapping[str, int]) -> Utilization:
    """Sites of ``cells`` (type -> count).

    Raises:
        BuildError: a cell of unknown size, which would go uncounted.
    """
    known = _BESIDE_LUTS.union(*_KINDS.values())
    if unknown := sorted(set(cells) - known):
        raise BuildError(f"the netlist holds cells of unknown size: {', '.join(unknown)}; add them to {__name__}")
    return Utilization(
        **{kind: sum(sites.get(cell, 0) * count for cell, count in cells.items()) for kind, sites in _KINDS.items()}
    )
