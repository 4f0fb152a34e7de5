"""What an ONNX file computes, by onnx' reference evaluator on the file as it is: none of the project's code runs."""

import copy

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.custom_op.general.intquant import int_quant
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

EVALUATED_OPSET = 21  # the evaluator's BatchNormalization trains below 14, and it has DequantizeLinear from 19 on


class Quant(OpRun):
    op_domain = "qonnx.custom_op.general"

    def _run(self, x, scale, zero, bits, signed=1, narrow=1, rounding_mode="ROUND"):
        return (int_quant(x, scale, zero, np.asarray(bits), bool(signed), bool(narrow), rounding_mode),)


class Trunc(OpRun):
    """Of both versions, by the number of inputs."""

    op_domain = "qonnx.custom_op.general"

    def _run(self, *inputs, signed=1, narrow=0, rounding_mode="FLOOR"):
        if len(inputs) == 5:
            return (trunc_v1(*inputs, rounding_mode),)
        x, scale, zero, bits, scale_out, bits_out = inputs
        limits = {"narrow": bool(narrow), "signed": bool(signed)}
        bits_out = np.asarray(bits_out)
        return (
            trunc_v2(
                x,
                scale,
                zero,
                bits,
                output_scale=scale_out,
                output_bit_width=bits_out,
                rounding_mode=rounding_mode,
                **limits,
            ).astype(np.float32),
        )


def output_of(proto, codes):
    """Codes (1, H, W, C) uint8 -> the output of the network of ``proto`` for code / 256, float (H, W, classes)."""
    model = copy.deepcopy(proto)
    for entry in model.opset_import:
        if not entry.domain and entry.version >= 13:
            entry.version = EVALUATED_OPSET
    if all(entry.domain != Quant.op_domain for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(Quant.op_domain, 1))
    constants = {entry.name for entry in model.graph.initializer}
    image = next(value for value in model.graph.input if value.name not in constants)
    batch = max(image.type.tensor_type.shape.dim[0].dim_value, 1)
    values = codes.astype(np.float32).transpose(0, 3, 1, 2) / np.float32(256)
    found = ReferenceEvaluator(model, new_ops=[Quant, Trunc]).run(None, {image.name: values.repeat(batch, axis=0)})
    return found[0][0].transpose(1, 2, 0)
