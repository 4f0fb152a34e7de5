"""Step `convert`: QONNX to the FINN dialect.

Weights become integer constants with their scale in a Mul after the convolution, biases an Add after that, each
activation Quant a MultiThreshold (thresholds (k - 1/2) * scale: ties round half up) and a Mul by its scale; the input
becomes UINT8 codes, NCHW. Every tensor that existed before keeps its name and its value; the codes of activation
``T`` are ``T_codes``.
"""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_node
from qonnx.custom_op.general.intquant import max_int, min_int
from qonnx.transformation.base import Transformation
from qonnx.transformation.infer_shapes import InferShapes

from hw_build.errors import LoweringError
from hw_build.lowering.graph import QONNX_DOMAIN, GraphEditor, attribute
from hw_build.lowering.rules import QUANT, is_known, is_weight_quant, refusal, reject

GLOBAL_IN = "global_in"


class NameUnnamed(Transformation):
    """Give each node without a name, or with another's, a name of its own, for errors and reports."""

    def apply(self, model):
        taken: set[str] = set()
        for index, node in enumerate(model.graph.node):
            if not node.name or node.name in taken:
                node.name = f"{node.op_type}_{node.output[0] or index}"
            taken.add(node.name)
        return model, False


class FoldConstants(Transformation):
    """Replace Constant and Identity nodes and whatever depends on constants alone, but the quantizers of weights."""

    def apply(self, model):
        graph = GraphEditor(model)
        opset = model.get_opset_imports().get("", 13)
        for node in list(graph.nodes):
            if node.op_type == "Constant":
                graph.constants[node.output[0]] = numpy_helper.to_array(attribute(node, "value"))
                graph.remove(node)
            elif node.op_type in ("Identity", "Dropout") and node.output[0] not in graph.outputs:
                graph.rename_uses(node.output[0], node.input[0])
                graph.remove(node)
            elif not graph.dynamic_inputs(node) and node.op_type not in QUANT:
                context = {name: graph.constants.get(name) for name in node.input}
                context[node.output[0]] = np.zeros(graph.shapes.get(node.output[0], ()), np.float32)
                execute_node(node, context, model.graph, opset)
                graph.constants[node.output[0]] = context[node.output[0]]
                graph.remove(node)
        graph.commit()
        return model, False


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
    """Conv(x, Quant(w)) -> Mul(Conv(x, integers), scale) [-> Add(bias)]; other constant Quants become constants."""

    def apply(self, model):
        graph = GraphEditor(model)
        for conv in graph.of_type("Conv"):
            self._split_scale(graph, conv)
        for quant in [node for node in graph.nodes if is_weight_quant(graph, node)]:
            integers, scale, _ = quantized_constant(graph, quant)
            graph.constants[quant.output[0]] = (integers * scale).astype(np.float32)
            graph.remove(quant)
        graph.commit()
        return model, False

    @staticmethod
    def _split_scale(graph: GraphEditor, conv) -> None:
        quant = graph.producer(conv.input[1])
        integers, scale, datatype = quantized_constant(graph, quant)
        out_channels = integers.shape[0]
        if scale.size not in (1, out_channels) or (scale.size > 1 and scale.shape[0] != out_channels):
            raise reject(conv, f"has weight scales of shape {scale.shape}: one, or one per output channel, lowers")
        result = conv.output[0]
        shape = graph.shapes[result]
        if scale.size > 1:
            scale = scale.reshape(1, out_channels, 1, 1)
        conv.input[1] = graph.add_constant(f"{quant.output[0]}_int", integers, datatype)
        scaled = result
        if len(conv.input) == 3:
            bias = conv.input[2]
            producer = graph.producer(bias)
            if producer is not None:
                bias_codes, bias_scale, _ = quantized_constant(graph, producer)
                values = bias_codes * bias_scale
            else:
                values = graph.constants[bias]
            del conv.input[2]
            scaled = graph.add_tensor(f"{result}_scaled", shape)
            shift = graph.add_constant(f"{result}_bias", np.reshape(values, (1, out_channels, 1, 1)))
            graph.add_node("Add", [scaled, shift], [result], name=f"{conv.name}_bias")
        conv.output[0] = graph.add_tensor(f"{result}_unscaled", shape)
        factor = graph.add_constant(f"{result}_weight_scale", scale)
        graph.add_node("Mul", [conv.output[0], factor], [scaled], name=f"{conv.name}_scale")


