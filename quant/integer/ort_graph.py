"""Builds an onnxruntime graph of 8-bit kernels that computes an integer program exactly.

Layout: ``lanes`` images side by side, (1, H, W, lanes * C) uint8 with channel = lane * C + c; a code is stored as
code - low. Wide rows are what makes it fast: onnxruntime's depthwise kernel and GEMM starve on 8 or 10 channels.
Dense convolutions see ``lanes`` images, or neighbouring pixels of a row, as one pixel with a block-diagonal or banded
weight matrix; pointwise ones just reshape.

Exactness: products of codes and weights are exact in int32. On processors without VNNI onnxruntime's kernels of uint8
by int8 add two products in int16 and saturate there; here they cannot: codes are stored from 0 and a weight, with its
multiplier, is at most 32767 / (2 * largest code), 64 for 8-bit codes, so that no two products leave int16, whichever
meet. Requantization is a fitted scale and bias (``fit.py``). A convolution that cannot be had so goes through a float32
convolution, whose integers below 2**24 are exact, and a line in floats.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from quant.base.errors import ExportError
from quant.integer.fit import Fit, Line, fit_staircase, line_of
from quant.integer.program import Conv, Program, window_sizes
from quant.operators import of_step

_MICROSOFT = "com.microsoft"
_INT16_MAX, _INT8_MAX = 32767, 127
_FILLED_COLUMNS = 16  # output columns that fill a vector register of the int8 GEMM
_WIDEST_LANES = 64  # beyond, block-diagonal weights cost more than wide rows give
_ON_AN_INTEGER = 1e-9
_NO_CODE = np.uint8(0)  # the least


class GraphBuilder:
    """Writes a program as an onnxruntime graph, node by node."""

    def __init__(self, program: Program, lanes: int) -> None:
        self.program, self.lanes = program, lanes
        self.nodes: list = []
        self.constants: dict[str, np.ndarray] = {}
        self.sizes = {program.source: program.size}
        self.one, self.zero = self.constant(np.float32(1)), self.constant(np.uint8(0))

    def build(self) -> ModelProto:
        for step in self.program.steps:
            of_step(step).build(self, step)
        height, width, channels = self.program.input_shape
        source = helper.make_tensor_value_info(
            self.program.source, TensorProto.UINT8, (1, height, width, self.lanes * channels)
        )
        output = helper.make_tensor_value_info(self.program.output, TensorProto.INT32, None)
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "integer_program", [source], [output], constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def conv(self, conv: Conv) -> None:
        """A convolution: in int8 where its kernel has it, otherwise in float32."""
        self.sizes[conv.output] = window_sizes(
            self.sizes[conv.source], conv.kernel, conv.pads, conv.strides, conv.dilations
        )
        if conv.staircase is None:
            self._logits(conv)
        elif conv.centred and (fit := self._int8_fit(conv)) is not None:
            self._int8_conv(conv, fit)
        else:
            self._float_conv(conv)

    def _int8_fit(self, conv: Conv) -> Fit | None:
        multiplier = self.int8_limit(conv.source) // np.maximum(np.abs(conv.weights).max(axis=(1, 2, 3)), 1)
        if multiplier.min() < 1:
            return None
        return fit_staircase(conv.staircase, conv.low, conv.high, multiplier)

    def int8_limit(self, source: str) -> int:
        """The largest weight that neither int8 nor the int16 sum of two products overflows."""
        codes = self.program.codes[source]
        return min(_INT8_MAX, _INT16_MAX // (2 * (codes.high - codes.low)))

    def _int8_conv(self, conv: Conv, fit: Fit) -> None:
        weights = (fit.multiplier * conv.staircase.sign)[:, None, None, None] * conv.weights
        height, width = self.sizes[conv.source]
        pad = conv.pads[0]
        if conv.depthwise:
            columns, pads, groups = self.lanes, [pad] * 4, self.lanes * conv.groups
            weights, source = np.tile(weights, (columns, 1, 1, 1)), conv.source
        elif conv.kernel == (1, 1):
            pixels, groups, pads = height * width * self.lanes, 1, [0] * 4
            columns = self._pixels_a_row(conv.out_channels, pixels)
            weights = banded_weights(dense_weights(weights, conv.groups), 1, columns)
            source = self.reshape(conv.source, (1, pixels // columns, 1, columns * conv.in_channels))
        else:
            pixels = self._pixels_a_row(self.lanes * conv.out_channels, width)
            columns, groups = pixels * self.lanes, 1
            weights = banded_weights(dense_weights(weights, conv.groups), pixels, self.lanes)
            pads = [pad, weights.shape[3] // 2] * 2
            source = self.reshape(conv.source, (1, height, width // pixels, columns * conv.in_channels))
        out = self.quantized_conv(conv.source, source, weights, fit, columns, pads, groups)
        out = self.clip(out, fit, columns)
        self.reshape(out, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def quantized_conv(
        self, codes_of: str, source: str, weights: np.ndarray, fit: Fit, columns: int, pads: list[int], groups: int
    ) -> str:
        """Codes - low of a convolution of ``source``, whose codes are those of ``codes_of``, by the line ``fit``."""
        channels = weights.shape[0]
        inputs = [
            source,
            self.one,
            self._zero_point(codes_of),
            self.constant(weights.astype(np.int8)),
            self.constant(np.tile(fit.scale, columns)),
            self.constant(np.zeros(channels, np.int8)),
            self.one,
            self.zero,
            self.constant(np.tile(fit.bias, columns).astype(np.int32)),
        ]
        attributes = {"kernel_shape": list(weights.shape[2:]), "pads": pads, "group": groups, "channels_last": 1}
        return self.node("QLinearConv", inputs, domain=_MICROSOFT, **attributes)

    def _pixels_a_row(self, channels: int, pixels: int) -> int:
        """How many pixels to see as one, their ``channels`` filling a register: a power of two dividing ``pixels``."""
        count = 1
        while count * channels < _FILLED_COLUMNS and pixels % (2 * count) == 0:
            count *= 2
        return count

    def clip(self, source: str, fit: Fit, columns: int) -> str:
        """Limits codes that the fitted line lets run past their reachable range."""
        if fit.undershoots:
            source = self.node("Max", [source, self.constant(np.tile(fit.floor, columns).astype(np.uint8))])
        if not fit.overshoots or fit.ceiling.min() >= 255:
            return source
        if fit.ceiling.min() == fit.ceiling.max():
            limits = [self.zero, self.constant(np.uint8(fit.ceiling[0]))]
            return self.node("Clip", [source, *limits])
        return self.node("Min", [source, self.constant(np.tile(fit.ceiling, columns).astype(np.uint8))])

    def _float_conv(self, conv: Conv) -> None:
        """Exact integers in float32, NCHW, then codes by a line."""
        signed = conv.staircase.sign[:, None, None, None] * conv.weights
        self.codes_of(self._float_accumulators(conv, signed, None), conv)

    def codes_of(self, accumulators: str, conv: Conv) -> None:
        """The output of ``conv`` of its signed accumulators (lanes, O, H, W) float32, by a line."""
        line = line_of(conv.staircase, conv.low, conv.high)
        self._from_nchw(self.line_codes(accumulators, line, conv.name), conv)

    def line_codes(self, accumulators: str, line: Line, name: str) -> str:
        """uint8 codes - low of exact float32 accumulators (..., C, H, W), in float32 or, if too coarse, float64."""
        slope, offset = line.slope[:, None, None], line.offset[:, None, None]
        if line.exact(np.float32):
            out = self.node("Mul", [accumulators, self.constant(slope.astype(np.float32))])
            out = self.node("Add", [out, self.constant(offset.astype(np.float32))])
            out = self.node("QuantizeLinear", [out, self.one, self.zero])
        elif line.exact(np.float64):
            out = self.node("Cast", [accumulators], to=TensorProto.DOUBLE)
            out = self.node("Add", [self.node("Mul", [out, self.constant(slope)]), self.constant(offset + 0.5)])
            limits = [self.constant(np.float64(0)), self.constant(np.float64(255))]
            out = self.node("Clip", [self.node("Floor", [out]), *limits])
            out = self.node("Cast", [out], to=TensorProto.UINT8)
        elif line.distance > _ON_AN_INTEGER:
            out = self._climbed(accumulators, line)
        else:
            raise ExportError(f"a threshold of '{name}' lies on an integer accumulator; settle the BN shifts")
        if line.undershoots:
            out = self.node("Max", [out, self.constant(line.floor.astype(np.uint8)[:, None, None])])
        if line.overshoots:
            out = self.node("Min", [out, self.constant(line.ceiling.astype(np.uint8)[:, None, None])])
        return out

    def _climbed(self, accumulators: str, line: Line) -> str:
        """uint8 codes - low as the count of thresholds reached: where an activation bends the line."""
        reached = [
            self.node("Cast", [self.node("GreaterOrEqual", [accumulators, threshold])], to=TensorProto.FLOAT)
            for step in line.thresholds.T  # (C, n): one threshold of each channel at a time
            for threshold in [self.constant(step.astype(np.float32)[:, None, None])]
        ]
        return self.node("Cast", [self.node("Sum", reached)], to=TensorProto.UINT8)

    def _float_accumulators(self, conv: Conv, weights: np.ndarray, bias: np.ndarray | None) -> str:
        """(lanes, O, H, W) float32, exact."""
        inputs = [self.planes(conv.source), self.constant(weights.astype(np.float32))]
        if bias is not None:
            inputs.append(self.constant(bias.astype(np.float32)))
        shape = {"kernel_shape": list(conv.kernel), "pads": list(conv.pads), "group": conv.groups}
        moves = {"strides": list(conv.strides), "dilations": list(conv.dilations)}
        return self.node("Conv", inputs, **shape, **moves)

    def planes(self, source: str) -> str:
        """The codes of a tensor as (lanes, C, H, W) float32."""
        (height, width), channels = self.sizes[source], self.program.channels[source]
        flat = self.reshape(source, (height * width, self.lanes * channels))
        planes = self.node("Transpose", [flat], perm=[1, 0])
        planes = self.reshape(planes, (self.lanes, channels, height, width))
        planes = self.node("Cast", [planes], to=TensorProto.FLOAT)
        low = self.program.codes[source].low
        return self.node("Add", [planes, self.constant(np.float32(low))]) if low else planes

    def _from_nchw(self, source: str, conv: Conv) -> None:
        height, width = self.sizes[conv.output]
        flat = self.reshape(source, (self.lanes * conv.out_channels, height * width))
        rows = self.node("Transpose", [flat], perm=[1, 0])
        self.reshape(rows, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def _logits(self, conv: Conv) -> None:
        limit = self.int8_limit(conv.source)
        if conv.kernel != (1, 1) or not conv.centred or conv.groups > 1 or np.abs(conv.weights).max() > limit:
            out = self._float_accumulators(conv, conv.weights, conv.bias)
            self._from_nchw(self.node("Cast", [out], to=TensorProto.INT32), conv)
            return
        height, width = self.sizes[conv.source]
        pixels = height * width * self.lanes
        columns = self._pixels_a_row(conv.out_channels, pixels)
        matrix = banded_weights(conv.weights, 1, columns)[:, :, 0, 0].T  # (columns * I, columns * O)
        source = self.reshape(conv.source, (pixels // columns, columns * conv.in_channels))
        inputs = [source, self.constant(matrix.astype(np.int8)), self._zero_point(conv.source)]
        out = self.node("MatMulInteger", inputs)
        out = self.node("Add", [out, self.constant(np.tile(conv.bias, columns).astype(np.int32))])
        self.reshape(out, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def repeated(self, source: str, factor: int) -> str:
        """Each pixel of a tensor ``factor`` times in both directions."""
        (height, width), channels = self.sizes[source], self.lanes * self.program.channels[source]
        columns = self.node("Concat", [source] * factor, axis=3)
        rows = self.reshape(columns, (height, 1, factor * width, channels))
        rows = self.node("Concat", [rows] * factor, axis=1)
        return self.reshape(rows, (1, factor * height, factor * width, channels))

    def pad(self, source: str, pads: tuple[int, int, int, int]) -> str:
        """A tensor with the least code around it; ``pads`` as of ``Conv``."""
        if not any(pads):
            return source
        top, left, bottom, right = pads
        amounts = self.constant(np.array([0, top, left, 0, 0, bottom, right, 0], np.int64))
        return self.node("Pad", [source, amounts, self.constant(_NO_CODE)], mode="constant")

    def _zero_point(self, tensor: str) -> str:
        return self.constant(np.uint8(-self.program.codes[tensor].low))

    def reshape(self, source: str, shape: tuple[int, ...], output: str | None = None) -> str:
        """``source`` in another shape, under the name ``output``."""
        return self.node("Reshape", [source, self.constant(np.array(shape, np.int64))], output)

    def name(self, source: str, output: str) -> None:
        """Gives the value ``source`` the name ``output``."""
        self.node("Identity", [source], output)

    def constant(self, value: np.ndarray | np.generic) -> str:
        """A constant of the graph."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        return name

    def node(
        self, op: str, inputs: list[str], output: str | None = None, domain: str = "", **attributes: object
    ) -> str:
        """A node with one output, whose name it returns."""
        output = output or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output


