"""Integer ranges that tensors can really take, by what makes them: weights and addends, not widths."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.ranges import dot_product_range
from hw_build.operators import operator_of
from hw_build.operators.filters import Filters

if TYPE_CHECKING:
    from hw_build.graph.editor import GraphEditor
    from hw_build.operators.operator import Range


def integer_range(graph: GraphEditor, tensor: str) -> Range:
    """Lowest and highest value that an integer tensor can take: from weights and addends where it has them."""
    producer = graph.producer(tensor)
    if producer is not None:
        operator = operator_of(graph, producer)
        found = None if operator is None else operator.value_range(graph, producer, partial(integer_range, graph))
        if found is not None:
            return found
    datatype = graph.datatypes[tensor]
    return int(datatype.min()), int(datatype.max())


def channel_ranges(graph: GraphEditor, tensor: str) -> tuple[np.ndarray, np.ndarray]:
    """The same for each channel of ``tensor`` (1, C, H, W), int64 (C,): of convolutions by the weights of each."""
    channels, producer = graph.shapes[tensor][1], graph.producer(tensor)
    if producer is not None and isinstance(operator_of(graph, producer), Filters):
        weights = graph.constants[producer.input[1]].reshape(channels, -1)
        low, high = dot_product_range(weights, graph.datatypes[producer.input[0]])
        return low.astype(np.int64), high.astype(np.int64)
    ends = integer_range(graph, tensor)
    low, high = (np.full(channels, end, np.int64) for end in ends)
    return low, high
