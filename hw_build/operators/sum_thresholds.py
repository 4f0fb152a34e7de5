"""Thresholds behind a sum of codes, where a kernel can look the sum up or shift it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.nodes import lowest_code, only_consumer
from hw_build.kernels.lines import find_shift
from hw_build.kernels.sum_thresholds import MAX_SUM_BITS

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def thresholds_of_sum(graph: GraphEditor, last: NodeProto, low: int, high: int) -> NodeProto | None:
    """The MultiThreshold behind ``last``, which gives sums of codes from ``low`` to ``high``.

    None where there is none, or where neither a table nor a shift serves.
    """
    steps = only_consumer(graph, last.output[0], "MultiThreshold")
    if steps is None:
        return None
    if (high - low + 1).bit_length() <= MAX_SUM_BITS:
        return steps
    return steps if find_shift(graph.constants[steps.input[1]], low, high, lowest_code(steps)) else None
