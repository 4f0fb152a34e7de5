"""What an operator tells the rest of `hw_build`, with what holds of most of them.

The steps of lowering ask in this order:

| step         | asks                                                                                              |
| ------------ | ------------------------------------------------------------------------------------------------- |
| intake       | ``chooses_largest``, ``keeps_order``: what is left out behind the logits                          |
|              | ``to_channels_first``, ``takes_padding``, ``rewrite``: forms of other exporters                   |
| check        | ``refusal``, ``misfit``: the sentence for what it does not take                                   |
| convert      | ``weights_to_integers``, ``to_thresholds``                                                        |
| streamline   | ``integer_type``, ``parts``, ``value_range``, ``negate`` of a `Layer`; a `Monotonic` is undone   |
| streamline   | ``integer_passes``: a `CodeFunction` becomes a table                                              |
| lower        | ``to_channels_last``                                                                              |
| hardware     | ``fusions``, ``placements``: the passes that put kernels in its place                             |
| every form   | ``resize``: the size of its output, for another size of the image                                 |
| HLS back end | ``hls_passes``: the passes that put a kernel with C++ there; none where FINN has nodes of it      |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from hw_build.graph.bends import Bend, Factor
from hw_build.graph.editor import ONNX_DOMAINS, GraphEditor, attribute, reject, set_attribute
from hw_build.graph.ranges import scaled_type

if TYPE_CHECKING:
    import numpy as np
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType
    from qonnx.transformation.base import Transformation

Size = tuple[int, int]  # (height, width)
Range = tuple[int, int]  # lowest and highest value
RangeOf = Callable[[str], Range]  # of an integer tensor
Arithmetic = tuple[str, float | None]  # an ONNX operation on each value, and its constant, if it has one


class Operator:
    """One operator, or one form of an ONNX operator that has several.

    ``names`` are the types of its nodes in an exported network, of one of ``domains``; ``inner`` the types of further
    nodes that steps put in their place, kernels excepted, which tell their size themselves. ``told``: how it stands in
    the sentence of what is supported.
    """

    names: ClassVar[tuple[str, ...]] = ()
    inner: ClassVar[tuple[str, ...]] = ()
    domains: ClassVar[tuple[str, ...]] = ONNX_DOMAINS
    told: ClassVar[str] = ""

    any_layout: ClassVar[bool] = False  # a standard node of it may read an image that is channels last
    elementwise: ClassVar[bool] = False  # it does the same to each value of a channel, wherever the channels are
    per_channel: ClassVar[bool] = False  # the same all over the image, by constants of one value or one a channel
    takes_padding: ClassVar[bool] = False  # its pads are zeros around the image, so a Pad before it can join them
    reads_windows: ClassVar[bool] = False  # of kernel_shape, strides, dilations and pads, as ONNX has them
    negatable: ClassVar[bool] = False  # weights of it can negate its output, channel by channel
    does_nothing: ClassVar[bool] = False
    gives_indices: ClassVar[bool] = False  # its output is no float
    may_be_infinite: ClassVar[bool] = False  # its constants may be: a limit that there is not

    integer_passes: ClassVar[tuple[Transformation, ...]] = ()  # of integers and the floats behind them, NCHW
    fusions: ClassVar[tuple[Transformation, ...]] = ()  # of several nodes in one kernel
    placements: ClassVar[tuple[Transformation, ...]] = ()  # of what fusions have left
    hls_passes: ClassVar[tuple[Transformation, ...]] = ()  # kernels with C++, before FINN's conversions

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Whether ``node``, of a type of this operator, is one of it: for operators that share an ONNX type."""
        return True

    # ---- exported networks ----------------------------------------------------------------------------------------
    def can_join_padding(self, node: NodeProto) -> bool:
        """Whether the zeros of a Pad before ``node`` can join its pads."""
        return self.takes_padding

    def join_padding(self, node: NodeProto, pads: list[int]) -> None:
        """Give ``node`` more pads, [top, left, bottom, right]."""
        own = attribute(node, "pads", [0, 0, 0, 0])
        set_attribute(node, "pads", [ours + more for ours, more in zip(own, pads, strict=True)])

    def chooses_largest(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Whether it gives the index of the largest channel, the first of equals, as the output stage does."""
        return False

    def keeps_order(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Whether the largest channel of a pixel stays the largest."""
        return False

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Why this form does not lower, as the end of a sentence; None where it does."""
        return None

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Which constant does not fit the tensors of ``node``, as the end of a sentence; None where all do."""
        return None

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Rewrite attributes and constants of ``node``, which works on a channels-last image, for channels first."""

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Say the same by other nodes, or in another order, that lower; whether anything changed."""
        return False

    def weights_to_integers(self, graph: GraphEditor, node: NodeProto) -> None:
        """Take the scale of quantized weights, and a bias, out of ``node`` and behind it."""

    def to_thresholds(self, graph: GraphEditor, node: NodeProto) -> None:
        """Write what gives codes of real values as thresholds and a factor."""

    # ---- integers -------------------------------------------------------------------------------------------------
    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range | None:
        """Lowest and highest integer that the output can hold; None where only its datatype says so."""
        return None

    def negate(self, graph: GraphEditor, node: NodeProto, falls: np.ndarray) -> BaseDataType:
        """Negate the output's channels where ``falls`` (C,), by weights of ``node``; the output's new type."""
        raise NotImplementedError

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Write ``node``, of integer tensors, for tensors (1, H, W, C); shapes of the graph are so already.

        Raises:
            LoweringError: there is no such form.
        """
        raise reject(node, "has no channels-last form")

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Size of the output of ``node`` for an input of ``size``; attributes that repeat sizes are rewritten.

        Raises:
            ConfigError: it does not take this size.
        """
        return size


class Layer(Operator):
    """Reads codes of one scale and gives integers of it, ``parts`` of which are one code."""

    keeps_codes: ClassVar[bool] = False  # what it gives is codes that it has read, at other places
    keeps_range: ClassVar[bool] = False  # no value that it gives is beyond those that it reads, and zero
    by_channel: ClassVar[bool] = False  # each channel that it gives is made of the same one of those that it reads
    joins_values: ClassVar[bool] = False  # each value of its output is made of those at the same place of its inputs

    def factors_behind(self, graph: GraphEditor, node: NodeProto, factors: np.ndarray) -> np.ndarray | None:
        """What each channel of the output is multiplied by where those of the one input are by ``factors`` (C,), all
        positive; None where that does not follow.
        """
        linear = self.by_channel and (self.keeps_codes or self.keeps_range)
        is_image = graph.shapes.get(node.output[0], ())[1:2] == factors.shape and len(graph.dynamic_inputs(node)) == 1
        return factors if linear and is_image else None

    def take_factors(self, graph: GraphEditor, node: NodeProto, factors: np.ndarray) -> bool:
        """Multiply what ``node`` reads by ``factors`` (C,), in its own constants; whether that can be."""
        return False

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range | None:
        """Of codes at other places no other values than those of the input."""
        return range_of(node.input[0]) if self.keeps_codes else None

    def parts(self, graph: GraphEditor, node: NodeProto) -> int:
        """The least that times the output of codes is integers: it is a multiple of 1/parts of a code."""
        return 1

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """Let ``node``, which reads codes now, give integers, and their scale be a factor behind them.

        ``scales`` are those of its inputs that depend on the image, in their order. Returns each tensor that the node
        wrote -> (integer tensor, scale). This is the way of layers with one scale for all that they read; another
        operator has its own.

        Raises:
            LoweringError: scales or types differ.
        """
        if len(set(scales)) != 1:
            raise reject(
                node, f"joins activations of different scales {scales}: let both branches share one quantizer scale"
            )
        scale, result = scales[0], node.output[0]
        types = [graph.datatypes[name] for name in graph.dynamic_inputs(node)]
        datatype = self.integer_type(graph, node, types)
        codes = graph.add_tensor(f"{result}_codes", graph.shapes[result], datatype)
        node.output[0] = codes
        graph.touch()
        parts = self.parts(graph, node)
        if parts != 1:
            codes = graph.add_tensor(f"{result}_x{parts}", graph.shapes[result], scaled_type(types[0], parts))
            times = graph.add_constant(f"{result}_parts", float(parts))
            graph.add_node("Mul", [node.output[0], times], [codes], name=f"{node.name}_x{parts}")
            scale /= parts
        factor = graph.add_constant(f"{result}_scale", scale)
        graph.add_node("Mul", [codes, factor], [result], name=f"{node.name}_scale")
        return {result: (codes, scale)}

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic] | None:
        """What makes, of the output of ``node`` for codes, that for their values, which are ``scales`` of them each:
        the operations that `to_integers` leaves behind it, in their order. None where it is not known.
        """
        return None

    def leaves_to_table(self, graph: GraphEditor, node: NodeProto, codes: list[str], scales: list[float]) -> bool:
        """Whether ``node`` stays on real values, since its quantizer is a function of ``codes`` that a table says."""
        return False

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """Type of the output, before ``parts``, for codes of ``types``; the same as the input's unless it says so."""
        if len({datatype.name for datatype in types}) != 1:
            raise reject(node, f"joins codes of types {[datatype.name for datatype in types]}: use one bit width")
        return types[0]


