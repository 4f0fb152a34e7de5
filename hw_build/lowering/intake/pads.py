"""Padding as numbers at the layers that read windows: what auto_pad asks for, and zeros that a Pad node puts around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.operators import of_onnx_type, operator_of
from hw_build.operators.constants import shape_of_constant
from hw_build.operators.windows import zeros_around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto

    from hw_build.operators.operator import Operator


class ExplicitPads(Transformation):
    """auto_pad of convolutions and pools -> pads for the size of their input; where they do not follow, it stays."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.nodes:
            operator, named = operator_of(graph, node), attribute(node, "auto_pad", "NOTSET")
            if operator is None or not operator.reads_windows or named == "NOTSET":
                continue
            pads = _named_pads(graph, node, named)
            if pads is not None:
                set_attribute(node, "auto_pad", "NOTSET")
                set_attribute(node, "pads", pads)
        graph.commit()
        return model, False


def _named_pads(graph: GraphEditor, node: NodeProto, named: str) -> list[int] | None:
    """[top, left, bottom, right] of ``node`` whose auto_pad is ``named``: as many outputs as strides fit the image."""
    weights = shape_of_constant(graph, node.input[1]) if len(node.input) > 1 else None
    kernel = attribute(node, "kernel_shape", (weights or ())[2:])
    size = graph.shapes.get(node.input[0], ())[2:]
    strides, dilations = (attribute(node, name, [1] * len(size)) for name in ("strides", "dilations"))
    if not (len(size) == len(kernel) == len(strides) == len(dilations) == 2) or min(*size, *strides) < 1:
        return None
    if named == "VALID":
        return [0] * 4
    if max(dilations) > 1:
        return None  # onnx and onnxruntime do not agree on it
    before, after = [], []
    for side, taps, stride in zip(size, kernel, strides, strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + taps - side)
        less, more = total // 2, total - total // 2
        before.append(less if named == "SAME_UPPER" else more)
        after.append(more if named == "SAME_UPPER" else less)
    return before + after


class FoldPads(Transformation):
    """Conv(Pad(x)) -> Conv(x) with larger pads, averages as well; a Pad of another mode, value or reader stays."""

    def apply(self, model):
        graph = GraphEditor(model)
        for pad in [node for node in graph.sorted_nodes() if node.op_type == "Pad"]:
            amounts = _pads(graph, pad)
            readers = graph.consumers(pad.output[0])
            if amounts is None or not readers or pad.output[0] in graph.outputs:
                continue
            if all(_takes_pads(reader, pad.output[0]) for reader in readers):
                for reader in readers:
                    next(_that_take_pads(reader)).join_padding(reader, amounts)
                graph.remove(pad)
                graph.rename_uses(pad.output[0], pad.input[0])
        graph.commit()
        return model, False


def _pads(graph: GraphEditor, pad: NodeProto) -> list[int] | None:
    """[top, left, bottom, right] of the zeros that ``pad`` puts around an NCHW image; None where it does otherwise."""
    around = zeros_around(graph, pad)
    if around is None or np.any(around[:, :2]) or around.min() < 0:
        return None
    return around[:, 2:].reshape(-1).tolist()


def _takes_pads(node: NodeProto, tensor: str) -> bool:
    named = attribute(node, "auto_pad", "NOTSET")
    alone = list(node.input).count(tensor) == 1 and node.input[0] == tensor
    known = next(_that_take_pads(node), None) is not None
    return known and alone and named in ("NOTSET", "VALID")


def _that_take_pads(node: NodeProto) -> Iterator[Operator]:
    return (operator for operator in of_onnx_type(node.op_type) if operator.can_join_padding(node))
