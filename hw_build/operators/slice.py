"""Slices of an image: rows, columns and channels, with strides of rows and columns. A Split is several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.crop import TO_THE_END, StreamCrop_rtl
from hw_build.operators.concatenation import FIRST_AXIS
from hw_build.operators.operator import Layer, Size

if TYPE_CHECKING:
    from onnx import NodeProto

_AXES = 4  # images, channels, height, width


def _slices(graph: GraphEditor, node: NodeProto) -> list[slice] | None:
    """One for each axis, channels first; None where the image decides them, or an axis comes twice."""
    names = [*node.input[1:], "", ""][:4]
    if any(name and name not in graph.constants for name in names):
        return None
    starts, ends, axes, steps = (graph.constants[name].astype(int).tolist() if name else [] for name in names)
    axes, steps = [axis % _AXES for axis in axes or range(len(starts))], steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) == len(set(axes)):
        return None
    found = [slice(0, None, 1)] * _AXES
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        found[axis] = slice(start, end, step)
    return found


def _ranges(slices: list[slice], shape: tuple[int, ...]) -> list[range]:
    return [range(*each.indices(size)) for each, size in zip(slices, shape, strict=True)]


def _bounds(each: slice) -> list[int]:
    """[start, stop, step] as numbers."""
    return [each.start or 0, TO_THE_END if each.stop is None else each.stop, each.step]


class Slice(Layer):
    """Slice."""

    names = ("Slice",)
    told = "Slice"
    keeps_codes = any_layout = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """What is reversed, empty, or not fixed."""
        slices, shape = _slices(graph, node), graph.shapes.get(node.input[0])
        if slices is None:
            return "cuts where the image decides, or along an axis twice: export it with constants, each axis once"
        if any(each.step < 1 for each in slices):
            return f"has steps {[each.step for each in slices]}: only positive ones lower, nothing reversed"
        if shape and len(shape) == _AXES and not all(_ranges(slices, shape)):
            return f"leaves nothing of {'x'.join(map(str, shape))}: take it out"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Every n-th channel is a Gather."""
        slices, shape = _slices(graph, node), graph.shapes.get(node.input[0])
        if slices is None or not shape or len(shape) != _AXES or slices[1].step < 2:
            return False
        channels = _ranges(slices, shape)[1]
        if not channels:
            return False
        between = graph.add_tensor(f"{node.output[0]}_channels", (shape[0], len(channels), *shape[2:]))
        index = graph.add_constant(f"{between}_index", list(channels), dtype=np.int64)
        graph.add_node("Gather", [node.input[0], index], [between], name=f"{node.name}_gather", axis=1)
        starts, ends, steps = map(list, zip(*map(_bounds, slices[2:]), strict=True))
        values = (starts, ends, [2, 3], steps)
        names = [graph.add_constant(f"{between}_cut", value, dtype=np.int64) for value in values]
        del node.input[:]
        node.input.extend([between, *names])
        graph.touch()
        return True

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axes."""
        axes = graph.constants[node.input[3]] if len(node.input) > 3 and node.input[3] else None
        count = graph.constants[node.input[1]].size
        first = [FIRST_AXIS[int(axis) % _AXES] for axis in (range(count) if axes is None else axes)]
        steps = node.input[4:5]
        name = graph.add_constant(f"{node.output[0]}_axes", first, dtype=np.int64)
        inputs = [*node.input[:3], name, *steps]
        del node.input[:]
        node.input.extend(inputs)

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        slices, channels = _required(graph, node), graph.shapes[node.input[0]][-1]
        rows, columns = map(_bounds, slices[2:])
        kept = range(channels)[slices[1]]
        graph.remove(node)
        add_kernel(
            graph, StreamCrop_rtl, [node.input[0]], [node.output[0]], node.name, Rows=rows, Columns=columns,
            Channels=[kept.start, kept.stop],
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """What is left of it."""
        rows, columns = map(len, _ranges(_required(graph, node)[2:], size))
        if min(rows, columns) < 1:
            raise ConfigError(f"{node.name} leaves nothing of {size[0]}x{size[1]}: use a larger image")
        return rows, columns


def _required(graph: GraphEditor, node: NodeProto) -> list[slice]:
    """`_slices` of a node that was not refused."""
    slices = _slices(graph, node)
    assert slices is not None
    return slices


class Split(Layer):
    """Split: as many slices, put there by intake."""

    names = ("Split",)
    told = "Split"
    keeps_codes = any_layout = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """What could not be rewritten."""
        return f"splits along axis {attribute(node, 'axis', 0)}, or by sizes that the image decides: channels lower"

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axis."""
        set_attribute(node, "axis", FIRST_AXIS[attribute(node, "axis", 0) % _AXES])

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """A Slice for each output that is read."""
        axis, outputs = attribute(node, "axis", 0) % _AXES, list(node.output)
        shapes = [graph.shapes[name] for name in outputs if name in graph.shapes]
        if axis == 0 or len(shapes) != len(outputs) or any(not shape or len(shape) != _AXES for shape in shapes):
            return False
        graph.remove(node)
        start = 0
        for number, (name, shape) in enumerate(zip(outputs, shapes, strict=True)):
            bounds = [
                graph.add_constant(f"{name}_at", [at], dtype=np.int64) for at in (start, start + shape[axis], axis)
            ]
            graph.add_node("Slice", [node.input[0], *bounds], [name], name=f"{node.name}_{number}")
            start += shape[axis]
        return True


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "slice, split, crop",
        "rows, columns and channels, constant bounds; strides of rows and columns",
        "StreamCrop (ours); for every n-th channel, ChannelGather (ours)",
    ),
)
OPERATORS = (Slice(), Split())
