"""Pass that puts the thresholds after a sum of two streams or a bilinear upsampling into the same kernel."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.kernels.lines import find_shift
from hw_build.kernels.sum_thresholds import MAX_SUM_BITS
from hw_build.lowering.graph import GraphEditor, attribute
from hw_build.lowering.nodes import add_kernel, only_consumer


class FuseSumThresholds(Transformation):
    """Add - MultiThreshold, Resize - Mul(16) - MultiThreshold of unsigned codes -> a kernel with a table of sums."""

    def apply(self, model):
        graph = GraphEditor(model)
        for add in graph.of_type("Add"):
            if len(graph.dynamic_inputs(add)) == 2:
                self._fuse(graph, [add], list(add.input), "StreamAddThreshold_rtl")
        for resize in graph.of_type("Resize"):
            factor = only_consumer(graph, resize.output[0], "Mul")
            if factor is not None:
                self._fuse(graph, [resize, factor], [resize.input[0]], "BilinearThreshold2x_rtl")
        graph.commit()
        return model, False

    @staticmethod
    def _fuse(graph: GraphEditor, nodes: list[NodeProto], streams: list[str], op_type: str) -> None:
        """Replace ``nodes``, whose last gives the sum, and its thresholds; leave what no table serves."""
        steps = only_consumer(graph, nodes[-1].output[0], "MultiThreshold")
        if steps is None or attribute(steps, "out_bias", 0.0) != 0.0:
            return
        result = steps.output[0]
        weight = 1 if len(streams) == 2 else 16  # of a code in the sum
        largest = weight * sum(graph.datatypes[name].max() for name in streams)
        signed = any(graph.datatypes[name].signed() for name in [*streams, result])
        wide = int(largest + 1).bit_length() > MAX_SUM_BITS
        if signed or (wide and find_shift(graph.constants[steps.input[1]], int(largest)) is None):
            return
        types = {"outputDataType": graph.datatypes[result].name}
        if len(streams) == 2:
            types["inputDataType2"] = graph.datatypes[streams[1]].name
        graph.remove(*nodes, steps)
        add_kernel(graph, op_type, [*streams, steps.input[1]], [result], nodes[0].name, **types)
