"""How hardware nodes are put into a graph: FINN's abstract ones and our kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import attribute
from hw_build.kernels import DOMAIN

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor
    from hw_build.kernels.stream_kernel import StreamKernel

FINN_DOMAIN = "finn.custom_op.fpgadataflow"
HLS_DOMAIN = f"{FINN_DOMAIN}.hls"


def add_kernel(
    graph: GraphEditor, kernel: type[StreamKernel], inputs: list[str], outputs: list[str], name: str, **attributes
):
    """One of our kernels; ImgDim, NumChannels and inputDataType are those of its first input."""
    _, height, width, channels = graph.shapes[inputs[0]]
    defaults = {"ImgDim": [height, width], "NumChannels": channels, "PE": 1}
    defaults["inputDataType"] = graph.datatypes[inputs[0]].name
    return graph.add_node(
        kernel.__name__, inputs, outputs, name=name, domain=DOMAIN, backend="fpgadataflow", **(defaults | attributes)
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


def lowest_code(steps: NodeProto) -> int:
    """Code of a value that passes no threshold of the MultiThreshold ``steps``."""
    return int(attribute(steps, "out_bias", 0.0))


def only_consumer(graph: GraphEditor, tensor: str, op_type: str) -> NodeProto | None:
    """The one reader of ``tensor``, when it is an ``op_type``."""
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and readers[0].op_type == op_type and tensor not in graph.outputs else None
