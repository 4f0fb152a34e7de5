"""Says of each node of an exported network to which kernel it lowers, or why it cannot, without building anything.

First every node is judged on its own; when all pass, the lowering itself is tried, which finds what only shows in
combination (unequal scales of two addends, an accumulator without a quantizer, weights no RTL takes).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.errors import BuildError, LoweringError
from hw_build.lowering import lowering_steps
from hw_build.lowering.convert import prepare
from hw_build.lowering.graph import GraphEditor, attribute, label
from hw_build.lowering.rules import AFFINE, QUANT, is_depthwise, is_weight_quant, refusal
from hw_build.lowering.specialize import DEFAULT_PART

AFFINE_OR_RELU = (*AFFINE, "BatchNormalization", "Relu")
DEPTHWISE, DENSE = "DepthwiseConv_rtl", "ConvThreshold_rtl"
ADD_THRESHOLD, BILINEAR_THRESHOLD = "StreamAddThreshold_rtl", "BilinearThreshold2x_rtl"


@dataclass(frozen=True)
class Verdict:
    """One node: ``kernel`` says what it becomes; ``reason`` is empty, or why it cannot be lowered."""

    node: str
    operator: str
    kernel: str
    reason: str = ""

    @property
    def lowers(self) -> bool:
        """Whether a kernel takes the node."""
        return not self.reason


def lowers(verdicts: list[Verdict]) -> bool:
    """Whether the whole network lowers."""
    return all(verdict.lowers for verdict in verdicts)


def load_network(path: Path) -> ModelWrapper:
    """The ONNX file at ``path``; BuildError when it is none."""
    if not path.is_file():
        raise BuildError(f"model {path} does not exist")
    try:
        model = ModelWrapper(str(path))
    except (DecodeError, ValueError, AttributeError) as error:
        raise BuildError(f"model {path} is not an ONNX file") from error
    if not model.graph.node:
        raise BuildError(f"model {path} holds no network: its graph has no nodes")
    return model


def check(model_path: Path, fpgapart: str = DEFAULT_PART) -> list[Verdict]:
    """A verdict for every node that the output depends on, in execution order; see `lowers` for the whole."""
    model = prepare(load_network(Path(model_path)))
    graph = GraphEditor(model)
    verdicts = []
    for node in graph.nodes:
        reason = refusal(graph, node)
        if reason is None:
            verdicts.append(Verdict(label(node), node.op_type, kernel_of(graph, node)))
        else:
            verdicts.append(Verdict(label(node), node.op_type, "", f"it {reason}"))
    if not lowers(verdicts):
        return verdicts
    try:
        attempt = copy.deepcopy(model)
        for step in lowering_steps(fpgapart):
            attempt = step.run(attempt)
    except LoweringError as error:
        return _blame(verdicts, error)
    return verdicts


def _blame(verdicts: list[Verdict], error: LoweringError) -> list[Verdict]:
    """The verdicts with ``error`` at the node that it names, or as a last row for the network as a whole."""
    name = getattr(error, "node_name", "")
    origins = sorted(
        (verdict.node for verdict in verdicts if name == verdict.node or name.startswith(f"{verdict.node}_")), key=len
    )
    if not origins:
        return [*verdicts, Verdict("network", "", "", str(error))]
    return [
        Verdict(verdict.node, verdict.operator, "", str(error)) if verdict.node == origins[-1] else verdict
        for verdict in verdicts
    ]


def kernel_of(graph: GraphEditor, node: NodeProto) -> str:
    """What a supported node becomes."""
    operator = node.op_type
    if operator == "Conv":
        return _convolution(graph, node)
    if operator in QUANT:
        return _quantizer(graph, node)
    if operator == "Add" and len(graph.dynamic_inputs(node)) == 2:
        if is_fused_residual(graph, node):
            return f"residual inside {DEPTHWISE}"
        return ADD_THRESHOLD if _thresholds_in_a_table(graph, node) else "StreamAdd_rtl"
    if operator == "Resize" and _thresholds_in_a_table(graph, node):
        return BILINEAR_THRESHOLD
    if operator in AFFINE_OR_RELU:
        return "thresholds" if _reaches_quantizer(graph, node) else "ChannelBias_rtl"
    kernels = {"MaxPool": "MaxPool2x2_rtl", "Resize": "BilinearUpsample2x_rtl", "Concat": "StreamConcat_rtl"}
    return kernels.get(operator, "nothing")


def _convolution(graph: GraphEditor, conv: NodeProto) -> str:
    return DEPTHWISE if is_depthwise(graph, conv) else DENSE


def _quantizer(graph: GraphEditor, quant: NodeProto) -> str:
    if is_weight_quant(graph, quant):
        return "constants"
    if quant.input[0] in graph.inputs:
        return "pixel codes"
    layer = _layer_before(graph, quant.input[0])
    if layer is not None and layer.op_type == "Conv":
        return f"thresholds inside {_convolution(graph, layer)}"
    if layer is not None and is_fused_residual(graph, layer):
        return f"thresholds inside {DEPTHWISE}"
    if layer is not None and layer.op_type in ("Add", "Resize") and _thresholds_in_a_table(graph, layer):
        return f"thresholds inside {ADD_THRESHOLD if layer.op_type == 'Add' else BILINEAR_THRESHOLD}"
    return "Threshold_rtl"


def _thresholds_in_a_table(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether ``node`` sums unsigned codes of one width for a single quantizer, unsigned too: see FuseSumThresholds."""
    return all(_is_unsigned(graph, name) for name in graph.dynamic_inputs(node)) and _feeds_unsigned(graph, node)


