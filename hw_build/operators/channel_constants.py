"""Constants of nodes that treat each channel alike all over the image: one value, or one a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators import operator_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor

_AXES_OF_IMAGE = 3  # channels, height, width: constants of so many axes or more are spread over an image


def channel_constants(graph: GraphEditor, node: NodeProto, source: str, channels: int) -> dict[int, int] | None:
    """Which inputs of ``node`` hold a value for each of the ``channels`` of its input ``source``: position -> axis.

    None where it is no per-channel node of ``source``, or has constants of other kinds.
    """
    operator = operator_of(graph, node)
    if operator is None or not operator.per_channel or list(node.input).count(source) != 1:
        return None
    found = {}
    for position, name in enumerate(node.input):
        if not name or name == source:
            continue
        value = graph.constants.get(name)
        if value is None:
            return None
        if value.size == 1 and (operator.elementwise or channels > 1):
            continue
        axis = value.ndim - _AXES_OF_IMAGE if value.ndim >= _AXES_OF_IMAGE else 0
        along_image = value.ndim not in (1, *range(_AXES_OF_IMAGE, _AXES_OF_IMAGE + 2))
        if along_image or value.size != channels or value.shape[axis] != channels:
            return None
        if value.ndim == 1 and operator.elementwise:
            return None  # numpy's rules spread it along the width
        found[position] = axis
    return found


def change_channels(
    graph: GraphEditor, node: NodeProto, positions: dict[int, int], change: Callable[[np.ndarray, int], np.ndarray]
) -> None:
    """``change(value, axis)`` instead of each of the constants that `channel_constants` found."""
    for position, axis in positions.items():
        name = node.input[position]
        value = graph.constants[name]
        node.input[position] = graph.add_constant(f"{name}_by_channel", change(value, axis), dtype=value.dtype)
    graph.touch()
