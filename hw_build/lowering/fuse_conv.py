"""Passes that make one kernel of a whole layer: a dense convolution with its thresholds, or with the head's bias."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import GraphEditor, attribute, smallest_integer_type
from hw_build.lowering.lower import padding_of
from hw_build.lowering.nodes import add_kernel, only_consumer


class FuseConvolutions(Transformation):
    """Pad - Im2Col - MatMul - MultiThreshold, or the last two alone (1x1) -> ConvThreshold_rtl.

    At the end of the graph MatMul - Add of a constant, or MatMul alone, becomes the same kernel with Raw=1. What does
    not match (signed codes, thresholds with an offset, other paddings) is left to FINN's nodes.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        for matmul in graph.of_type("MatMul"):
            self._fuse(graph, matmul)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, matmul: NodeProto) -> None:
        window = self._window(graph, matmul)
        if window is None:
            return
        source, kernel, gone = window
        if graph.datatypes[source].signed() or graph.datatypes[source].bitwidth() > 8:
            return
        matrix = graph.constants[matmul.input[1]]  # (K*K*C, O), row (i, j, c)
        outputs = matrix.shape[1]
        weights = matrix.reshape(kernel, kernel, -1, outputs).transpose(3, 0, 1, 2)  # -> (O, K, K, C)
        tail = self._thresholds(graph, matmul, outputs) or self._head(graph, matmul, outputs)
        if tail is None:
            return
        table, result, raw, after = tail
        graph.remove(*gone, matmul, *after)
        weight_type = graph.datatypes[matmul.input[1]]
        add_kernel(
            graph,
            "ConvThreshold_rtl",
            [source, graph.add_constant(f"{matmul.input[1]}_taps", weights, weight_type), table],
            [result],
            matmul.name,
            OutChannels=outputs,
            KernelDim=kernel,
            SIMD=1,
            NarrowWeights=int(weights.min() > weight_type.min()),
            Raw=int(raw),
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            outputDataType=graph.datatypes[result].name,
        )

    @staticmethod
    def _window(graph: GraphEditor, matmul: NodeProto) -> tuple[str, int, list[NodeProto]] | None:
        """(source, K, nodes of the window), or None when it is not an odd, square window padded by half of it."""
        im2col = graph.producer(matmul.input[0])
        if im2col is None or im2col.op_type != "Im2Col":
            return matmul.input[0], 1, []
        pad = graph.producer(im2col.input[0])
        kernels = list(attribute(im2col, "kernel_size"))
        if pad is None or pad.op_type != "Pad" or len(set(kernels)) != 1 or kernels[0] % 2 == 0:
            return None
        alone = len(graph.consumers(pad.output[0])) == len(graph.consumers(im2col.output[0])) == 1
        if not alone or padding_of(graph, pad) != [kernels[0] // 2] * 4:
            return None
        return pad.input[0], kernels[0], [pad, im2col]

    @staticmethod
    def _thresholds(graph: GraphEditor, matmul: NodeProto, outputs: int):
        """(thresholds (O, n), result, raw, nodes), or None."""
        node = only_consumer(graph, matmul.output[0], "MultiThreshold")
        if node is None or attribute(node, "out_bias", 0.0) != 0.0 or graph.datatypes[node.output[0]].signed():
            return None
        steps = graph.constants[node.input[1]]
        name = node.input[1]
        if steps.shape[0] != outputs:
            tiled = np.broadcast_to(steps, (outputs, steps.shape[1]))
            name = graph.add_constant(f"{name}_tiled", tiled, graph.datatypes[name])
        return name, node.output[0], False, [node]

    @staticmethod
    def _head(graph: GraphEditor, matmul: NodeProto, outputs: int):
        """(bias (O,), result, raw, nodes) of the graph's last layer, or None."""
        sums, after = matmul.output[0], []
        result, bias = sums, np.zeros(outputs, np.float32)
        add = only_consumer(graph, sums, "Add")
        if add is not None:
            constants = [name for name in add.input if name in graph.constants]
            if len(constants) != 1:
                return None
            bias = np.broadcast_to(graph.constants[constants[0]].reshape(-1), (outputs,))
            result, after = add.output[0], [add]
        if result not in graph.outputs:
            return None
        arriving = graph.datatypes[sums]
        graph.datatypes[result] = smallest_integer_type(
            int(min(arriving.min(), arriving.min() + bias.min())), int(max(arriving.max(), arriving.max() + bias.max()))
        )
        return graph.add_constant(f"{result}_bias", bias, graph.datatypes[result]), result, True, after


class ThresholdsToKernels(Transformation):
    """A MultiThreshold on its own, with unsigned codes, -> Threshold_rtl."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            source, result = node.input[0], node.output[0]
            if attribute(node, "out_bias", 0.0) != 0.0 or graph.datatypes[result].signed():
                continue
            graph.remove(node)
            add_kernel(
                graph,
                "Threshold_rtl",
                [source, node.input[1]],
                [result],
                node.name,
                ThresholdRows=graph.constants[node.input[1]].shape[0],
                outputDataType=graph.datatypes[result].name,
            )
        graph.commit()
        return model, False
