"""Step `convert`: QONNX to the FINN dialect.

Weights become integer constants with their scale in a Mul after the convolution, biases an Add after that, each
activation Quant a MultiThreshold (a threshold is the least float32 that gives its code) and a Mul by its scale; the
input becomes UINT8 codes, NCHW. Every tensor that existed before keeps its name and its value; the codes of activation
``T`` are ``T_codes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.transformation.base import Transformation

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import GLOBAL_IN, GraphEditor, attribute
from hw_build.lowering.intake import normalise
from hw_build.lowering.rules import QUANT, is_weight_quant, refusal, reject
from hw_build.operators import operator_of
from hw_build.operators.filters import quantized_constant

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


class RefuseUnsupported(Transformation):
    """Raise LoweringError for the first node that no kernel serves; changes nothing."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.nodes:
            why = refusal(graph, node)
            if why is not None:
                raise reject(node, why)
        for name in graph.inputs:
            if len(graph.shapes[name]) != 4 or min(graph.shapes[name]) < 1:
                raise LoweringError(
                    f"the input {name} has shape {graph.shapes[name]} (0 where undefined): export with fixed sizes, "
                    "(1, channels, height, width)"
                )
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise LoweringError(
                f"the network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: one of each lowers"
            )
        return model, False


class WeightQuantsToIntegers(Transformation):
    """The scale of each layer's weights goes into a Mul behind it; other constant Quants become constants."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in list(graph.nodes):
            operator_of(graph, node).weights_to_integers(graph, node)
        for quant in [node for node in graph.nodes if is_weight_quant(graph, node)]:
            integers, scale, _ = quantized_constant(graph, quant)
            graph.constants[quant.output[0]] = (integers * scale).astype(np.float32)
            graph.remove(quant)
        graph.commit()
        return model, False


class InputQuantToCodes(Transformation):
    """image -> Quant(8 bit unsigned) becomes UINT8 codes -> Mul(scale)."""

    def apply(self, model):
        graph = GraphEditor(model)
        image = graph.inputs[0]
        quants = graph.consumers(image)
        if len(quants) != 1 or quants[0].op_type not in QUANT:
            raise LoweringError(
                f"the input {image} is not quantized first: put Quant (8 bit, unsigned, scale 1/256) before all "
                "else, or give --input-scale"
            )
        quant = quants[0]
        scale, _, bits = (graph.constants[name] for name in quant.input[1:4])
        if attribute(quant, "signed", 1) or int(bits.item()) != 8:
            raise reject(
                quant,
                "quantizes the image but not to 8 bits unsigned: camera codes are 0..255; --input-scale puts such a "
                "quantizer before it",
            )
        graph.inputs = [GLOBAL_IN]
        graph.shapes[GLOBAL_IN] = (1, *graph.shapes[image][1:])
        graph.datatypes[GLOBAL_IN] = DataType["UINT8"]
        factor = graph.add_constant("input_scale", float(scale.item()))
        graph.remove(quant)
        graph.add_node("Mul", [GLOBAL_IN, factor], [quant.output[0]], name="input_scale")
        graph.set_metadata(edgeseg_input="codes_nchw", edgeseg_input_scale=float(scale.item()))
        graph.commit()
        return model, False


class QuantsToThresholds(Transformation):
    """Quant(x) of an activation -> Mul(MultiThreshold(x), scale), and what else gives codes of real values."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in reversed(graph.sorted_nodes()):  # what reads them may ask which values they give
            operator_of(graph, node).to_thresholds(graph, node)
        graph.commit()
        return model, False


PASSES = (RefuseUnsupported(), InputQuantToCodes(), WeightQuantsToIntegers(), QuantsToThresholds())


def convert(model: ModelWrapper) -> ModelWrapper:
    """QONNX graph (float image in, NCHW) -> FINN dialect (UINT8 codes in, NCHW)."""
    model = normalise(model)
    for transformation in PASSES:
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
