"""Average pooling of any window: a sum of codes, and a division by their number, which thresholds take.

Sums are divided after they are taken, as onnxruntime does it. The step `streamline` writes a sum as a filter of ones,
of type BINARY; from the step `lower` on it is windows of the image and their sum. Where windows at the border count
fewer pixels, each sum is first multiplied by what makes its number the common multiple of all: rows and columns apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import DataType

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import GraphEditor, attribute, reject, set_attribute, smallest_integer_type
from hw_build.graph.nodes import add_kernel
from hw_build.graph.ranges import FLOAT32_BITS, scaled_type
from hw_build.kernels.place_factor import PlaceFactor_rtl
from hw_build.kernels.rows import window_size
from hw_build.kernels.window_sum import WindowSum_rtl
from hw_build.operators.filters import RANK
from hw_build.operators.finn_nodes import PatchesToSlidingWindows
from hw_build.operators.means import Sum, behind_mean, put_mean
from hw_build.operators.operator import Arithmetic, Layer, Range, RangeOf, Size
from hw_build.operators.windows import image_patches, pads_of_pool, refusal_of_pool

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

ONES = DataType["BINARY"]
_LARGEST_SIDE = 64  # of a window
_OPSET_OF_CEIL_MODE = 19  # of AveragePool


def _counts(node: NodeProto, size: Size, after: Size) -> list[np.ndarray]:
    """How many rows, and columns, of each window are counted: those of the image, with or without its padding."""
    kernel, pads = attribute(node, "kernel_shape"), attribute(node, "pads", [0] * 4)
    strides, padded = attribute(node, "strides", [1, 1]), bool(attribute(node, "count_include_pad", 0))
    found = []
    for axis in range(2):
        starts = strides[axis] * np.arange(after[axis]) - pads[axis]
        first, end = (-pads[axis], size[axis] + pads[axis + 2]) if padded else (0, size[axis])
        found.append(np.minimum(starts + kernel[axis], end) - np.maximum(starts, first))
    return found


class AveragePool(Layer):
    """AveragePool."""

    names = ("AveragePool",)
    reads_windows = keeps_range = by_channel = True
    placements = (PatchesToSlidingWindows(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, pads by name, dilation, single pixels, and windows that count unlike numbers of them."""
        if (why := refusal_of_pool(node)) is not None:
            return why
        kernel = list(attribute(node, "kernel_shape"))
        if kernel == [1, 1] or max(kernel) > _LARGEST_SIDE:
            return f"has kernel {kernel}: sides of at most {_LARGEST_SIDE}, and more than one pixel, lower"
        if any(each != 1 for each in attribute(node, "dilations", [1])):
            return f"has dilations {list(attribute(node, 'dilations'))}: only windows without lower"
        sizes = [graph.shapes.get(name, ())[2:] for name in (node.input[0], node.output[0])]
        counts = _counts(node, *sizes) if all(sizes) else []
        if any(np.min(each) < 1 for each in counts):
            return "has windows without any pixel of the image: use less padding"
        told = bool(attribute(node, "count_include_pad", 0)) and any(np.ptp(each) for each in counts)
        if told and graph.opset < _OPSET_OF_CEIL_MODE:
            return (
                "has windows that ceil_mode lets reach beyond counted padding: below opset "
                f"{_OPSET_OF_CEIL_MODE} onnxruntime and PyTorch divide them by unlike numbers, so export with that "
                "opset, or without ceil_mode or count_include_pad"
            )
        return None

    def can_join_padding(self, node: NodeProto) -> bool:
        """Where it counts its own, and no window reaches beyond it, which ``ceil_mode`` may ask for."""
        counts = not any(attribute(node, "pads", [0])) or bool(attribute(node, "count_include_pad", 0))
        return counts and not attribute(node, "ceil_mode", 0)

    def join_padding(self, node: NodeProto, pads: list[int]) -> None:
        """Zeros of a Pad are counted."""
        super().join_padding(node, pads)
        set_attribute(node, "count_include_pad", 1)

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """A filter of ones over codes, times their scale, divided by their number."""
        source, result = node.input[0], node.output[0]
        kernel, channels = list(attribute(node, "kernel_shape")), graph.shapes[source][1]
        sizes = graph.shapes[source][2:], graph.shapes[result][2:]
        counts = _counts(node, *sizes)
        common = [int(np.lcm.reduce(each)) for each in counts]
        total, pixels, datatype = common[0] * common[1], kernel[0] * kernel[1], graph.datatypes[source]
        ones = graph.add_constant(f"{result}_ones", np.ones((channels, 1, *kernel)), ONES)
        alike = not any(np.ptp(each) for each in counts)
        codes, given = put_mean(graph, node, scales[0], pixels if alike else total, total)
        if not alike:
            if graph.datatypes[codes].bitwidth() > FLOAT32_BITS:
                raise reject(
                    node,
                    f"averages windows of {', '.join(map(str, np.unique(np.outer(*counts))))} pixels, whose common "
                    f"multiple {total} times codes of {datatype.bitwidth()} bits float32 may round: count the padding "
                    "(count_include_pad=1) and leave ceil_mode out, or use a smaller window",
                )
            codes = self._evened(graph, node, codes, scaled_type(datatype, pixels), [
                whole // each for whole, each in zip(common, counts, strict=True)
            ])  # fmt: skip
        graph.add_node(
            "Conv", [source, ones], [codes], name=node.name, kernel_shape=kernel, pads=pads_of_pool(node, *sizes),
            group=channels, strides=list(attribute(node, "strides", [1, 1])),
        )  # fmt: skip
        return given

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic] | None:
        """Sums, of as many pixels as all windows divide, and then as onnxruntime divides."""
        counts = _counts(node, graph.shapes[node.input[0]][2:], graph.shapes[node.output[0]][2:])
        return behind_mean(scales[0], int(np.prod([np.lcm.reduce(each) for each in counts])))

    @staticmethod
    def _evened(
        graph: GraphEditor, node: NodeProto, result: str, datatype: BaseDataType, factors: list[np.ndarray]
    ) -> str:
        """Sums of ``datatype`` which, times the ``factors`` of rows and columns, are ``result``; returns the tensor."""
        sums = graph.add_tensor(f"{result}_uneven", graph.shapes[result], datatype)
        each = np.outer(*factors)
        table = graph.add_constant(f"{result}_factors", each[None, None], smallest_integer_type(0, int(each.max())))
        graph.add_node("Mul", [sums, table], [result], name=f"{node.name}_even")
        return sums

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Means of values lie between them, and zero."""
        low, high = range_of(node.input[0])
        return min(low, 0), max(high, 0)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        pads, strides = attribute(node, "pads", [0] * 4), attribute(node, "strides", [1, 1])
        return window_size(size, attribute(node, "kernel_shape"), pads, strides)


class WindowSums(Sum):
    """Conv of ones, which `AveragePool` becomes."""

    inner = ("Conv",)
    told = "AveragePool"

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Ones alone."""
        return graph.datatypes.get(node.input[1]) == ONES

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Pad, Im2Col and the kernel."""
        result, kernel = node.output[0], tuple(attribute(node, "kernel_shape"))
        graph.remove(node)
        patches = image_patches(graph, node, kernel, list(attribute(node, "pads")))
        add_kernel(
            graph, WindowSum_rtl, [patches], [result], node.name, Taps=kernel[0] * kernel[1],
            outputDataType=graph.datatypes[result].name,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        return window_size(size, attribute(node, "kernel_shape"), attribute(node, "pads"), attribute(node, "strides"))


class EvenSums(Sum):
    """Mul of sums by integers of their places, put by `AveragePool` where windows count unlike numbers of pixels."""

    inner = ("Mul",)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Integers for all places of one channel."""
        factors = graph.constants.get(node.input[1])
        return factors is not None and factors.ndim == RANK and factors.size > 1 and graph.is_integer(node.input[1])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        result, factors = node.output[0], graph.constants[node.input[1]][0, 0].astype(int)
        graph.remove(node)
        columns = factors[0] // np.gcd.reduce(factors[0])
        add_kernel(
            graph, PlaceFactor_rtl, [node.input[0]], [result], node.name,
            RowFactors=(factors[:, 0] // columns[0]).tolist(), ColumnFactors=columns.tolist(),
            outputDataType=graph.datatypes[result].name,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """None but its own."""
        if graph.constants[node.input[1]].shape[2:] != tuple(size):
            raise ConfigError(f"{node.name} was lowered for other places than {size[0]}x{size[1]}: set the size before")
        return size


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "average-pool, other windows",
        "any kernel, 2x2 of odd sides; equal strides; every window counts the same number of pixels (padding may "
        "count); then a quantizer",
        "ZeroPad (ours), ConvolutionInputGenerator (FINN), WindowSum, Threshold (ours)",
    ),
    (
        "average-pool, windows that count different numbers of pixels",
        "`count_include_pad=0`, `ceil_mode`; the common multiple of these numbers, times a code, below 2\\*\\*24 "
        "(7x7 with padding 3: codes of up to 6 bits)",
        "as for other windows, and PlaceFactor (ours), which multiplies each sum by the common multiple over its "
        "number of pixels",
    ),
)
OPERATORS = (AveragePool(), WindowSums(), EvenSums())
