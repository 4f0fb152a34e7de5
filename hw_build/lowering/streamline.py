"""Step `streamline`: only integer tensors remain, NCHW.

`MoveScalesPastLinear` lets convolutions, pools, upsampling, sums and concatenations work on codes; everything between
an integer tensor and the next MultiThreshold (Mul, Add, BatchNormalization, Relu) is then a monotonic function that
`thresholds.AbsorbAffineIntoThresholds` turns into integer thresholds; the head keeps an integer bias.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import GraphEditor
from hw_build.lowering.ranges import accumulator_type, dot_product_range, scaled_type, sum_type
from hw_build.lowering.rules import reject
from hw_build.lowering.thresholds import AbsorbAffineIntoThresholds, IntegerOutput

BILINEAR_FACTOR = 16  # an x2 bilinear output is a multiple of 1/16 of a code


class MoveScalesPastLinear(Transformation):
    """op(Mul(codes, s)) -> Mul(op(codes), s) for Conv, MaxPool, Resize, Add and Concat of equally scaled codes.

    A Resize of codes is a multiple of 1/16: it becomes Mul(Resize(codes), 16), an integer, with s / 16 after it.
    """

    LINEAR = ("Conv", "MaxPool", "Resize", "Add", "Concat")

    def apply(self, model):
        graph = GraphEditor(model)
        scaled: dict[str, tuple[str, float]] = {}  # real tensor -> (integer tensor, scale)
        for node in graph.sorted_nodes():
            if node.op_type == "Mul":
                self._note_scale(graph, node, scaled)
            elif node.op_type in self.LINEAR and (node.op_type != "Add" or len(graph.dynamic_inputs(node)) == 2):
                self._move(graph, node, scaled)
        graph.commit()
        return model, False

    @staticmethod
    def _note_scale(graph: GraphEditor, node: NodeProto, scaled: dict[str, tuple[str, float]]) -> None:
        source, factor = node.input
        if graph.is_integer(source) and factor in graph.constants and graph.constants[factor].size == 1:
            scaled[node.output[0]] = source, float(graph.constants[factor].item())

    def _move(self, graph: GraphEditor, node: NodeProto, scaled: dict[str, tuple[str, float]]) -> None:
        names = graph.dynamic_inputs(node)
        for name in names:
            if name not in scaled:
                raise reject(node, f"reads {name}, which is not quantized: put a Quant before it")
        scales = [scaled[name][1] for name in names]
        if len(set(scales)) != 1:
            raise reject(
                node, f"joins activations of different scales {scales}: let both branches share one quantizer scale"
            )
        scale, result = scales[0], node.output[0]
        for position, name in enumerate(node.input):
            if name in scaled:
                node.input[position] = scaled[name][0]
        datatypes = [graph.datatypes[scaled[name][0]] for name in names]
        datatype = self._result_type(graph, node, datatypes)
        codes = graph.add_tensor(f"{result}_codes", graph.shapes[result], datatype)
        node.output[0] = codes
        graph.touch()
        if node.op_type == "Resize":
            codes = graph.add_tensor(f"{result}_x16", graph.shapes[result], scaled_type(datatypes[0], BILINEAR_FACTOR))
            sixteen = graph.add_constant(f"{result}_sixteen", float(BILINEAR_FACTOR))
            graph.add_node("Mul", [node.output[0], sixteen], [codes], name=f"{node.name}_x16")
            scale /= BILINEAR_FACTOR
        factor = graph.add_constant(f"{result}_scale", scale)
        graph.add_node("Mul", [codes, factor], [result], name=f"{node.name}_scale")
        scaled[result] = codes, scale

    @staticmethod
    def _result_type(graph: GraphEditor, node: NodeProto, datatypes: list):
        if node.op_type == "Conv":
            return accumulator_type(*dot_product_range(graph.constants[node.input[1]], datatypes[0]))
        if node.op_type == "Add":
            return sum_type(*datatypes)
        if node.op_type == "Resize":
            bits = datatypes[0].bitwidth() + 4 + (not datatypes[0].signed())
            return DataType[f"FIXED<{bits},{bits - 4}>"]
        if len({datatype.name for datatype in datatypes}) != 1:
            raise reject(node, f"joins codes of types {[datatype.name for datatype in datatypes]}: use one bit width")
        return datatypes[0]


class NarrowWeights(Transformation):
    """Annotate weights that use the lowest code of their type with one bit more: the RTL MVAU needs narrow range."""

    def apply(self, model):
        graph = GraphEditor(model)
        for conv in graph.of_type("Conv"):
            name = conv.input[1]
            datatype, values = graph.datatypes[name], graph.constants[name]
            if np.min(values) == datatype.min():
                graph.datatypes[name] = DataType[f"INT{datatype.bitwidth() + 1}"]
        graph.commit()
        return model, False


PASSES = (MoveScalesPastLinear(), AbsorbAffineIntoThresholds(), IntegerOutput(), NarrowWeights())


def streamline(model: ModelWrapper) -> ModelWrapper:
    """FINN dialect with float scales (codes in, NCHW) -> integers only, NCHW; output integer logits."""
    for transformation in PASSES:
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
