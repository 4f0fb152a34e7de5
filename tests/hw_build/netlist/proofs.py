"""Proofs by Yosys that two netlists of xc7 cells do the same, with Yosys' own models of the cells, for all inputs ever.

Both run side by side on the same inputs. That outputs are equal follows by induction over time from more: that the
registers of one also have the values of those of the other that they correspond to, from power-up on. Clocks are inputs
like others, so an edge of the wrong kind is a difference, too.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from hw_build.implement.synth.yosys import run_passes
from hw_build.simulate.primitives import cell_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LIMIT_SECONDS = 60.0  # a proof takes one

# registers of the cells, by their names in the models; bit i of those of an SRL16E is what entered i cycles ago
_REGISTERS = {
    **dict.fromkeys(("FDRE", "FDSE"), ("Q",)),
    "SRL16E": ("r",),
    "DSP48E1": ("Ar2", "Br2", "Mr", "P", "CARRYCASCOUT"),
}
_MODULE = re.compile(r"^(?=module (\w+))(.*?^endmodule$)", re.MULTILINE | re.DOTALL)
_STAGE = re.compile(r"(.*)\$stage(\d+)")  # as expand_shift_registers names them
_COPY = re.compile(r"(.*?)\$(?:for|to|of)\$.*")  # as replicate_registers and split_fan_out do


def prove_equal(
    gold: Mapping[str, Any], gate: Mapping[str, Any], folder: Path, *, after_edges: int | None = None
) -> None:
    """The module ``gate`` (Yosys' JSON) does what ``gold`` does; cells of the same name correspond.

    With ``after_edges`` there must first be inputs for which outputs differ, at most so many changes of a clock after
    power-up: that the proof then fails is no weakness of the prover.

    Raises:
        SynthesisError: it does not, or the registers do not correspond; or there is no such difference.
    """
    equal = [word for pair in corresponding(gold, gate) for word in ("-prove", *pair)]
    questions = [["-verify", "-prove", "trigger", "0", *equal, "-tempinduct", "-maxsteps", "4"]]
    if after_edges is not None:
        questions.insert(0, ["-falsify", "-prove", "trigger", "0", "-seq", str(after_edges + 1)])
    passes = [
        *_read({"gold": gold, "gate": gate}, folder),
        ["miter", "-equiv", "-make_outputs", "gold", "gate", "miter"],
        ["hierarchy", "-top", "miter"],
        ["proc"],
        ["flatten"],
        # what has the same inputs is one, multipliers above all; not opt_clean, it takes registers of one side alone
        *(["pmuxtree"], ["opt_expr"], ["opt_dff"], ["opt_merge"]),
        ["clk2fflogic"],
        *(["opt_expr"], ["opt_merge"]),
        *(["sat", *question, "miter"] for question in questions),
    ]
    asyncio.run(run_passes("proof", passes, folder, LIMIT_SECONDS))


def prove_unread(design: Mapping[str, Any], port: str, folder: Path) -> None:
    """In the models of the cells of ``design`` nothing reads its input ``port``.

    Raises:
        SynthesisError: something does.
    """
    passes = [
        *_read({"gold": design}, folder),
        ["hierarchy", "-top", "gold"],
        ["proc"],
        ["flatten"],
        ["select", "-assert-none", f"i:{port}", "%co*", "t:*", "%i"],
    ]
    asyncio.run(run_passes("proof", passes, folder, LIMIT_SECONDS))


def corresponding(gold: Mapping[str, Any], gate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Registers of ``gate`` and of ``gold`` that must be equal, as signals of the proof; each of ``gate`` once."""
    for name, cell in gate["cells"].items():
        stage, copied = _STAGE.fullmatch(name), _COPY.fullmatch(name)
        original = stage[1] if stage else copied[1] if copied else name
        if original not in gold["cells"]:
            continue
        for register in _REGISTERS.get(cell["type"], ()):
            counterpart = f"r[{stage[2]}]" if stage else register
            yield f"gate.{plain(name)}.{register}", f"gold.{plain(original)}.{counterpart}"


def plain(name: str) -> str:
    """``name`` in characters that Yosys takes without escapes."""
    return re.sub(r"\W", "_", name)


def _read(designs: Mapping[str, Mapping[str, Any]], folder: Path) -> Iterator[list[str]]:
    """Passes that read modules by their names, and the models of the cells in them."""
    path, models = folder / "proof.json", folder / "models.v"
    path.write_text(json.dumps({"modules": {name: _bare(design) for name, design in designs.items()}}))
    kinds = {cell["type"] for design in designs.values() for cell in design["cells"].values()}
    library = cell_library("cells_sim.v").read_text()
    models.write_text("\n".join(text for kind, text in _MODULE.findall(library) if kind in kinds))
    yield ["read_json", str(path)]
    yield ["read_verilog", str(models)]


def _bare(module: Mapping[str, Any]) -> dict[str, Any]:
    """``module`` with plain names of cells, and nothing that a proof does not need."""
    cells = {plain(name): {**cell, "attributes": {}} for name, cell in module["cells"].items()}
    assert len(cells) == len(module["cells"])
    nets = [net for net in module["netnames"].values() if "init" in net.get("attributes", {})]
    named = {f"power_up_{i}": {**net, "attributes": {"init": net["attributes"]["init"]}} for i, net in enumerate(nets)}
    return {"ports": module["ports"], "netnames": named, "cells": cells}
