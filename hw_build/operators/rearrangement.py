"""Reshape and Transpose of more axes, back to an image: what they do to an image of numbers says what they are.

PyTorch's exporters write channel shuffles and pixel unshuffles so. Intake puts Gather, SpaceToDepth or DepthToSpace in
their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.kernels.depth_to_space import depth_to_space_reference
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from onnx import NodeProto

_RANK = 4
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def _moved(graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray | None:
    """What ``node`` makes of ``value``; None where it is of another kind."""
    if node.op_type == "Transpose":
        return value.transpose(attribute(node, "perm", None))
    shape = graph.shapes.get(node.output[0])
    fits = node.op_type == "Reshape" and shape and int(np.prod(shape)) == value.size
    return value.reshape(shape) if fits else None


class Rearrangement(Operator):
    """Reshape."""

    names = ("Reshape",)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """What could not be rewritten."""
        return (
            "changes the shape of an image in a way that is no channel shuffle and no pixel (un)shuffle: only these "
            "lower, each between images"
        )

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """From the image before it to the next image."""
        source, shape = node.input[0], graph.shapes.get(node.input[0])
        if not shape or len(shape) != _RANK or shape[0] != 1 or min(shape) < 1:
            return False
        numbers = np.arange(np.prod(shape)).reshape(shape)
        value, chain, each = numbers, [], node
        while True:
            moved = _moved(graph, each, value)
            if moved is None:
                return False
            value = moved
            chain.append(each)
            if value.ndim == _RANK and (each.op_type == "Reshape" or len(chain) > 1):
                break
            readers = graph.consumers(each.output[0])
            if len(readers) != 1 or each.output[0] in graph.outputs:
                return False
            (each,) = readers
        found = _forms(numbers, value)
        if found is None:
            return False
        graph.remove(*chain)
        self._put(graph, node.name, source, each.output[0], found)
        return True

    @staticmethod
    def _put(graph: GraphEditor, name: str, source: str, result: str, found: tuple[str, int, list[int]]) -> None:
        kind, block, index = found
        shape, after = graph.shapes[source], graph.shapes[result]
        moves = [("Gather", (shape[0], len(index), *shape[2:]))] if index != list(range(len(index))) else []
        if kind == "SpaceToDepth":
            moves = [(kind, after), *([("Gather", after)] if moves else [])]
        elif kind == "DepthToSpace":
            moves = [*moves, (kind, after)]
        if not moves:
            graph.rename_uses(result, source)
            graph.outputs = [source if each == result else each for each in graph.outputs]
        for number, (op_type, size) in enumerate(moves):
            last = number == len(moves) - 1
            target = result if last else graph.add_tensor(f"{result}_moved", size)
            if op_type == "Gather":
                names = [source, graph.add_constant(f"{result}_index", index, dtype=np.int64)]
                graph.add_node(op_type, names, [target], name=name, axis=1)
            else:
                graph.add_node(op_type, [source], [target], name=name if last else f"{name}_blocks", blocksize=block)
            source = target


def _forms(numbers: np.ndarray, value: np.ndarray) -> tuple[str, int, list[int]] | None:
    """(kind, block, order of channels: behind SpaceToDepth, before DepthToSpace) that make ``value`` of ``numbers``."""
    if value.shape[2:] == numbers.shape[2:]:
        index = _order(numbers, value)
        return None if index is None else ("Gather", 1, index)
    for kind, deep, wide in (("SpaceToDepth", value, numbers), ("DepthToSpace", numbers, value)):
        block = wide.shape[2] // deep.shape[2]
        if block < 2 or wide.shape[2:] != (block * deep.shape[2], block * deep.shape[3]):
            continue
        places = np.arange(deep.size).reshape(deep.shape)
        spread = depth_to_space_reference(places.transpose(TO_LAST), block).transpose(TO_FIRST)  # DCR
        flat = np.empty(deep.size, int)
        flat[spread.ravel()] = wide.ravel()
        folded = flat.reshape(deep.shape)  # SpaceToDepth of what is wide
        index = _order(folded, deep) if kind == "SpaceToDepth" else _order(deep, folded)
        if index is not None:
            return kind, block, index
    return None


def _order(before: np.ndarray, after: np.ndarray) -> list[int] | None:
    """Which channel of ``before`` each one of ``after`` is."""
    first = {int(channel[0, 0]): place for place, channel in enumerate(before[0])}
    index = [first.get(int(channel[0, 0]), -1) for channel in after[0]]
    return index if -1 not in index and np.array_equal(before[:, index], after) else None


OPERATORS = (Rearrangement(),)
