"""Convolutions of an exported graph with taps of zero, where hardware takes them so: the same sums.

A depthwise convolution without gaps has a kernel of its own in hardware; with gaps it becomes a dense one of mostly
zeros, as many products a pixel as the kernel has taps times the channels. A window that is less high or wide than its
stride, 1x1 apart, is none that FINN's sliding window has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, helper
from qonnx.util.basic import get_by_name

from quant.integer.nodes import attribute

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


def fill_gaps(model: ModelWrapper, node: NodeProto) -> None:
    """Gaps of a dilated depthwise convolution as zeros of a larger kernel, where that is the smaller form."""
    quant, dilations = model.find_producer(node.input[1]), list(attribute(node, "dilations", [1, 1]))
    weights = model.get_initializer(quant.input[0]) if quant is not None else None
    groups = attribute(node, "group", 1)
    if weights is None or dilations == [1, 1] or groups == 1 or weights.shape[:2] != (groups, 1):
        return
    filled = without_gaps(weights, dilations)
    if filled[0].size > weights[0].size * groups:
        return
    _set(model, node, filled, dilations=[1, 1])


def reach_stride(model: ModelWrapper, node: NodeProto) -> None:
    """Rows and columns of zeros behind a kernel that its stride passes over."""
    quant, strides = model.find_producer(node.input[1]), list(attribute(node, "strides", [1, 1]))
    weights = model.get_initializer(quant.input[0]) if quant is not None else None
    if weights is None or weights.shape[2:] == (1, 1):
        return
    spans = [
        step * (size - 1) + 1
        for step, size in zip(attribute(node, "dilations", [1, 1]), weights.shape[2:], strict=True)
    ]
    if all(span >= stride for span, stride in zip(spans, strides, strict=True)):
        return
    dense, pads = without_gaps(weights, attribute(node, "dilations", [1, 1])), list(attribute(node, "pads", [0] * 4))
    before, after = (model.get_tensor_shape(name)[2:] for name in (node.input[0], node.output[0]))
    sizes = [max(pair) for pair in zip(spans, strides, strict=True)]
    for axis, size in enumerate(sizes):
        needed = strides[axis] * (after[axis] - 1) + size - before[axis] - pads[axis]
        pads[axis + 2] = max(pads[axis + 2], needed)
    more = [(0, 0), (0, 0), *((0, size - span) for size, span in zip(sizes, spans, strict=True))]
    _set(model, node, np.pad(dense, more), dilations=[1, 1], pads=pads)


def _set(model: ModelWrapper, node: NodeProto, weights: np.ndarray, **attributes: list[int]) -> None:
    quant = model.find_producer(node.input[1])
    model.set_initializer(quant.input[0], np.ascontiguousarray(weights))
    model.set_tensor_shape(quant.output[0], weights.shape)
    for name, value in {"kernel_shape": list(weights.shape[2:]), **attributes}.items():
        found = get_by_name(node.attribute, name)
        if found is not None:
            node.attribute.remove(found)
        node.attribute.append(helper.make_attribute(name, value))


def without_gaps(weights: np.ndarray, dilations: list[int]) -> np.ndarray:
    """(O, I, KH, KW) -> (O, I, (KH - 1) * dilation + 1, ...) with zeros between."""
    outputs, inputs, *kernel = weights.shape
    sizes = [step * (size - 1) + 1 for step, size in zip(dilations, kernel, strict=True)]
    filled = np.zeros((outputs, inputs, *sizes), weights.dtype)
    filled[:, :, :: dilations[0], :: dilations[1]] = weights
    return filled
