"""Passes that put our kernels into a graph: depthwise with its residual, pool, bilinear, sums, concatenation, fork."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.kernels.fork import MAX_OUTPUTS
from hw_build.lowering.graph import GraphEditor, attribute, set_attribute, smallest_integer_type
from hw_build.lowering.lower import depthwise_weights
from hw_build.lowering.nodes import add_kernel, only_consumer
from hw_build.lowering.rules import reject


class FuseDepthwise(Transformation):
    """Depthwise convolution, its thresholds and, where the pattern is there, its residual sum, as one kernel.

    What reads or writes signed codes, or has no quantizer of its own, stays a dense convolution of mostly zeros.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        for im2col in graph.of_type("Im2Col"):
            if attribute(im2col, "depthwise", 0):
                self._fuse(graph, im2col)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, im2col: NodeProto) -> None:
        pad = graph.producer(im2col.input[0])
        source = pad.input[0]
        matmul = only_consumer(graph, im2col.output[0], "MatMul")
        first = only_consumer(graph, matmul.output[0], "MultiThreshold") if matmul is not None else None
        if first is None or attribute(first, "out_bias", 0.0) != 0.0 or graph.datatypes[source].signed():
            set_attribute(im2col, "depthwise", 0)
            return
        channels = graph.shapes[source][-1]
        weights = depthwise_weights(graph.constants[matmul.input[1]])
        weight_type = graph.datatypes[matmul.input[1]]
        result, steps = first.output[0], [self._per_channel(graph, first, channels)]
        gone = [pad, im2col, matmul, first]
        inputs = [source, graph.add_constant(f"{matmul.input[1]}_dw", weights, weight_type)]
        residual = self._residual(graph, source, result)
        if residual is not None:
            add, second = residual
            gone += [add, second]
            result = second.output[0]
            steps.append(second.input[1])
        graph.remove(*gone)
        add_kernel(
            graph,
            "DepthwiseConv_rtl",
            [*inputs, *steps],
            [result],
            matmul.name,
            KernelDim=weights.shape[1],
            SIMD=1,
            Residual=int(residual is not None),
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            convDataType=graph.datatypes[first.output[0]].name,
            outputDataType=graph.datatypes[result].name,
        )

    @staticmethod
    def _per_channel(graph: GraphEditor, node: NodeProto, channels: int) -> str:
        """The thresholds of ``node`` as (C, n)."""
        name = node.input[1]
        steps = graph.constants[name]
        if steps.shape[0] == channels:
            return name
        tiled = np.broadcast_to(steps, (channels, steps.shape[1]))
        return graph.add_constant(f"{name}_tiled", tiled, graph.datatypes[name])

    @staticmethod
    def _residual(graph: GraphEditor, source: str, branch: str) -> tuple[NodeProto, NodeProto] | None:
        """(Add, MultiThreshold) when ``branch`` is only added to ``source`` and the sum only thresholded, unsigned."""
        add = only_consumer(graph, branch, "Add")
        if add is None or sorted(add.input) != sorted([source, branch]):
            return None
        second = only_consumer(graph, add.output[0], "MultiThreshold")
        return None if second is None or attribute(second, "out_bias", 0.0) != 0.0 else (add, second)


class StreamNodesToKernels(Transformation):
    """MaxPool, bilinear Resize with its factor 16, sums, constant sums and concatenations -> kernels of ours."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in list(graph.nodes):
            if node.op_type == "MaxPoolNHWC":
                self._replace(graph, node, "MaxPool2x2_rtl")
            elif node.op_type == "Resize":
                factor = only_consumer(graph, node.output[0], "Mul")
                if factor is None:
                    raise reject(node, "has no integer factor of its own after it")
                graph.remove(factor)
                node.output[0] = factor.output[0]
                self._replace(graph, node, "BilinearUpsample2x_rtl")
            elif node.op_type == "Concat":
                self._concat(graph, node)
            elif node.op_type == "Add" and len(graph.dynamic_inputs(node)) == 2:
                second = graph.datatypes[node.input[1]].name
                result = graph.datatypes[node.output[0]].name
                self._replace(graph, node, "StreamAdd_rtl", 2, inputDataType2=second, outputDataType=result)
            elif node.op_type == "Add":
                self._bias(graph, node)
        graph.commit()
        return model, False

    @staticmethod
    def _replace(graph: GraphEditor, node: NodeProto, op_type: str, count: int = 1, **attributes) -> None:
        graph.remove(node)
        add_kernel(graph, op_type, list(node.input[:count]), list(node.output), node.name, **attributes)

    @staticmethod
    def _concat(graph: GraphEditor, node: NodeProto) -> None:
        """Channels of the first two inputs, then of the third, and so on: one kernel for each input after the first."""
        graph.remove(node)
        joined = node.input[0]
        for number, name in enumerate(node.input[1:], start=1):
            channels = [graph.shapes[joined][-1], graph.shapes[name][-1]]
            result = node.output[0]
            if number < len(node.input) - 1:
                shape = (*graph.shapes[result][:3], sum(channels))
                result = graph.add_tensor(f"{result}_part{number}", shape, graph.datatypes[result])
            add_kernel(graph, "StreamConcat_rtl", [joined, name], [result], node.name, NumChannels=channels)
            joined = result

    @staticmethod
    def _bias(graph: GraphEditor, node: NodeProto) -> None:
        source = graph.dynamic_inputs(node)[0]
        constant = next(name for name in node.input if name != source)
        bias = np.broadcast_to(graph.constants[constant].reshape(-1), (graph.shapes[source][-1],))
        name = graph.add_constant(f"{constant}_channels", bias, graph.datatypes.get(constant))
        arriving = graph.datatypes[source]  # the adder must not overflow on any value of its input type
        result = smallest_integer_type(int(arriving.min() + bias.min()), int(arriving.max() + bias.max()))
        graph.datatypes[node.output[0]] = result
        graph.remove(node)
        add_kernel(graph, "ChannelBias_rtl", [source, name], [node.output[0]], node.name, outputDataType=result.name)


class ForkStreams(Transformation):
    """Give each reader of a tensor a stream of its own; many of them by several forks, one behind the other."""

    def apply(self, model):
        graph = GraphEditor(model)
        for tensor in [*graph.inputs, *(name for node in graph.sorted_nodes() for name in node.output)]:
            readers = graph.consumers(tensor)
            uses = [(node, position) for node in readers for position, name in enumerate(node.input) if name == tensor]
            if len(uses) > 1:
                self._fork(graph, tensor, uses)
        graph.commit()
        return model, False

    @staticmethod
    def _fork(graph: GraphEditor, tensor: str, uses: list[tuple[NodeProto, int]]) -> None:
        source = tensor
        while uses:
            last = len(uses) <= MAX_OUTPUTS
            count = len(uses) if last else MAX_OUTPUTS
            copies = [
                graph.add_tensor(f"{tensor}_fork{i}", graph.shapes[tensor], graph.datatypes[tensor])
                for i in range(count)
            ]
            taken, uses = (uses, []) if last else (uses[: count - 1], uses[count - 1 :])
            for (node, position), copy in zip(taken, copies, strict=last):
                node.input[position] = copy
            graph.touch()
            add_kernel(graph, "StreamFork_rtl", [source], copies, f"fork_{source}", NumOutputs=count)
            source = copies[-1]
