"""The graph of the step ``lower`` -> FINN's nodes, in HLS where FINN has the variant, and ours with C++."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
from finn.custom_op.fpgadataflow.hls import custom_op as hls_variants
from finn.util.basic import MAX_ALLOWED_AP_INT_W
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from hw_build.backends.stock_finn import folded, quiet, stock_nodes
from hw_build.base.errors import LoweringError
from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import FINN_DOMAIN, HLS_DOMAIN
from hw_build.kernels import DOMAIN, load_hls_nodes
from hw_build.kernels.stream_kernel import StreamKernel, divisors
from hw_build.operators import operators

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


def hls_graph(lowered: ModelWrapper, part: str, target_cycles: int) -> ModelWrapper:
    """FINN's nodes for ``part``, HLS preferred, folded by FINN for ``target_cycles`` a frame.

    ``lowered`` stays as it is.

    Raises:
        LoweringError: FINN has no node for an operator, which it names.
    """
    model = copy.deepcopy(lowered)
    for to_hls in (each for operator in operators() for each in operator.hls_passes):
        model = model.transform(to_hls, make_deepcopy=False, cleanup=False)
    _take_cpp(model)
    model = stock_nodes(model, part, prefer_hls=True)
    names = {tensor: node.name for node in lowered.graph.node for tensor in node.output}
    for node in model.graph.node:
        if not node.domain.startswith(FINN_DOMAIN):
            name = names.get(node.output[0], node.name)
            error = LoweringError(
                f"node {name} ({node.op_type}): FINN's back end has no such node; build it with this project's RTL"
            )
            error.node_name = name
            raise error
    model = folded(minimised(model), target_cycles)
    for operation in map(getCustomOp, model.graph.node):
        if isinstance(operation, StreamKernel):
            _fold(operation, target_cycles)
        elif operation.onnx_node.op_type == "MVAU_hls":
            _widen(operation, target_cycles)
        elif operation.onnx_node.op_type == "ConvolutionInputGenerator_rtl":
            _narrow_window(operation, getCustomOp(model.find_consumers(operation.onnx_node.output[0])[0]))
        elif operation.onnx_node.op_type == "VVAU_hls":
            _narrow_weights(operation)
        elif operation.onnx_node.op_type == "Thresholding_hls":
            _embed_thresholds(operation)
    return model


def slowest_layer(model: ModelWrapper) -> tuple[str, int]:
    """The node of a folded graph with the most cycles a frame, by FINN's estimate, and these."""
    cycles = {node.name: int(getCustomOp(node).get_exp_cycles()) for node in model.graph.node}
    return max(cycles.items(), key=lambda item: item[1])


def _take_cpp(model: ModelWrapper) -> None:
    """Makes each kernel of ours that has C++ the node of FINN's HLS back end with that."""
    load_hls_nodes()
    for node in model.graph.node:
        variant = f"{node.op_type.removesuffix('_rtl')}_hls"
        if node.domain == DOMAIN and variant in hls_variants:
            node.op_type, node.domain = variant, HLS_DOMAIN


def minimised(model: ModelWrapper) -> ModelWrapper:
    """``model`` with sums and thresholds as narrow as their values allow, changed in place.

    FINN's conversions leave sums at 32 bits. FINN's builder narrows them by MinimizeWeightBitWidth,
    MinimizeAccumulatorWidth, RoundAndClipThresholds and InferDataTypes, which each go through the whole graph for every
    node that changes; here each node is narrowed once, in the order of the data, by the same functions of FINN's nodes.
    """
    with quiet():
        nodes = {node.name: node for node in model.graph.node}
        for sorted_node in GraphEditor(model).sorted_nodes():
            op = getCustomOp(nodes[sorted_node.name])
            op.infer_node_datatype(model)
            for narrow in ("minimize_weight_bit_width", "minimize_accumulator_width"):
                getattr(op, narrow, _nothing)(model)
            _hold_sums(op)
            _clip_thresholds(model, op)
            getattr(op, "minimize_weight_bit_width", _nothing)(model)
            op.infer_node_datatype(model)
    return model


