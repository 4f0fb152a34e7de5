"""The gaps of a dilated depthwise kernel as zeros of a larger one, where that is the smaller of its two forms.

A depthwise convolution without gaps has a kernel of its own in hardware; with gaps it becomes a dense one of mostly
zeros, as many products a pixel as the kernel has taps times the channels.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name

from quant.integer.nodes import attribute


def fill_gaps(model: ModelWrapper, node: NodeProto) -> None:
    """Fills those of the convolution ``node`` of an exported graph."""
    quant, dilations = model.find_producer(node.input[1]), list(attribute(node, "dilations", [1, 1]))
    weights = model.get_initializer(quant.input[0]) if quant is not None else None
    groups = attribute(node, "group", 1)
    if weights is None or dilations == [1, 1] or groups == 1 or weights.shape[:2] != (groups, 1):
        return
    filled = without_gaps(weights, dilations)
    if filled[0].size > weights[0].size * groups:
        return
    model.set_initializer(quant.input[0], filled)
    model.set_tensor_shape(quant.output[0], filled.shape)
    for name, value in {"kernel_shape": list(filled.shape[2:]), "dilations": [1, 1]}.items():
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