def quantized_constant(graph: GraphEditor, quant) -> tuple[np.ndarray, np.ndarray, object]:
    """Integers, scale and datatype of a Quant of a constant, in float64 so that no scale disturbs the rounding."""
    value, scale, _, bits = (graph.constants[name] for name in quant.input[:4])
    signed, narrow, bits = bool(attribute(quant, "signed", 1)), bool(attribute(quant, "narrow", 0)), int(bits.item())
    ratio = (value / scale).astype(np.float64)  # float32 division, as qonnx executes it
    up = attribute(quant, "rounding_mode", "ROUND").upper() == "HALF_UP"
    codes = np.sign(ratio) * np.floor(np.abs(ratio) + 0.5) if up else np.round(ratio)
    codes = np.clip(codes, min_int(signed, narrow, bits), max_int(signed, narrow, bits))
    return codes, np.asarray(scale, np.float64), DataType[f"{'INT' if signed else 'UINT'}{bits}"]


class InputQuantToCodes(Transformation):
    """image -> Quant(8 bit unsigned) becomes UINT8 codes -> Mul(scale)."""

    def apply(self, model):
        graph = GraphEditor(model)
        image = graph.inputs[0]
        quants = graph.consumers(image)
        if len(quants) != 1 or quants[0].op_type not in QUANT:
            raise LoweringError(
                f"the input {image} is not quantized first: put Quant (8 bit, unsigned, scale 1/256) before all else"
            )
        quant = quants[0]
        scale, _, bits = (graph.constants[name] for name in quant.input[1:4])
        if attribute(quant, "signed", 1) or int(bits.item()) != 8:
            raise reject(quant, "quantizes the image but not to 8 bits unsigned: camera codes are 0..255")
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
    """Quant(x) of an activation -> Mul(MultiThreshold(x), scale)."""

    def apply(self, model):
        graph = GraphEditor(model)
        for quant in graph.of_type(*QUANT):
            scale, _, bits = (graph.constants[name] for name in quant.input[1:4])
            scale, bits = float(scale.item()), int(bits.item())
            signed, narrow = bool(attribute(quant, "signed", 1)), bool(attribute(quant, "narrow", 0))
            lowest, highest = min_int(signed, narrow, bits), max_int(signed, narrow, bits)
            steps = (np.arange(lowest + 1, highest + 1) - 0.5) * scale
            result = quant.output[0]
            datatype = DataType[f"{'INT' if signed else 'UINT'}{bits}"]
            codes = graph.add_tensor(f"{result}_codes", graph.shapes[result], datatype)
            thresholds = graph.add_constant(f"{result}_thresholds", steps.reshape(1, -1))
            graph.remove(quant)
            graph.add_node(
                "MultiThreshold",
                [quant.input[0], thresholds],
                [codes],
                name=quant.name,
                domain=QONNX_DOMAIN,
                out_dtype=datatype.name,
                out_bias=float(lowest),
                data_layout="NCHW",
            )
            factor = graph.add_constant(f"{result}_scale", scale)
            graph.add_node("Mul", [codes, factor], [result], name=f"{quant.name}_scale")
        graph.commit()
        return model, False


def prepare(model: ModelWrapper) -> ModelWrapper:
    """What `convert` and `hw_build.check` start from: nodes named, shapes inferred where ONNX can, constants folded."""
    model = model.transform(NameUnnamed(), make_deepcopy=False, cleanup=False)
    if all(is_known(node) for node in model.graph.node) and not all(_output_shapes(model)):
        model = model.transform(InferShapes(), make_deepcopy=False, cleanup=False)
    return model.transform(FoldConstants(), make_deepcopy=False, cleanup=False)


def convert(model: ModelWrapper) -> ModelWrapper:
    """QONNX graph (float image in, NCHW) -> FINN dialect (UINT8 codes in, NCHW)."""
    model = prepare(model)
    for transformation in (
        RefuseUnsupported(),
        InputQuantToCodes(),
        WeightQuantsToIntegers(),
        QuantsToThresholds(),
    ):
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model


def _output_shapes(model: ModelWrapper) -> list[tuple[int, ...]]:
    shapes = GraphEditor(model).shapes
    return [shapes.get(name, ()) for node in model.graph.node for name in node.output]
