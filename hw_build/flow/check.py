"""Says of each node of a network which kernel it becomes, or why none does, without building anything.

Every node is judged on its own first, so that all mistakes are reported at once. If all pass, the passes of a build
run, stitching included, and their result is read: `check` has no knowledge of kernels of its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from board.boundary import doing
from hw_build.base.errors import EdgesegError, LoweringError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.folding.board_share import beyond_share
from hw_build.folding.least_luts import refusal_of_luts
from hw_build.folding.least_memory import least_memory, refusal_of_memory
from hw_build.folding.options import read_network
from hw_build.graph.editor import GLOBAL_OUT, GraphEditor, label
from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_network
from hw_build.lowering.rules import GIVE_CODES, QUANT, is_weight_quant, refusal
from hw_build.lowering.specialize import DEFAULT_PART
from hw_build.operators import operator_of
from hw_build.operators.operator import CodeFunction, Monotonic
from hw_build.stitch import stitch

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.base.board_config import Board


@dataclass(frozen=True)
class Verdict:
    """The verdict on one node: ``kernel`` says what it becomes; ``reason`` is empty, or why it cannot be lowered."""

    node: str
    operator: str
    kernel: str
    reason: str = ""

    @property
    def lowers(self) -> bool:
        """Whether a kernel implements the node."""
        return not self.reason


def refuse(verdicts: list[Verdict]) -> None:
    """Raises LoweringError with the first of ``verdicts`` that gives a reason against lowering."""
    for verdict in verdicts:
        if not verdict.lowers:
            named = not verdict.operator or verdict.reason.startswith("node ")  # as errors of single nodes begin
            node = "" if named else f"node {verdict.node} ({verdict.operator}): "
            raise LoweringError(f"{node}{verdict.reason}")


def lowers(verdicts: list[Verdict]) -> bool:
    """Whether the whole network can be lowered."""
    return all(verdict.lowers for verdict in verdicts)


def check(model_path: Path, board: Board | None = None, input_scale: float | None = None) -> list[Verdict]:
    """A verdict for every node that the output depends on, in execution order; see `lowers` for the whole.

    ``input_scale``: the value of one code of the image, if the file does not quantize it to 8
    bits first. A further row says so if results have another size than the image, and, with ``board``, if its block
    RAMs or LUTs, or the share of them that a build takes unasked, are fewer than every folding needs.
    """
    fpgapart = DEFAULT_PART if board is None else board.part
    model, refused = judge(model_path, input_scale)
    graph = GraphEditor(model)
    if not lowers(refused):
        return refused
    try:
        for step in lowering_steps(fpgapart):
            with doing(f"step {step.name}"):
                model = step.run(model)
        with tempfile.TemporaryDirectory() as folder, doing("step stitch"):
            layout = stitch(model, Path(folder)).layout
    except EdgesegError as error:
        return blame(refused, error)
    built = _Built(graph, model)
    verdicts = [Verdict(label(node), node.op_type, built.kernel_of(node)) for node in graph.nodes]
    if layout.resizes:
        sizes = f"results of {layout.out_height}x{layout.out_width} for images of {layout.height}x{layout.width}"
        verdicts.append(Verdict("network", "", sizes))
    if board is None:
        return verdicts
    network = read_network(model, board.part)
    memory = least_memory(network)
    too_much = refusal_of_memory(memory, board), refusal_of_luts(network, board)
    too_large = [Verdict("network", "", "", why) for why in too_much if why is not None]
    tight = None if too_large else beyond_share(network, memory, board)
    return [*verdicts, *too_large, *([] if tight is None else [Verdict("network", "", tight)])]


def judge(model_path: Path, input_scale: float | None = None) -> tuple[ModelWrapper, list[Verdict]]:
    """Reads the network at ``model_path`` and judges each node on its own by the rules of lowering."""
    model = load_network(Path(model_path), input_scale)
    graph = GraphEditor(model)
    return model, [Verdict(label(node), node.op_type, "", _because(refusal(graph, node))) for node in graph.nodes]


def _because(reason: str | None) -> str:
    return "" if reason is None else f"it {reason}"


def blame(verdicts: list[Verdict], error: EdgesegError) -> list[Verdict]:
    """Returns the verdicts with ``error`` at the node that it names, or as a last row for the network as a whole."""
    name = error.node_name if isinstance(error, LoweringError) else ""
    origin = origin_of(name, [verdict.node for verdict in verdicts])
    if origin is None:
        return [*verdicts, Verdict("network", "", "", str(error))]
    return [
        Verdict(verdict.node, verdict.operator, "", str(error)) if verdict.node == origin else verdict
        for verdict in verdicts
    ]


def origin_of(name: str, nodes: list[str]) -> str | None:
    """The node from which a lowered node was made: the one with the same name, or with the longest prefix of it."""
    return max((node for node in nodes if name == node or name.startswith(f"{node}_")), key=len, default=None)


class _Built:
    """What the nodes of ``graph`` became, read from the lowered ``model``."""

    def __init__(self, graph: GraphEditor, model: ModelWrapper):
        self.graph = graph
        lowered = GraphEditor(model)
        origins = lowered.metadata("edgeseg_node_origin")
        names = [label(node) for node in graph.nodes]
        self.own: dict[str, list[str]] = {}  # node -> kernels that carry its name
        self.writers = {name: node.op_type for node in lowered.nodes for name in node.output}
        for node in lowered.nodes:
            origin = origin_of(origins[node.name], names)
            if origin is not None and not hardware_node(node).copies:
                kernels = self.own.setdefault(origin, [])
                kernels += [node.op_type] if node.op_type not in kernels else []

    def kernel_of(self, node: NodeProto) -> str:
        """The kernels that ``node`` became, or the kernel that contains it."""
        graph = self.graph
        if is_weight_quant(graph, node):
            return "constants"
        if node.op_type in QUANT and node.input[0] in graph.inputs:
            return "pixel codes"
        if label(node) in self.own:
            return ", ".join(self.own[label(node)])
        inside = self._kernel_behind(node)
        if node.op_type in GIVE_CODES:
            return f"thresholds inside {inside}"
        operator = operator_of(graph, node)
        if isinstance(operator, CodeFunction) and not isinstance(operator, Monotonic):
            return f"part of {inside}"
        if len(graph.dynamic_inputs(node)) > 1:
            return f"residual inside {inside}"
        return "thresholds" if self._quantizer_behind(node) else f"bias inside {inside}"

    def _kernel_behind(self, node: NodeProto) -> str:
        """The kernel that writes the codes of a quantizer at or behind ``node``, or the logits if these come first."""
        quant = self._quantizer_behind(node)
        while quant is not None and f"{quant.output[0]}_codes" not in self.writers:  # itself inside a kernel
            readers = self.graph.consumers(quant.output[0])
            quant = self._quantizer_behind(readers[0]) if readers else None
        return self.writers[GLOBAL_OUT if quant is None else f"{quant.output[0]}_codes"]

    def _quantizer_behind(self, node: NodeProto) -> NodeProto | None:
        """``node`` itself if it is a quantizer, otherwise the first quantizer after it."""
        while node.op_type not in GIVE_CODES:
            readers = self.graph.consumers(node.output[0])
            if not readers:
                return None
            node = readers[0]
        return node
