"""The parts of a device, each mapped already, and what lies around them -> one flat netlist.

Yosys' ``hierarchy`` fits the ports of an instance to the module that it finds, cutting wires without an error. So each
instance is pointed at its own part, a black box of that part's own ports, before ``hierarchy`` runs, and every border
is checked: a port that is missing, or of another width, or that nobody drives, ends the assembly.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw_build.implement.netlist.wires import CONSTANTS, UNKNOWN
from hw_build.implement.synth.yosys import JOIN, READ_OPTIONS, SynthesisError, mapping, run_passes
from hw_build.simulate.primitives import PROCESSOR_PRIMITIVES, declarations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

# what read_slang leaves on the cell of a black box: parameters, constants derived from them, and variables of loops
_PARAMETER = re.compile(r"\b(?:localparam|parameter|genvar)\b[^=\n]*?(\w+)(?: *\[[^]]*\])* *=")


def assemble(top: str, files: Sequence[Path], parts: Mapping[tuple[str, str, str], Path], netlist: Path) -> None:
    """Write the device ``top``, whose parts are mapped already, to ``netlist``: one flat module in Yosys' JSON.

    ``parts`` maps (module that it is an instance in, its own module, its name) to the part's RTLIL, as `synthesise`
    left it; the rest of ``files``, read as there, is mapped here.

    Raises:
        SynthesisError: Yosys refuses it, or an instance does not fit its part: names instance and port.
    """
    with tempfile.TemporaryDirectory(prefix="edgeseg-assemble-") as folder:
        primitives, borders, around, flat = (
            Path(folder, name) for name in ("primitives.v", "borders.json", "around.il", "flat.json")
        )
        primitives.write_text(declarations(PROCESSOR_PRIMITIVES))
        sources = [str(Path(file).resolve()) for file in (primitives, *files)]
        netlists = sorted(set(parts.values()))
        passes = [
            *_read_around(top, sources, parts),
            *(["read_rtlil", "-lib", str(path)] for path in netlists),
            ["proc"],
            ["write_json", str(borders)],
            ["write_rtlil", str(around)],
        ]
        asyncio.run(run_passes(top, passes, Path(folder)))
        check_borders(_modules(borders), {(name, path.stem) for (_, _, name), path in parts.items()})
        passes = [
            ["read_rtlil", str(around)],
            *mapping(top),
            *(["read_rtlil", "-overwrite", str(path)] for path in netlists),
            ["setattr", "-mod", "-unset", "top", *(path.stem for path in netlists)],  # each was one in its own run
            *map(list, JOIN),
            ["attrmap", "-remove", "src"],
            ["opt_clean", "-purge"],
            ["delete", "t:$scopeinfo"],
            ["write_json", str(flat)],
        ]
        asyncio.run(run_passes(top, passes, Path(folder)))
        shutil.move(flat, netlist)


def _read_around(top: str, sources: list[str], parts: Mapping[tuple[str, str, str], Path]) -> Iterator[list[str]]:
    """Passes that read all but the parts, whose instances then name their own netlists and have no parameters."""
    modules = sorted({module for _, module, _ in parts})
    apart = [word for module in modules for word in ("--blackboxed-module", module)]
    yield ["read_slang", *READ_OPTIONS, "--top", top, *apart, *sources]
    for name in sorted({name for path in sources for name in _PARAMETER.findall(Path(path).read_text())}):
        yield ["setparam", "-unset", name, *(f"t:{module}" for module in modules)]
    for (parent, module, name), path in parts.items():
        inside = f"{parent}*"  # read_slang appends $ and the path of the instance to a module's name
        yield ["chtype", "-set", path.stem, f"{inside}/t:{module}", f"{inside}/c:{name}", "%i"]
    yield ["delete", *(f"={module}" for module in modules)]


def check_borders(modules: Mapping[str, Any], parts: Set[tuple[str, str]]) -> None:
    """Every instance in ``parts`` (name, module) is there, and fits its module; ``modules`` are those of Yosys' JSON.

    Raises:
        SynthesisError: names instance, port and both widths, or what is missing or unknown.
    """
    found = []
    for module in modules.values():
        cells = module["cells"].items()
        if strange := [(name, cell["type"]) for name, cell in cells if "port_directions" not in cell]:
            name, kind = strange[0]
            raise SynthesisError(f"instance {name} is of {kind}, which is neither a part nor a module of the sources")
        if here := [(name, cell) for name, cell in cells if (name, cell["type"]) in parts]:
            driven = _drivers(module)
            found += [(name, cell, driven) for name, cell in here]
    if missing := sorted(name for name, _ in parts - {(name, cell["type"]) for name, cell, _ in found}):
        raise SynthesisError(f"the assembly has no instance of the part of {', '.join(missing)}: stitch it again")
    for name, cell, driven in found:
        ports, pins = modules[cell["type"]]["ports"], cell["connections"]
        if unknown := sorted(pins.keys() - ports.keys()):
            raise SynthesisError(f"instance {name} connects {', '.join(unknown)}, which its part does not have")
        for port, of_part in ports.items():
            bits, width = pins.get(port, []), len(of_part["bits"])
            if of_part["direction"] == "input" and not bits:
                raise SynthesisError(f"instance {name}: nothing is connected to its input {port}")
            if bits and len(bits) != width:
                raise SynthesisError(f"instance {name}: {len(bits)} wires at port {port} of {width} bits")
            if of_part["direction"] == "input" and any(bit not in driven for bit in bits):
                raise SynthesisError(f"instance {name}: nobody drives all bits of its input {port}")


def _drivers(module: Mapping[str, Any]) -> set[Any]:
    """Wires of ``module`` that a cell or a port of it drives, and the constants that are values."""
    driven = {bit for bit in CONSTANTS if bit not in UNKNOWN}
    for port in module["ports"].values():
        if port["direction"] != "output":
            driven.update(port["bits"])
    for cell in module["cells"].values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) != "input":
                driven.update(bits)
    return driven - set(UNKNOWN)


def _modules(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())["modules"]
