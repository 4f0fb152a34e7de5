"""Of which type image and logits are: floats, or integers that hold every code of the image.

A network takes code times scale. A file whose input cannot hold these numbers computes something else than the
accelerator would, whatever its nodes are. In the end both are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import attribute
from hw_build.lowering.rules import QUANT, reject
from hw_build.operators import of_onnx_type

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_QUANTIZERS = (*QUANT, "QuantizeLinear")
_HIGHEST_CODE = 255


def floats_at_the_ends(model: ModelWrapper) -> ModelWrapper:
    """``model`` with its image and logits declared as float32; constants must be folded, and Casts still there.

    Raises:
        LoweringError: the image is of another type that cannot hold its codes, or the logits are no floats.
    """
    constants = {entry.name for entry in model.graph.initializer}
    images = [value for value in model.graph.input if value.name not in constants]
    for value in filter(_is_tensor, images if len(images) == 1 else []):
        if value.type.tensor_type.elem_type not in _FLOATS:
            _require_room_for_codes(model, value)
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    for value in filter(_is_tensor, model.graph.output):
        node = model.find_producer(value.name)
        operators = () if node is None else of_onnx_type(node.op_type)
        if not operators or operators[0].gives_indices:
            continue  # its own sentence
        if value.type.tensor_type.elem_type not in _FLOATS:
            raise reject(node, f"writes floats, but the file declares {value.name} as {_name(value)}: export it again")
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def _require_room_for_codes(model: ModelWrapper, value: ValueInfoProto) -> None:
    """LoweringError where the type of ``value`` does not hold 0 to 255 times the scale of its first quantizer."""
    readers = model.find_consumers(value.name)
    if not readers or any(not _is_cast_to_float(reader) for reader in readers):
        raise LoweringError(f"the input {value.name} is of {_name(value)}: export the network for images of float32")
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    for quant in [quant for cast in readers for quant in model.find_consumers(cast.output[0])]:
        scale = model.get_initializer(quant.input[1]) if quant.op_type in _QUANTIZERS else None
        if scale is None or scale.size != 1 or dtype.kind not in "iu":
            continue  # what stands there gets its own sentence
        numbers = float(scale.item()) * np.array([1, _HIGHEST_CODE])
        if np.any(numbers % 1) or numbers[1] > np.iinfo(dtype).max:
            raise reject(
                quant,
                f"gives code times {scale.item():g}, but the input {value.name} is of {_name(value)}, which does not "
                f"hold 0 to {_HIGHEST_CODE} of these: export the network for images of float32",
            )


def _is_cast_to_float(node: NodeProto) -> bool:
    return node.op_type == "Cast" and attribute(node, "to") in _FLOATS


def _is_tensor(value: ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type")


def _name(value: ValueInfoProto) -> str:
    """``int64``, ``string``: as the standard names the type."""
    number = value.type.tensor_type.elem_type
    known = number in TensorProto.DataType.values()
    return TensorProto.DataType.Name(number).lower() if known and number else "no type that ONNX has"
