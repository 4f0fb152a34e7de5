"""Says of each node of a network which HLS layer it becomes, or what stops it: by the passes that ``hls`` runs itself.

What the RTL build refuses is refused here, too, for ``hls`` takes a build. FINN's sources are generated into a folder
that is thrown away, for FINN finds limits of widths there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from board.boundary import doing
from hw_build.backends.hls.graph import hls_graph
from hw_build.backends.hls.network import read_network
from hw_build.backends.hls.sources import write_sources
from hw_build.base.errors import EdgesegError
from hw_build.flow.check import Verdict, blame, check, judge, lowers, origin_of
from hw_build.graph.editor import GraphEditor, label
from hw_build.lowering import lowering_steps
from hw_build.lowering.specialize import DEFAULT_PART

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

CYCLES_PER_PIXEL = 32  # of the default folding
_LAST = "lower"
_PERIOD_NS = 10.0


def check_hls(model_path: Path, fpgapart: str = DEFAULT_PART, input_scale: float | None = None) -> list[Verdict]:
    """A verdict for every node that the output depends on, in execution order, folded for `CYCLES_PER_PIXEL`."""
    built = check(model_path, input_scale=input_scale)
    if not lowers(built):
        return built
    model, rows = judge(model_path, input_scale)
    graph = GraphEditor(model)
    try:
        for step in lowering_steps(fpgapart):
            with doing(f"step {step.name}"):
                model = step.run(model)
            if step.name == _LAST:
                break
        pixels = int(np.prod(GraphEditor(model).shapes[model.graph.input[0].name][1:3]))
        with tempfile.TemporaryDirectory() as folder, doing("HLS sources"):
            layers = hls_graph(model, fpgapart, CYCLES_PER_PIXEL * pixels)
            write_sources(layers, Path(folder) / "hls", fpgapart, _PERIOD_NS)
            read_network(layers, Path(folder) / "hls")
    except EdgesegError as error:
        return blame(rows, error)
    made = _layers_of(graph, model, layers)
    of_network = [verdict for verdict in built if not verdict.operator]
    of_nodes = [Verdict(verdict.node, verdict.operator, made.get(verdict.node, "inside another")) for verdict in rows]
    return of_nodes + of_network


def _layers_of(graph: GraphEditor, lowered: ModelWrapper, layers: ModelWrapper) -> dict[str, str]:
    """Node of the network -> the layers that hold the constants or write the tensors which the lowering made of it."""
    names, constants = [label(node) for node in graph.nodes], {entry.name for entry in lowered.graph.initializer}
    origins: dict[str, str] = {}
    for node in lowered.graph.node:
        if origin := origin_of(node.name, names):
            origins |= dict.fromkeys([*node.output, *(name for name in node.input if name in constants)], origin)
    found: dict[str, list[str]] = {}
    for node in layers.graph.node:
        held = [*node.output, *(name for name in node.input if name in constants)]
        for origin in dict.fromkeys(origins[name] for name in held if name in origins):
            if node.op_type not in found.setdefault(origin, []):
                found[origin].append(node.op_type)
    return {name: ", ".join(kinds) for name, kinds in found.items()}
