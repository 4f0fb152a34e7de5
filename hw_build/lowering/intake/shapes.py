"""Shapes of all tensors, inferred rather than believed, and a batch of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import NodeProto, ValueInfoProto
from onnx.shape_inference import InferenceError
from qonnx.custom_op.registry import is_custom_op
from qonnx.transformation.change_batchsize import ChangeBatchSize
from qonnx.transformation.infer_shapes import InferShapes

from hw_build.base.errors import LoweringError
from hw_build.lowering.rules import CHANNELS_LAST_DOMAIN, ONNX_DOMAINS

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


def infer_shapes(model: ModelWrapper) -> ModelWrapper:
    """Infer the shape of every tensor from the inputs' anew; where that leads nowhere, what the file says stays.

    With an operator that neither onnx nor qonnx can infer by itself, nothing is inferred.

    Raises:
        LoweringError: onnx finds a contradiction.
    """
    if not all(_inferable(node) for node in model.graph.node):
        return model
    graph = model.graph
    told = {value.name: _copy(value) for value in [*graph.value_info, *graph.output]}
    constants = {entry.name for entry in graph.initializer}
    kept = [_copy(value) for value in graph.value_info if value.name in constants]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        model = model.transform(InferShapes(), make_deepcopy=False, cleanup=False)
    except InferenceError as error:
        why = " ".join(str(error).split())
        raise LoweringError(f"shapes or types in the graph contradict each other ({why}): export it again") from error
    graph = model.graph
    for value in graph.output:
        if not _has_shape(value):
            value.CopyFrom(told[value.name])
    found = {value.name for value in graph.value_info if _has_shape(value)} | {value.name for value in graph.output}
    for value in [value for value in graph.value_info if value.name not in found]:
        graph.value_info.remove(value)
    written = {name for node in graph.node for name in node.output}
    graph.value_info.extend(told[name] for name in sorted((written & set(told)) - found))
    return model


def _inferable(node: NodeProto) -> bool:
    """Whether its output's shape follows from its input's; qonnx' channels-last layers want the weights' shape, too."""
    if node.domain in ONNX_DOMAINS:
        return True
    return node.domain != CHANNELS_LAST_DOMAIN and is_custom_op(node.domain, node.op_type)


def _copy(value: ValueInfoProto) -> ValueInfoProto:
    copy = ValueInfoProto()
    copy.CopyFrom(value)
    return copy


def _has_shape(value: ValueInfoProto) -> bool:
    return value.type.tensor_type.HasField("shape")


def set_batch_to_one(model: ModelWrapper) -> ModelWrapper:
    """``model`` for one image at a time, whatever batch it was exported with.

    Raises:
        LoweringError: something in the graph holds the batch fixed.
    """
    shape = model.graph.input[0].type.tensor_type.shape if model.graph.input else None
    if shape is None or len(shape.dim) < 2 or shape.dim[0].dim_value == 1:
        return model
    batch = shape.dim[0].dim_value or shape.dim[0].dim_param
    model = infer_shapes(model.transform(ChangeBatchSize(1), make_deepcopy=False, cleanup=False))
    for value in [*model.graph.value_info, *model.graph.output]:
        node = model.find_producer(value.name)
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if node is not None and len(sizes) == len(shape.dim) and sizes[0] > 1 and _depends_on_image(model, node):
            raise LoweringError(
                f"the network is exported for a batch of {batch}, and node {node.name or value.name} ({node.op_type}) "
                f"keeps {sizes[0]} images: export it with batch 1"
            )
    return model


def _depends_on_image(model: ModelWrapper, node: NodeProto) -> bool:
    return any(model.get_initializer(name) is None for name in node.input if name) and node.op_type != "Quant"
