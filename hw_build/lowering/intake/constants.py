"""Constants of every form become initializers, by onnx' reference evaluator.

What depends on constants alone is evaluated, whatever the operator: Constant in all its forms, ConstantOfShape, Cast,
Transpose, Reshape, Slice, and Shape of a tensor whose shape is known. Quantizers stay: they say how wide weights are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hw_build.graph.editor import attribute
from hw_build.lowering.intake.opset import QUANTIZERS
from hw_build.lowering.intake.shapes import infer_shapes
from hw_build.lowering.rules import ONNX_DOMAINS, reject

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

KEPT = (*QUANTIZERS, "QuantizeLinear", "DequantizeLinear")


def fold_constants(model: ModelWrapper) -> ModelWrapper:
    """Fold until nothing more is constant: what is folded makes shapes known, and shapes are constants, too."""
    while _fold(model):
        model = infer_shapes(model)
    return model


def _fold(model: ModelWrapper) -> bool:
    """Whether something was folded; nodes must be in order."""
    graph = model.graph
    opsets = {entry.domain: entry.version for entry in model.model.opset_import}
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    shapes = _known_shapes(model)
    folded: list[NodeProto] = []
    for node in graph.node:
        if node.op_type in KEPT or node.domain not in ONNX_DOMAINS:
            continue
        if node.op_type == "Shape" and node.input[0] in shapes:
            sizes = shapes[node.input[0]][attribute(node, "start", 0) : attribute(node, "end", None)]
            constants[node.output[0]] = np.array(sizes, np.int64)
        elif all(name in constants for name in node.input if name):
            constants |= _evaluate(node, constants, opsets)
        else:
            continue
        folded.append(node)
    for node in folded:
        graph.initializer.extend(numpy_helper.from_array(constants[name], name) for name in filter(None, node.output))
        graph.node.remove(node)
    names = {name for node in folded for name in node.output}
    for value in [value for value in graph.value_info if value.name in names]:
        graph.value_info.remove(value)
    graph.value_info.extend(
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(constants[name].dtype), constants[name].shape
        )
        for name in sorted(names - {""})
    )
    return bool(folded)


def _evaluate(node: NodeProto, constants: dict[str, np.ndarray], opsets: dict[str, int]) -> dict[str, np.ndarray]:
    try:
        evaluator = ReferenceEvaluator(node, opsets=opsets)
        values = evaluator.run(None, {name: constants[name] for name in node.input if name})
    except Exception as error:  # whatever an operator's own code raises on constants that do not fit it
        why = f"{type(error).__name__}: {error}"
        raise reject(node, f"depends on constants alone, but onnx cannot evaluate it ({why}): export again") from error
    return {name: np.asarray(value) for name, value in zip(node.output, values, strict=True) if name}


def _known_shapes(model: ModelWrapper) -> dict[str, list[int]]:
    found = {}
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.HasField("shape") and all(sizes):
            found[value.name] = sizes
    return found
