"""Grouped and dilated convolutions of an exported graph as dense ones: the same sums, zeros where nothing is read."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from quant.integer.ort_graph import dense_weights


def make_dense(model: ModelWrapper) -> ModelWrapper:
    """Fills the gaps of dilated kernels with zeros, and those between groups of more than a channel."""
    for node in model.get_nodes_by_op_type("Conv"):
        quant = model.find_producer(node.input[1])
        weights = model.get_initializer(quant.input[0]) if quant is not None else None
        if weights is None:
            continue
        dense = _without_gaps(weights, _ints(node, "dilations", [1, 1]))
        groups = _ints(node, "group", 1)
        if groups > 1 and dense.shape[:2] != (groups, 1):
            dense, groups = dense_weights(dense, groups), 1
        if dense is not weights:
            model.set_initializer(quant.input[0], np.ascontiguousarray(dense))
            model.set_tensor_shape(quant.output[0], dense.shape)
            _set(node, kernel_shape=list(dense.shape[2:]), dilations=[1, 1], group=groups)
    return model


def _without_gaps(weights: np.ndarray, dilations: list[int]) -> np.ndarray:
    """(O, I, KH, KW) -> (O, I, (KH - 1) * dilation + 1, ...) with zeros between."""
    if list(dilations) == [1, 1]:
        return weights
    outputs, inputs, *kernel = weights.shape
    sizes = [step * (size - 1) + 1 for step, size in zip(dilations, kernel, strict=True)]
    filled = np.zeros((outputs, inputs, *sizes), weights.dtype)
    filled[:, :, :: dilations[0], :: dilations[1]] = weights
    return filled


def _ints(node: NodeProto, name: str, default: int | list[int]) -> int | list[int]:
    found = get_by_name(node.attribute, name)
    return default if found is None else helper.get_attribute_value(found)


def _set(node: NodeProto, **values: int | list[int]) -> None:
    for name, value in values.items():
        found = get_by_name(node.attribute, name)
        if found is not None:
            node.attribute.remove(found)
        node.attribute.append(helper.make_attribute(name, value))
