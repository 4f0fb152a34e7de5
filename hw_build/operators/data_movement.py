"""What operators share that put channels elsewhere: what follows them, channel by channel, may come before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators.channel_constants import change_channels, channel_constants

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def move_behind_the_next(graph: GraphEditor, node: NodeProto, change: Callable[[np.ndarray, int], np.ndarray]) -> bool:
    """Let the per-channel node that follows ``node`` come before it; whether there is one.

    ``change`` makes of its constants, one a channel along an axis, those for the input of ``node``.
    """
    moved, result = node.input[0], node.output[0]
    readers, shapes = graph.consumers(result), graph.shapes
    if len(readers) != 1 or result in graph.outputs or moved not in shapes or result not in shapes:
        return False
    (after,) = readers
    positions = channel_constants(graph, after, result, shapes[result][1])
    if positions is None:
        return False
    change_channels(graph, after, positions, change)
    final = after.output[0]
    between = graph.add_tensor(f"{final}_before", shapes[moved])
    after.input[list(after.input).index(result)] = moved
    after.output[0] = between
    node.input[0], node.output[0] = between, final
    graph.touch()
    return True
