"""What a place and route tool made of the device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """After placement and routing, by the tool's own reports; ``bram36`` counts a RAMB18 as half.

    ``luts`` are sites in Vivado, outputs of sites, two each, in nextpnr. ``read_back`` says whether the bitstream,
    taken apart again, holds what was asked for, or why nobody looked; ``routed_netlist``
    whether the netlist after routing still computes the golden data, or why nobody tried.
    """

    toolchain: str
    luts: float
    ffs: float
    bram36: float
    dsps: float
    fmax_mhz: float
    bitstream_bytes: int
    read_back: str
    routed_netlist: str