def _is_unsigned(graph: GraphEditor, tensor: str) -> bool:
    """Whether ``tensor`` is an unsigned code of at most 6 bits, perhaps pooled: a sum of 16 of them has 10."""
    node = graph.producer(tensor)
    while node is not None and node.op_type == "MaxPool":
        node = graph.producer(node.input[0])
    if node is None or node.op_type not in QUANT or attribute(node, "signed", 1):
        return False
    bits = graph.constants.get(node.input[3]) if len(node.input) > 3 else None
    return bits is not None and float(bits.max()) <= 6


def _feeds_unsigned(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether affine nodes and Relu alone lead from ``node`` to an unsigned quantizer, with no other reader."""
    readers = graph.consumers(node.output[0])
    while len(readers) == 1 and readers[0].op_type in AFFINE_OR_RELU:
        readers = graph.consumers(readers[0].output[0])
    return len(readers) == 1 and readers[0].op_type in QUANT and not attribute(readers[0], "signed", 1)


def _layer_before(graph: GraphEditor, tensor: str) -> NodeProto | None:
    """The nearest producer that is not an affine node of one tensor or a Relu."""
    node = graph.producer(tensor)
    while node is not None and node.op_type in AFFINE_OR_RELU and len(graph.dynamic_inputs(node)) == 1:
        node = graph.producer(graph.dynamic_inputs(node)[0])
    return node


def is_fused_residual(graph: GraphEditor, add: NodeProto) -> bool:
    """Whether ``add`` sums a depthwise convolution's quantized output, read by nothing else, and that layer's input."""
    names = graph.dynamic_inputs(add)
    if add.op_type != "Add" or len(names) != 2:
        return False
    for branch, source in (names, names[::-1]):
        quant = graph.producer(branch)
        if quant is None or quant.op_type not in QUANT or len(graph.consumers(branch)) != 1:
            continue
        layer = _layer_before(graph, quant.input[0])
        if layer is not None and layer.op_type == "Conv" and is_depthwise(graph, layer) and layer.input[0] == source:
            return True
    return False


def _reaches_quantizer(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether affine nodes and Relu alone lead from ``node`` to a quantizer."""
    readers = graph.consumers(node.output[0])
    while readers and readers[0].op_type in AFFINE_OR_RELU:
        readers = graph.consumers(readers[0].output[0])
    return bool(readers) and readers[0].op_type in QUANT
