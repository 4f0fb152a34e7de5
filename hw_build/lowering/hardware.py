"""Step `hardware`: every node becomes a streaming kernel, FINN's or ours.

| pattern (NHWC)                                     | becomes                                                       |
| -------------------------------------------------- | ------------------------------------------------------------- |
| Im2Col(depthwise) - MatMul - MultiThreshold        | DepthwiseConv_rtl                                             |
| the same - Add(its input) - MultiThreshold         | DepthwiseConv_rtl, Residual=1: no fork, no FIFO, no adder     |
| Im2Col                                             | FMPadding (where it pads), ConvolutionInputGenerator          |
| MatMul                                             | MVAU, noActivation=1                                          |
| MultiThreshold                                     | Thresholding                                                  |
| MaxPoolNHWC                                        | MaxPool2x2_rtl                                                |
| Resize - Mul(16)                                   | BilinearUpsample2x_rtl                                        |
| Add of two streams; of a constant; Concat          | StreamAdd_rtl; ChannelBias_rtl; StreamConcat_rtl              |
| a tensor with several readers                      | StreamFork_rtl                                                |

FINN's own Infer* passes build the same nodes, but run InferDataTypes after it, which widens every sum to 32 bits and
loses the accumulator ranges that are known here; so the nodes are made directly, with FINN's attributes.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import GraphEditor, attribute, smallest_integer_type
from hw_build.lowering.lower import depthwise_weights
from hw_build.lowering.rules import reject

FINN_DOMAIN = "finn.custom_op.fpgadataflow"
KERNEL_DOMAIN = "hw_build.kernels"
MAX_FORK = 8


def add_kernel(graph: GraphEditor, op_type: str, inputs: list[str], outputs: list[str], name: str, **attributes):
    """One of our kernels; ImgDim, NumChannels and inputDataType are those of its first input."""
    _, height, width, channels = graph.shapes[inputs[0]]
    defaults = {"ImgDim": [height, width], "NumChannels": channels, "PE": 1}
    defaults["inputDataType"] = graph.datatypes[inputs[0]].name
    return graph.add_node(
        op_type, inputs, outputs, name=name, domain=KERNEL_DOMAIN, backend="fpgadataflow", **(defaults | attributes)
    )


def add_finn_node(graph: GraphEditor, op_type: str, inputs: list[str], outputs: list[str], name: str, **attributes):
    """A node of FINN's hardware abstraction layer; SIMD and PE start at 1."""
    return graph.add_node(
        op_type,
        inputs,
        outputs,
        name=name,
        domain=FINN_DOMAIN,
        backend="fpgadataflow",
        preferred_impl_style="rtl",
        **attributes,
    )


def only_consumer(graph: GraphEditor, tensor: str, op_type: str) -> NodeProto | None:
    """The one reader of ``tensor``, when it is an ``op_type``."""
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and readers[0].op_type == op_type and tensor not in graph.outputs else None


class FuseDepthwise(Transformation):
    """Depthwise convolution, its thresholds and, where the pattern is there, its residual sum, as one kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for im2col in graph.of_type("Im2Col"):
            if attribute(im2col, "depthwise", 0):
                self._fuse(graph, im2col)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, im2col: NodeProto) -> None:
        source = im2col.input[0]
        matmul = only_consumer(graph, im2col.output[0], "MatMul")
        first = only_consumer(graph, matmul.output[0], "MultiThreshold") if matmul is not None else None
        if first is None or attribute(first, "out_bias", 0.0) != 0.0:
            raise reject(matmul or im2col, "is depthwise without Relu and an unsigned Quant of its own after it")
        if graph.datatypes[source].signed():
            raise reject(matmul, "is depthwise and reads signed codes: put Relu and an unsigned Quant before it")
        channels = graph.shapes[source][-1]
        weights = depthwise_weights(graph.constants[matmul.input[1]])
        weight_type = graph.datatypes[matmul.input[1]]
        result, steps = first.output[0], [self._per_channel(graph, first, channels)]
        gone = [im2col, matmul, first]
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


class PatchesToSlidingWindows(Transformation):
    """Im2Col -> [FMPadding ->] ConvolutionInputGenerator."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Im2Col"):
            source, result = node.input[0], node.output[0]
            _, height, width, channels = graph.shapes[source]
            datatype = graph.datatypes[source]
            pads = list(attribute(node, "pad_amount"))
            graph.remove(node)
            if any(pads):
                height, width = height + pads[0] + pads[2], width + pads[1] + pads[3]
                padded = graph.add_tensor(f"{result}_padded", (1, height, width, channels), datatype)
                add_finn_node(
                    graph,
                    "FMPadding",
                    [source],
                    [padded],
                    f"{node.name}_pad",
                    ImgDim=list(graph.shapes[source][1:3]),
                    Padding=pads,
                    NumChannels=channels,
                    SIMD=1,
                    inputDataType=datatype.name,
                )
                source = padded
            add_finn_node(
                graph,
                "ConvolutionInputGenerator",
                [source],
                [result],
                node.name,
                IFMDim=[height, width],
                ConvKernelDim=list(attribute(node, "kernel_size")),
                IFMChannels=channels,
                SIMD=1,
                Stride=[1, 1],
                OFMDim=list(graph.shapes[result][1:3]),
                Dilation=[1, 1],
                inputDataType=datatype.name,
                outputDataType=datatype.name,
                depthwise=0,
                is1D=0,
            )
        graph.commit()
        return model, False


