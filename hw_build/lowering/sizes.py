"""Give a network another image size, in any of its forms.

Weights do not depend on the size, so a graph is verified on a small crop and built at full size, or the reverse.
Spatial sizes follow the nodes from the input: each says what it makes of a size, and rewrites what repeats it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import FINN_DOMAIN
from hw_build.kernels import DOMAIN
from hw_build.operators import operator_of

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

Size = tuple[int, int]


def _resize(graph: GraphEditor, node: NodeProto, size: Size) -> Size:
    """(height, width) of the output of ``node`` for an input of ``size``, which it takes from now on."""
    if node.domain == DOMAIN or node.domain.startswith(FINN_DOMAIN):
        return hardware_node(node).resize(size)
    operator = operator_of(graph, node)
    return size if operator is None else operator.resize(graph, node, size)


def set_input_size(model: ModelWrapper, height: int, width: int) -> ModelWrapper:
    """Change ``model`` in place to images of height x width pixels; returns it."""
    graph = GraphEditor(model)
    last = graph.metadata("edgeseg_input") == "codes_nhwc"

    def resized(tensor: str, size: Size) -> tuple[int, ...]:
        shape = graph.shapes[tensor]
        return (1, *size, shape[3]) if last else (1, shape[1], *size)

    sizes: dict[str, Size] = {graph.inputs[0]: (height, width)}
    graph.shapes[graph.inputs[0]] = resized(graph.inputs[0], (height, width))
    for node in graph.sorted_nodes():
        arriving = {sizes[name] for name in node.input if name in sizes}
        if not arriving:
            continue  # a quantizer of weights
        if len(arriving) != 1:
            sides = " and ".join(f"{rows}x{columns}" for rows, columns in sorted(arriving))
            raise ConfigError(
                f"node {node.name} ({node.op_type}) would join images of {sides}; give a height and a width that the"
                " network's poolings divide"
            )
        before = arriving.pop()
        after = _resize(graph, node, before)
        for name in node.output:
            sizes[name] = after
            graph.shapes[name] = resized(name, after)
    graph.commit()
    return model
