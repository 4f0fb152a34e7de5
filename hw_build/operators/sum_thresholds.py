"""Thresholds behind a sum of unsigned codes, where a kernel can look the sum up or shift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import only_consumer
from hw_build.kernels.lines import find_shift
from hw_build.kernels.sum_thresholds import MAX_SUM_BITS

if TYPE_CHECKING:
    from onnx import NodeProto


def thresholds_of_sum(graph: GraphEditor, last: NodeProto, streams: list[str], largest: int) -> NodeProto | None:
    """The MultiThreshold behind ``last``, which gives sums of the codes ``streams`` up to ``largest``.

    None where there is none, where codes are signed, or where neither a table nor a shift serves.
    """
    steps = only_consumer(graph, last.output[0], "MultiThreshold")
    if steps is None or attribute(steps, "out_bias", 0.0) != 0.0:
        return None
    signed = any(graph.datatypes[name].signed() for name in [*streams, steps.output[0]])
    wide = (largest + 1).bit_length() > MAX_SUM_BITS
    if signed or (wide and find_shift(graph.constants[steps.input[1]], largest) is None):
        return None
    return steps