class MatMulsToMvau(Transformation):
    """MatMul of integers -> MVAU without thresholds, accumulator as wide as the sums can grow."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MatMul"):
            source, weights, result = node.input[0], node.input[1], node.output[0]
            rows, columns = graph.constants[weights].shape
            self._widen_to_product(graph, source, weights, result)
            graph.remove(node)
            add_finn_node(
                graph,
                "MVAU",
                [source, weights],
                [result],
                node.name,
                MW=rows,
                MH=columns,
                SIMD=1,
                PE=1,
                inputDataType=graph.datatypes[source].name,
                weightDataType=graph.datatypes[weights].name,
                outputDataType=graph.datatypes[result].name,
                accDataType=graph.datatypes[result].name,
                ActVal=0,
                binaryXnorMode=0,
                noActivation=1,
                numInputVectors=list(graph.shapes[source][:-1]),
                mem_mode="internal_decoupled",
                resType="dsp",
            )
        graph.commit()
        return model, False

    @staticmethod
    def _widen_to_product(graph: GraphEditor, source: str, weights: str, result: str) -> None:
        """FINN's mvu.sv wants an accumulator of at least the widest product, even where the weights reach less."""
        activation = graph.datatypes[source]
        bits = graph.datatypes[weights].bitwidth() + activation.bitwidth() - activation.signed()
        if graph.datatypes[result].bitwidth() < bits:
            graph.datatypes[result] = DataType[f"INT{bits}"]


class ThresholdsToHardware(Transformation):
    """MultiThreshold on integers -> standalone Thresholding."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            source, steps, result = node.input[0], node.input[1], node.output[0]
            graph.remove(node)
            add_finn_node(
                graph,
                "Thresholding",
                [source, steps],
                [result],
                node.name,
                NumChannels=graph.shapes[source][-1],
                PE=1,
                numSteps=graph.constants[steps].shape[1],
                inputDataType=graph.datatypes[source].name,
                weightDataType=graph.datatypes[steps].name,
                outputDataType=graph.datatypes[result].name,
                numInputVectors=list(graph.shapes[source][:-1]),
                ActVal=int(attribute(node, "out_bias", 0.0)),
            )
        graph.commit()
        return model, False


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
                self._join(graph, node, "StreamConcat_rtl", NumChannels=[graph.shapes[x][-1] for x in node.input])
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

    def _join(self, graph: GraphEditor, node: NodeProto, op_type: str, **attributes) -> None:
        if len(node.input) != 2:
            raise reject(node, f"joins {len(node.input)} streams: concatenate two at a time")
        self._replace(graph, node, op_type, 2, **attributes)

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
    """Give each reader of a tensor a stream of its own."""

    def apply(self, model):
        graph = GraphEditor(model)
        for tensor in [*graph.inputs, *(name for node in graph.sorted_nodes() for name in node.output)]:
            readers = graph.consumers(tensor)
            uses = [(node, position) for node in readers for position, name in enumerate(node.input) if name == tensor]
            if len(uses) < 2:
                continue
            if len(uses) > MAX_FORK:
                raise reject(
                    readers[0],
                    f"shares {tensor} with {len(uses) - 1} other readers: a stream forks into at most {MAX_FORK}",
                )
            copies = [
                graph.add_tensor(f"{tensor}_fork{i}", graph.shapes[tensor], graph.datatypes[tensor])
                for i in range(len(uses))
            ]
            for (node, position), copy in zip(uses, copies, strict=True):
                node.input[position] = copy
            graph.touch()
            add_kernel(graph, "StreamFork_rtl", [tensor], copies, f"fork_{tensor}", NumOutputs=len(copies))
        graph.commit()
        return model, False


def hardware(model: ModelWrapper) -> ModelWrapper:
    """Integer NHWC graph -> kernels of FINN's hardware abstraction layer and ours, one reader per stream."""
    for transformation in (
        FuseDepthwise(),
        PatchesToSlidingWindows(),
        MatMulsToMvau(),
        ThresholdsToHardware(),
        StreamNodesToKernels(),
        ForkStreams(),
    ):
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
