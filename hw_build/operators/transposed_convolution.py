"""Transposed convolution: a convolution of each phase of its stride, and its outputs interleaved.

With stride s, pixel s*y + i of the output reads, of the input, x[y + d] by tap k where d = (i + pad - k) / s is whole.
All s*s phases together are one convolution of the image itself with s*s times the outputs, and depth to space: no
product with an inserted zero. Taps that a phase lacks, where the kernel is no multiple of s, are zero weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators.constants import is_weight_quant
from hw_build.operators.filters import RANK, weight_shape
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from onnx import NodeProto

MIN_STRIDE = 2


def phases(weights: np.ndarray, stride: int, pads: tuple[int, int]) -> tuple[np.ndarray, list[int]]:
    """Filters (I, O, KH, KW) of a transposed convolution with ``pads`` [top, left] as those of a convolution.

    Returns: (s*s*O, I, DH, DW), output (i*s + j)*O + o the phase (i, j) of o; and pads [top, left, bottom, right].
    """
    inputs, outputs, *kernel = weights.shape
    first, last = [], []
    for side, pad in zip(kernel, pads, strict=True):
        reached = [(i + pad - k) // stride for i in range(stride) for k in range(side) if (i + pad - k) % stride == 0]
        first.append(min(0, *reached))
        last.append(max(0, *reached))
    sides = [after - before + 1 for before, after in zip(first, last, strict=True)]
    result = np.zeros((stride, stride, outputs, inputs, *sides), weights.dtype)
    for ky, kx in np.ndindex(*kernel):
        i, j = ((k - pad) % stride for k, pad in zip((ky, kx), pads, strict=True))
        dy, dx = ((i + pads[0] - ky) // stride - first[0], (j + pads[1] - kx) // stride - first[1])
        result[i, j, :, :, dy, dx] = weights[:, :, ky, kx].T
    return result.reshape(-1, inputs, *sides), [-first[0], -first[1], last[0], last[1]]


class TransposedConvolution(Operator):
    """ConvTranspose."""

    names = ("ConvTranspose",)
    told = "ConvTranspose (output stride times as large)"

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """What `rewrite` did not take."""
        return self._why_not(graph, node) or "is a transposed convolution whose weights are no quantized constant"

    @staticmethod
    def _why_not(graph: GraphEditor, node: NodeProto) -> str | None:
        shape, quant = weight_shape(graph, node), graph.producer(node.input[1])
        if quant is None or not is_weight_quant(graph, quant) or len(shape) != RANK:
            return f"has weights {node.input[1]} that are no quantized 2D filters: put a weight quantizer before them"
        if attribute(node, "group", 1) != 1:
            return f"is a transposed convolution with group={attribute(node, 'group')}: only group=1 lowers"
        scales = [graph.constants[name].shape for name in quant.input[1:3]]
        if any(int(np.prod(each)) != 1 and each != (1, shape[1], 1, 1) for each in scales):
            return f"has weight scales of shape {scales[0]}: one, or one per output channel, lowers"
        if len(node.input) > 2 and node.input[2] and node.input[2] not in graph.constants:
            return f"has a bias {node.input[2]} that is not a constant"
        strides, dilations = (list(attribute(node, name, [1, 1])) for name in ("strides", "dilations"))
        if strides[0] != strides[1] or strides[0] < MIN_STRIDE or dilations != [1, 1]:
            return f"has strides {strides} and dilations {dilations}: equal strides of 2 or more without dilation lower"
        before, after = (tuple(graph.shapes.get(name, ())[2:]) for name in (node.input[0], node.output[0]))
        if not before or after != tuple(strides[0] * side for side in before):
            return (
                f"makes {'x'.join(map(str, after))} of {'x'.join(map(str, before))}: only outputs exactly {strides[0]} "
                "times as large lower; set padding and output_padding so"
            )
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Conv of all phases, then DepthToSpace."""
        if self._why_not(graph, node) is not None:
            return False
        quant, stride = graph.writer(node.input[1]), attribute(node, "strides")[0]
        outputs = weight_shape(graph, node)[1]
        filters, pads = phases(graph.constants[quant.input[0]], stride, self._pads(graph, node))

        def of_phases(name: str, shape: tuple[int, ...]) -> str:
            value = graph.constants[name]
            if value.size == 1:
                return name
            return graph.add_constant(f"{name}_phases", np.tile(value.reshape(-1), stride**2).reshape(shape))

        weight = graph.add_tensor(f"{node.input[1]}_phases", filters.shape)
        values = graph.add_constant(f"{quant.input[0]}_phases", filters)
        scales = [of_phases(name, (-1, 1, 1, 1)) for name in quant.input[1:3]]
        twin = graph.add_node(
            quant.op_type, [values, *scales, quant.input[3]], [weight], name=f"{quant.name}_phases", domain=quant.domain
        )
        twin.attribute.extend(quant.attribute)
        source, result = node.input[0], node.output[0]
        bias = [self._bias(graph, name, stride**2) for name in node.input[2:] if name]
        deep = graph.add_tensor(f"{result}_phases", (1, stride**2 * outputs, *graph.shapes[source][2:]))
        graph.remove(node)
        graph.add_node(
            "Conv", [source, weight, *bias], [deep], name=node.name, kernel_shape=filters.shape[2:], pads=pads
        )
        graph.add_node("DepthToSpace", [deep], [result], name=f"{node.name}_interleave", blocksize=stride, mode="DCR")
        return True

    @staticmethod
    def _bias(graph: GraphEditor, name: str, total: int) -> str:
        return graph.add_constant(f"{name}_phases", np.tile(graph.constants[name].reshape(-1), total))

    @staticmethod
    def _pads(graph: GraphEditor, node: NodeProto) -> tuple[int, int]:
        """[top, left], as ONNX has them; what auto_pad or output_shape ask for follows from the size of the output."""
        kernel, stride = weight_shape(graph, node)[2:], attribute(node, "strides")[0]
        named = attribute(node, "auto_pad", "NOTSET")
        if named == "NOTSET" and attribute(node, "output_shape", None) is None:
            top, left = attribute(node, "pads", [0] * 4)[:2]
            return top, left
        more = attribute(node, "output_padding", [0, 0])
        totals = [max(0, side + extra - stride) for side, extra in zip(kernel, more, strict=True)]
        top, left = (total // 2 if named == "SAME_UPPER" else total - total // 2 for total in totals)
        return top, left


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "transposed convolution",
        "output exactly stride times as large, one group",
        "a convolution of all phases, and DepthToSpace (ours); where the stride does not divide the "
        "kernel, some weights are zero",
    ),
)
OPERATORS = (TransposedConvolution(),)