def dense_weights(weights: np.ndarray, groups: int) -> np.ndarray:
    """Grouped weights (O, I / groups, KH, KW) as ungrouped (O, I, KH, KW) with zeros."""
    outputs, inputs, *kernel = weights.shape
    dense = np.zeros((groups, outputs // groups, groups, inputs, *kernel), weights.dtype)
    for group, block in enumerate(weights.reshape(groups, outputs // groups, inputs, *kernel)):
        dense[group, :, group] = block
    return dense.reshape(outputs, groups * inputs, *kernel)


def banded_weights(weights: np.ndarray, pixels: int, lanes: int) -> np.ndarray:
    """Weights that see ``pixels`` neighbours of a row, of ``lanes`` separate images, as one pixel.

    (O, I, K, K) -> (pixels * lanes * O, pixels * lanes * I, K, K'), K' odd and wide enough for the row.
    """
    outputs, inputs, kernel, _ = weights.shape
    reach = kernel // 2
    wide_reach = -(-reach // pixels)
    banded = np.zeros((pixels, lanes, outputs, pixels, lanes, inputs, kernel, 2 * wide_reach + 1), weights.dtype)
    for pixel in range(pixels):
        for column in range(kernel):
            step, neighbour = divmod(pixel + column - reach, pixels)
            for lane in range(lanes):
                banded[pixel, lane, :, neighbour, lane, :, :, wide_reach + step] = weights[:, :, :, column]
    return banded.reshape(pixels * lanes * outputs, pixels * lanes * inputs, kernel, 2 * wide_reach + 1)


def widest_lanes(program: Program, lanes: int) -> int:
    """``lanes``, or 1 for networks whose spatial convolutions are too wide to gain from lanes."""
    widths = [conv.out_channels for conv in program.convolutions if max(conv.kernel) > 1 and not conv.depthwise]
    return lanes if lanes * max(widths, default=0) <= 2 * _WIDEST_LANES else 1
