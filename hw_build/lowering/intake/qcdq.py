"""QuantizeLinear, Clip and DequantizeLinear become Quant, by qonnx' QCDQToQuant.

That pass wants what files may leave out: zero points, the axis of scales, a parameter of its own for each node. And it
reads the width of weights from their container; where a Clip had told it, the values tell it, which the Clip bounds.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.general.intquant import max_int, min_int
from qonnx.transformation.general import GiveUniqueParameterTensors
from qonnx.transformation.qcdq_to_qonnx import QCDQToQuant

from hw_build.lowering.graph import attribute, set_attribute, smallest_integer_type
from hw_build.lowering.rules import reject

LINEAR = ("QuantizeLinear", "DequantizeLinear")
_CONTAINERS = {TensorProto.INT8: np.int8, TensorProto.UINT8: np.uint8, TensorProto.INT32: np.int32}


def quantize_linear_to_quant(model: ModelWrapper) -> ModelWrapper:
    """``model`` with Quant in place of every QuantizeLinear - [Clip] - DequantizeLinear and of dequantized constants.

    Raises:
        LoweringError: a Clip between them cuts a range that no number of bits has.
    """
    if not any(node.op_type in LINEAR for node in model.graph.node):
        return model
    for index, node in enumerate(node for node in list(model.graph.node) if node.op_type in LINEAR):
        _complete(model, node, index)
    for node in model.graph.node:
        if node.op_type == "Clip":
            _check_clip(model, node)
    weights = {
        node.output[0]: model.get_initializer(node.input[0])
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and model.get_initializer(node.input[0]) is not None
    }
    model = model.transform(GiveUniqueParameterTensors(), make_deepcopy=False, cleanup=False)
    model = model.transform(QCDQToQuant(), make_deepcopy=False, cleanup=False)
    for node in model.graph.node:
        if node.op_type == "Quant" and node.output[0] in weights:
            _narrow(model, node, weights[node.output[0]])
    return model


def _complete(model: ModelWrapper, node: NodeProto, index: int) -> None:
    """Give ``node`` its zero point and, where it has several scales, their axis."""
    if len(node.input) < 3 or not node.input[2]:
        constant = model.get_initializer(node.input[0])
        container = np.uint8 if constant is None else constant.dtype
        name = f"{node.output[0]}_zero{index}"
        scale = model.get_initializer(node.input[1])
        shape = () if scale is None else scale.shape
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, container), name))
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(container))
        model.graph.value_info.append(helper.make_tensor_value_info(name, kind, shape))
        inputs = [*node.input[:2], name]
        del node.input[:]
        node.input.extend(inputs)
    scale = model.get_initializer(node.input[1])
    axis = attribute(node, "axis", 1)
    kept = [entry for entry in node.attribute if entry.name != "axis"]
    del node.attribute[:]
    node.attribute.extend(kept)
    if scale is not None and scale.size > 1:
        set_attribute(node, "axis", axis)
    elif scale is not None and scale.ndim:
        for name in node.input[1:3]:
            model.set_initializer(name, model.get_initializer(name).reshape(()))


def _check_clip(model: ModelWrapper, clip: NodeProto) -> None:
    """Refuse a Clip of codes whose bounds are not those of a number of bits: Quant could not say it."""
    before = model.find_producer(clip.input[0])
    if before is None or before.op_type != "QuantizeLinear":
        return
    bounds = [model.get_initializer(name) for name in clip.input[1:3]]
    if len(bounds) < 2 or any(bound is None for bound in bounds):
        raise reject(clip, "clips codes to what is not constant")
    low, high = (int(bound.item()) for bound in bounds)
    zero_point = model.get_initializer(before.input[2])
    signed = zero_point is not None and np.issubdtype(zero_point.dtype, np.signedinteger)
    bits = int(high - low).bit_length()
    ranges = [(int(min_int(signed, narrow, bits)), int(max_int(signed, narrow, bits))) for narrow in (False, signed)]
    if (low, high) not in ranges:
        raise reject(
            clip, f"clips codes to {low} to {high}, which is no range of {bits} {'' if signed else 'un'}signed bits"
        )


def _narrow(model: ModelWrapper, quant: NodeProto, codes: np.ndarray) -> None:
    """Let weights be as wide as their codes need: a Clip that told their width has become part of the constant."""
    low, high = int(codes.min()), int(codes.max())
    signed = bool(attribute(quant, "signed", 1))
    bits = smallest_integer_type(min(low, -1) if signed else low, high).bitwidth()
    narrow = signed and low > -(2 ** (bits - 1))
    model.set_initializer(quant.input[3], np.asarray(bits, np.float32))
    set_attribute(quant, "narrow", int(narrow))