class CodeFunction(Operator):
    """A function of each value, by its channel: between a code and a quantizer it becomes a table of codes."""

    elementwise: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    any_layout: ClassVar[bool] = True

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Constants with it."""
        constants_to_channels_first(graph, node)


class Monotonic(CodeFunction):
    """A monotonic function of each channel between an integer tensor and its quantizer: it becomes thresholds."""

    def can_be_undone(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Whether ``node`` has bends; where it has not, it is a `CodeFunction` alone."""
        return True

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """What it does to a tensor of ``channels``, in the order in which it does it."""
        raise NotImplementedError

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """What it makes of ``value`` (C, n) float32, rounded after each operation."""
        raise NotImplementedError


class Affine(Monotonic):
    """A gain and an offset of each channel."""

    def gain_and_offset(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """Both as float64 (C,)."""
        raise NotImplementedError

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """Gain and offset."""
        return (Factor(*self.gain_and_offset(graph, node, channels)),)


TO_FIRST = (0, 3, 1, 2)


def constants_to_channels_first(graph: GraphEditor, node: NodeProto) -> None:
    """Constants of an elementwise ``node`` that are spread over a channels-last image, transposed."""
    for position, name in enumerate(node.input):
        if name in graph.constants and graph.constants[name].size > 1:
            value = graph.constants[name]
            image = value.reshape((1,) * (4 - value.ndim) + value.shape)
            node.input[position] = graph.add_constant(f"{name}_first", image.transpose(TO_FIRST))