def _nothing(model: ModelWrapper) -> None:
    """Of a node whose types follow from its inputs."""


def _hold_sums(op) -> None:
    """A bit more for a sum of a signed and an unsigned input of equal widths, which FINN leaves out."""
    if op.onnx_node.op_type != "ElementwiseAdd_hls":
        return
    first, second = (DataType[op.get_nodeattr(name)] for name in ("lhs_dtype", "rhs_dtype"))
    if first.signed() != second.signed() and first.bitwidth() == second.bitwidth():
        op.set_nodeattr("out_dtype", f"INT{first.bitwidth() + 2}")


def _clip_thresholds(model: ModelWrapper, op) -> None:
    """Thresholds of a node to the least sum, or one beyond the greatest: beyond that, all sums pass or none."""
    if op.onnx_node.op_type == "Thresholding_hls":
        name, sums = op.onnx_node.input[1], op.get_input_datatype(0)
    elif op.onnx_node.op_type in ("MVAU_hls", "VVAU_hls") and not op.get_nodeattr("noActivation"):
        name, sums = op.onnx_node.input[2], DataType[op.get_nodeattr("accDataType")]
    else:
        return
    clipped = np.clip(np.ceil(model.get_initializer(name)), sums.min(), sums.max() + 1)
    model.set_initializer(name, clipped.astype(np.float32))
    beyond = sums.max() + 1
    data_type = DataType.get_smallest_possible(-beyond - 1 if sums.signed() else beyond)
    model.set_tensor_datatype(name, data_type)
    if op.onnx_node.op_type == "Thresholding_hls":
        op.set_nodeattr("weightDataType", data_type.name)


def _fold(op: StreamKernel, target_cycles: int) -> None:
    """The fewest channels a beat that keep to ``target_cycles``, else as many as a beat holds; FINN's folding knows
    FINN's nodes only.
    """
    folding = 1
    for pe in divisors(op.folding_limits()["PE"][1]):
        op.set_nodeattr("PE", pe)
        if max(op.get_outstream_width(), *map(op.get_instream_width, op.stream_inputs())) > MAX_ALLOWED_AP_INT_W:
            op.set_nodeattr("PE", folding)
            return
        if op.get_exp_cycles() <= target_cycles:
            return
        folding = pe


def _narrow_window(op, reader) -> None:
    """A tap a beat where all taps of a window are too wide for one."""
    if op.get_nodeattr("parallel_window") and op.get_outstream_width() > MAX_ALLOWED_AP_INT_W:
        op.set_nodeattr("parallel_window", 0)
        if reader.onnx_node.op_type == "VVAU_hls":
            reader.set_nodeattr("SIMD", 1)


def _narrow_weights(op) -> None:
    """Fewer taps a beat where the weights of a VVAU are too wide for a word."""
    for taps in reversed(divisors(op.get_nodeattr("SIMD"))):
        op.set_nodeattr("SIMD", taps)
        if op.get_instream_width(1) <= MAX_ALLOWED_AP_INT_W:
            return


def _embed_thresholds(op) -> None:
    """Thresholds inside the layer's function where those of a beat are too wide for a word of a memory beside it."""
    if op.get_instream_width(1) > MAX_ALLOWED_AP_INT_W:
        op.set_nodeattr("mem_mode", "internal_embedded")


def _widen(op, target_cycles: int) -> None:
    """More inputs a beat where an MVAU misses ``target_cycles``: FINN ends at 36 bits of weights a channel."""
    folding, width = op.get_nodeattr("SIMD"), op.get_nodeattr("MW")
    for simd in (value for value in divisors(width) if value > folding):
        if op.get_exp_cycles() <= target_cycles:
            return
        op.set_nodeattr("SIMD", simd)
        if max(op.get_instream_width(1), op.get_instream_width(0)) > MAX_ALLOWED_AP_INT_W:
            op.set_nodeattr("SIMD", folding)
            return
        folding = simd
