"""The whole device as one netlist of xc7 cells: what nextpnr places.

It is put together from the netlists of its parts that `hw_build synth` counts and caches; what is mapped here is only
what lies around them: processing system, clock and reset. Then cells are rewritten for nextpnr, to the same function.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hw_build.bitstream.dsp_pairs import pair_dsps
from hw_build.bitstream.lut_inputs import simplify_luts
from hw_build.bitstream.replicate import replicate_registers
from hw_build.bitstream.shift_registers import expand_shift_registers
from hw_build.bitstream.sources import device_sources
from hw_build.errors import BuildError
from hw_build.shell.generate import Shell
from hw_build.steps import write_atomically
from hw_build.stitch import Design
from hw_build.synth.cells import utilization
from hw_build.synth.design import Part
from hw_build.synth.yosys import assemble

NETLIST = "netlist.json"


def write_netlist(design: Design, shell: Shell, parts: list[Part], folder: Path) -> dict[str, Any]:
    """Write ``netlist.json`` into ``folder``; returns the sites that its cells take.

    Raises:
        BuildError: a part has no netlist.
        SynthesisError: Yosys refuses the device.
    """
    if missing := [part.name for part in parts if part.netlist is None]:
        raise BuildError(f"there is no netlist of {', '.join(missing)}: `hw_build synth` says why")
    netlists = {(part.module, part.name): part.netlist for part in parts}
    assemble(shell.top, device_sources(design, shell), netlists, folder / NETLIST, data_dir=design.rtl_dir)
    return asdict(utilization(_make_placeable(folder / NETLIST, shell.top)))


def _make_placeable(path: Path, top: str) -> Counter[str]:
    """Rewrite what nextpnr cannot place, or places badly, to the same function; returns cells by type."""
    netlist = json.loads(path.read_text())
    module = netlist["modules"][top]
    for change in (simplify_luts, expand_shift_registers, replicate_registers, pair_dsps):
        change(module)
    write_atomically(path, json.dumps(netlist).encode())
    return Counter(cell["type"] for cell in module["cells"].values())
