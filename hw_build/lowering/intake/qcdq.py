"""QuantizeLinear, Clip and DequantizeLinear become Quant: of activations by qonnx' QCDQToQuant.

That pass wants zero points, which files may leave out, and takes a Clip's range for one of bits, whatever it is.
Weights that are stored as codes it knows with one scale alone, and as wide as their container; here they get a scale
for each channel, and the width that their codes need: a Clip that told it has become part of the constant. Codes that
a zero point only moves, such as -128 to 127 around -128, become those around 0: of images the same number of bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from qonnx.custom_op.general.intquant import max_int, min_int
from qonnx.transformation.general import GiveUniqueParameterTensors
from qonnx.transformation.qcdq_to_qonnx import QCDQToQuant

from hw_build.graph.editor import QONNX_DOMAIN, attribute, smallest_integer_type
from hw_build.lowering.rules import reject

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

LINEAR = ("QuantizeLinear", "DequantizeLinear")


def quantize_linear_to_quant(model: ModelWrapper) -> ModelWrapper:
    """``model`` with Quant in place of every QuantizeLinear - [Clip] - DequantizeLinear and of dequantized constants.

    Raises:
        LoweringError: a Clip between them cuts a range that no number of bits has.
    """
    if not any(node.op_type in LINEAR for node in model.graph.node):
        return model
    for index, node in enumerate(list(model.graph.node)):
        if node.op_type == "DequantizeLinear" and model.get_initializer(node.input[0]) is not None:
            _quantize_constant(model, node, index)
        elif node.op_type in LINEAR:
            _complete(model, node)
            if node.op_type == "QuantizeLinear":
                _type_codes(model, node)
        elif node.op_type == "Clip":
            _check_clip(model, node)
    _move_zero_points(model)
    model = model.transform(GiveUniqueParameterTensors(), make_deepcopy=False, cleanup=False)
    return model.transform(QCDQToQuant(), make_deepcopy=False, cleanup=False)


def _quantize_constant(model: ModelWrapper, node: NodeProto, index: int) -> None:
    """DequantizeLinear(codes) -> Quant(codes times scale), in place."""
    codes, scale = (model.get_initializer(name) for name in node.input[:2])
    zero = model.get_initializer(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1, np.float32)
    if scale is None or zero is None:
        return
    if scale.size > 1:
        shape = [1] * codes.ndim
        shape[attribute(node, "axis", 1)] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero.reshape(())
    else:
        scale, zero = scale.reshape(()), zero.reshape(())
    centred = codes.astype(np.int64) - zero.astype(np.int64)
    low, high = int(centred.min()), int(centred.max())
    signed = np.issubdtype(codes.dtype, np.signedinteger) or low < 0
    bits = smallest_integer_type(min(low, -1) if signed else low, high).bitwidth()
    values = {
        "value": centred.astype(np.float32) * scale,
        "scale": scale,
        "zero": np.zeros((), np.float32),
        "bits": np.float32(bits),
    }
    names = []
    for kind, value in values.items():
        names.append(f"{node.output[0]}_{kind}{index}")
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), names[-1]))
    narrow = int(signed and low > -(2 ** (bits - 1)))
    result = list(node.output)
    quant = helper.make_node("Quant", names, result, name=node.name, domain=QONNX_DOMAIN)
    for name, setting in (("signed", int(signed)), ("narrow", narrow), ("rounding_mode", "ROUND")):
        quant.attribute.append(helper.make_attribute(name, setting))
    node.CopyFrom(quant)


def _complete(model: ModelWrapper, node: NodeProto) -> None:
    """Give ``node``, of an activation, its zero point, and a scale without dimensions where it has one scale."""
    scale = model.get_initializer(node.input[1])
    if len(node.input) < 3 or not node.input[2]:
        name = f"{node.output[0]}_zero_point"
        value = np.zeros(() if scale is None else scale.shape, np.uint8)
        model.graph.initializer.append(numpy_helper.from_array(value, name))
        model.graph.value_info.append(
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        )
        node.input[:] = [*node.input[:2], name]
    if scale is not None and scale.size == 1:
        kept = [entry for entry in node.attribute if entry.name != "axis"]
        del node.attribute[:]
        node.attribute.extend(kept)
        for name in node.input[1:3]:
            model.set_initializer(name, model.get_initializer(name).reshape(()))


def _type_codes(model: ModelWrapper, node: NodeProto) -> None:
    """Note the type of the codes that ``node`` (QuantizeLinear) gives, which qonnx reads: of other domains than ONNX'
    it is not inferred.
    """
    zero = model.get_initializer(node.input[2])
    if zero is not None and model.get_tensor_valueinfo(node.output[0]) is None:
        kind = helper.np_dtype_to_tensor_dtype(zero.dtype)
        model.graph.value_info.append(helper.make_tensor_value_info(node.output[0], kind, None))


def _move_zero_points(model: ModelWrapper) -> None:
    """QuantizeLinear - DequantizeLinear around half of the range of their codes: the same values, around 0."""
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear":
            continue
        pair = [node, *(model.find_consumers(node.output[0]) or [])]
        zeros = [model.get_initializer(reader.input[2]) for reader in pair if reader.op_type in LINEAR]
        if len(zeros) < len(pair) or any(zero is None for zero in zeros):
            continue
        kind = zeros[0].dtype
        if not np.issubdtype(kind, np.integer) or any(zero.dtype != kind for zero in zeros):
            continue
        signed = np.issubdtype(kind, np.signedinteger)
        half = 2 ** (8 * kind.itemsize - 1)
        if not all(np.all(zero.astype(np.int64) == (-half if signed else half)) for zero in zeros):
            continue
        other = np.dtype(f"{'u' if signed else ''}int{8 * kind.itemsize}")
        for place, (reader, zero) in enumerate(zip(pair, zeros, strict=True)):
            name = f"{node.output[0]}_moved_zero_point{place}"
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(zero.shape, other), name))
            reader.input[2] = name
        model.get_tensor_valueinfo(node.output[0]).type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(other)


def _check_clip(model: ModelWrapper, clip: NodeProto) -> None:
    """Refuse a Clip of codes whose bounds are not those of a number of bits: Quant could not say it."""
    before = model.find_producer(clip.input[0])
    if before is None or before.op_type != "QuantizeLinear":
        return
    bounds = [model.get_initializer(name) for name in clip.input[1:3]]
    if len(bounds) < 2 or any(bound is None for bound in bounds):
        raise reject(clip, "clips codes to what is not constant")
    low, high = (int(bound.item()) for bound in bounds)
    signed = np.issubdtype(bounds[0].dtype, np.signedinteger)
    bits = int(high - low).bit_length()
    ranges = [(int(min_int(signed, narrow, bits)), int(max_int(signed, narrow, bits))) for narrow in {False, signed}]
    if (low, high) not in ranges:
        raise reject(
            clip, f"clips codes to {low} to {high}, which is not a range of {bits} {'' if signed else 'un'}signed bits"
        )
