"""The whole device as one netlist of xc7 cells: what nextpnr places.

It is put together from the netlists of its parts that `hw_build synth` counts and caches, so the figures of the one are
the cells of the other; what is mapped here is only what lies around them: processing system, clock and reset.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hw_build.bitstream.dsp_pairs import pair_dsps
from hw_build.bitstream.lut_inputs import simplify_luts
from hw_build.bitstream.replicate import replicate_registers
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
    cells = assemble(shell.top, device_sources(design, shell), netlists, folder / NETLIST, data_dir=design.rtl_dir)
    _edit(folder / NETLIST, shell.top)
    return asdict(utilization(cells))


def _edit(path: Path, top: str) -> None:
    netlist = json.loads(path.read_text())
    simplify_luts(netlist["modules"][top])
    replicate_registers(netlist["modules"][top])
    pair_dsps(netlist["modules"][top])
    write_atomically(path, json.dumps(netlist).encode())
