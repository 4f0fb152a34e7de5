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

from quant.errors import ExportError
from quant.integer.fit import Fit, Line, fit_staircase, line_of
from quant.integer.program import Concat, Conv, MaxPool, Program, Sum, Upsample

_MICROSOFT = "com.microsoft"
_INT16_MAX, _INT8_MAX = 32767, 127
_FILLED_COLUMNS = 16  # output columns that fill a vector register of the int8 GEMM
_WIDEST_LANES = 64  # beyond, block-diagonal weights cost more than wide rows give
_ON_AN_INTEGER = 1e-9
_BILINEAR = np.outer([1, 2, 1], [1, 2, 1])  # of the nearest-neighbour image, in sixteenths


class GraphBuilder:
    def __init__(self, program: Program, lanes: int) -> None:
        self.program, self.lanes = program, lanes
        self.nodes: list = []
        self.constants: dict[str, np.ndarray] = {}
        self.sizes = {program.source: (program.height, program.width)}
        self._one, self._zero = self._constant(np.float32(1)), self._constant(np.uint8(0))

    def build(self) -> ModelProto:
        builders = {
            Conv: self._conv,
            Sum: self._sum,
            Upsample: self._upsample,
            MaxPool: self._pool,
            Concat: self._concat,
        }
        for step in self.program.steps:
            builders[type(step)](step)
        height, width, channels = self.program.input_shape
        source = helper.make_tensor_value_info(
            self.program.source, TensorProto.UINT8, (1, height, width, self.lanes * channels)
        )
        output = helper.make_tensor_value_info(self.program.output, TensorProto.INT32, None)
        constants = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "integer_program", [source], [output], constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def _conv(self, conv: Conv) -> None:
        (height, width), (rows, columns), pads = self.sizes[conv.source], conv.kernel, conv.pads
        self.sizes[conv.output] = (height + pads[0] + pads[2] - rows + 1, width + pads[1] + pads[3] - columns + 1)
        if conv.staircase is None:
            self._logits(conv)
        elif conv.centred and (fit := self._int8_fit(conv)) is not None:
            self._int8_conv(conv, fit)
        else:
            self._float_conv(conv)

    def _int8_fit(self, conv: Conv) -> Fit | None:
        multiplier = self._int8_limit(conv.source) // np.maximum(np.abs(conv.weights).max(axis=(1, 2, 3)), 1)
        if multiplier.min() < 1:
            return None
        return fit_staircase(conv.staircase, conv.low, conv.high, multiplier)

    def _int8_limit(self, source: str) -> int:
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
            source = self._reshape(conv.source, (1, pixels // columns, 1, columns * conv.in_channels))
        else:
            pixels = self._pixels_a_row(self.lanes * conv.out_channels, width)
            columns, groups = pixels * self.lanes, 1
            weights = banded_weights(dense_weights(weights, conv.groups), pixels, self.lanes)
            pads = [pad, weights.shape[3] // 2] * 2
            source = self._reshape(conv.source, (1, height, width // pixels, columns * conv.in_channels))
        out = self._quantized_conv(conv.source, source, weights, fit, columns, pads, groups)
        out = self._clip(out, fit, columns)
        self._reshape(out, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def _quantized_conv(
        self, codes_of: str, source: str, weights: np.ndarray, fit: Fit, columns: int, pads: list[int], groups: int
    ) -> str:
        channels = weights.shape[0]
        inputs = [
            source,
            self._one,
            self._zero_point(codes_of),
            self._constant(weights.astype(np.int8)),
            self._constant(np.tile(fit.scale, columns)),
            self._constant(np.zeros(channels, np.int8)),
            self._one,
            self._zero,
            self._constant(np.tile(fit.bias, columns).astype(np.int32)),
        ]
        attributes = {"kernel_shape": list(weights.shape[2:]), "pads": pads, "group": groups, "channels_last": 1}
        return self._node("QLinearConv", inputs, domain=_MICROSOFT, **attributes)

    def _pixels_a_row(self, channels: int, pixels: int) -> int:
        """How many pixels to see as one, their ``channels`` filling a register: a power of two dividing ``pixels``."""
        count = 1
        while count * channels < _FILLED_COLUMNS and pixels % (2 * count) == 0:
            count *= 2
        return count

    def _clip(self, source: str, fit: Fit, columns: int) -> str:
        """Limits codes that the fitted line lets run past their reachable range."""
        if fit.undershoots:
            source = self._node("Max", [source, self._constant(np.tile(fit.floor, columns).astype(np.uint8))])
        if not fit.overshoots or fit.ceiling.min() >= 255:
            return source
        if fit.ceiling.min() == fit.ceiling.max():
            limits = [self._zero, self._constant(np.uint8(fit.ceiling[0]))]
            return self._node("Clip", [source, *limits])
        return self._node("Min", [source, self._constant(np.tile(fit.ceiling, columns).astype(np.uint8))])

    def _float_conv(self, conv: Conv) -> None:
        """Exact integers in float32, NCHW, then codes by a line."""
        signed = conv.staircase.sign[:, None, None, None] * conv.weights
        accumulators = self._float_accumulators(conv, signed, None)
        line = line_of(conv.staircase, conv.low, conv.high)
        self._from_nchw(self._line_codes(accumulators, line, conv.name), conv)

    def _line_codes(self, accumulators: str, line: Line, name: str) -> str:
        """uint8 codes - low of exact float32 accumulators (..., C, H, W), in float32 or, if too coarse, float64."""
        slope, offset = line.slope[:, None, None], line.offset[:, None, None]
        if line.exact(np.float32):
            out = self._node("Mul", [accumulators, self._constant(slope.astype(np.float32))])
            out = self._node("Add", [out, self._constant(offset.astype(np.float32))])
            out = self._node("QuantizeLinear", [out, self._one, self._zero])
        elif line.exact(np.float64):
            out = self._node("Cast", [accumulators], to=TensorProto.DOUBLE)
            out = self._node("Add", [self._node("Mul", [out, self._constant(slope)]), self._constant(offset + 0.5)])
            limits = [self._constant(np.float64(0)), self._constant(np.float64(255))]
            out = self._node("Clip", [self._node("Floor", [out]), *limits])
            out = self._node("Cast", [out], to=TensorProto.UINT8)
        elif line.distance > _ON_AN_INTEGER:
            out = self._climbed(accumulators, line)
        else:
            raise ExportError(f"a threshold of '{name}' lies on an integer accumulator; settle the BN shifts")
        if line.undershoots:
            out = self._node("Max", [out, self._constant(line.floor.astype(np.uint8)[:, None, None])])
        if line.overshoots:
            out = self._node("Min", [out, self._constant(line.ceiling.astype(np.uint8)[:, None, None])])
        return out

    def _climbed(self, accumulators: str, line: Line) -> str:
        """uint8 codes - low as the count of thresholds reached: where an activation bends the line."""
        reached = [
            self._node("Cast", [self._node("GreaterOrEqual", [accumulators, threshold])], to=TensorProto.FLOAT)
            for step in line.thresholds.T  # (C, n): one threshold of each channel at a time
            for threshold in [self._constant(step.astype(np.float32)[:, None, None])]
        ]
        return self._node("Cast", [self._node("Sum", reached)], to=TensorProto.UINT8)

    def _float_accumulators(self, conv: Conv, weights: np.ndarray, bias: np.ndarray | None) -> str:
        """(lanes, O, H, W) float32, exact."""
        height, width = self.sizes[conv.source]
        flat = self._reshape(conv.source, (height * width, self.lanes * conv.in_channels))
        planes = self._node("Transpose", [flat], perm=[1, 0])
        planes = self._reshape(planes, (self.lanes, conv.in_channels, height, width))
        planes = self._node("Cast", [planes], to=TensorProto.FLOAT)
        low = self.program.codes[conv.source].low
        if low:
            planes = self._node("Add", [planes, self._constant(np.float32(low))])
        inputs = [planes, self._constant(weights.astype(np.float32))]
        if bias is not None:
            inputs.append(self._constant(bias.astype(np.float32)))
        shape = {"kernel_shape": list(conv.kernel), "pads": list(conv.pads), "group": conv.groups}
        return self._node("Conv", inputs, **shape)

    def _from_nchw(self, source: str, conv: Conv) -> None:
        height, width = self.sizes[conv.output]
        flat = self._reshape(source, (self.lanes * conv.out_channels, height * width))
        rows = self._node("Transpose", [flat], perm=[1, 0])
        self._reshape(rows, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def _logits(self, conv: Conv) -> None:
        limit = self._int8_limit(conv.source)
        if conv.kernel != (1, 1) or any(conv.pads) or conv.groups > 1 or np.abs(conv.weights).max() > limit:
            out = self._float_accumulators(conv, conv.weights, conv.bias)
            self._from_nchw(self._node("Cast", [out], to=TensorProto.INT32), conv)
            return
        height, width = self.sizes[conv.source]
        pixels = height * width * self.lanes
        columns = self._pixels_a_row(conv.out_channels, pixels)
        matrix = banded_weights(conv.weights, 1, columns)[:, :, 0, 0].T  # (columns * I, columns * O)
        source = self._reshape(conv.source, (pixels // columns, columns * conv.in_channels))
        inputs = [source, self._constant(matrix.astype(np.int8)), self._zero_point(conv.source)]
        out = self._node("MatMulInteger", inputs)
        out = self._node("Add", [out, self._constant(np.tile(conv.bias, columns).astype(np.int32))])
        self._reshape(out, (1, height, width, self.lanes * conv.out_channels), conv.output)

    def _sum(self, step: Sum) -> None:
        a, b = step.sources
        self.sizes[step.output] = self.sizes[a]
        codes_a, codes_b = self.program.codes[a], self.program.codes[b]
        low, high = np.array([codes_a.low + codes_b.low]), np.array([codes_a.high + codes_b.high])
        zero_points = -codes_a.low - codes_b.low  # the bias travels in the zero points of the addends
        limits = (zero_points - 2 * 255, zero_points)
        fit = fit_staircase(step.staircase, low, high, np.ones(1, np.int64), limits)
        if fit is None or fit.undershoots:
            integers = [self._node("Cast", [name], to=TensorProto.FLOAT) for name in step.sources]
            total = self._node("Add", [self._node("Add", integers), self._constant(np.float32(-zero_points))])
            self._name(self._line_codes(total, line_of(step.staircase, low, high), step.name), step.output)
            return
        zero_a = min(zero_points - int(fit.bias[0]), 255)
        zero_b = zero_points - int(fit.bias[0]) - zero_a
        first, second = ([name, self._one, self._constant(np.uint8(z))] for name, z in ((a, zero_a), (b, zero_b)))
        scale = self._constant(np.float32(1 / float(fit.scale[0])))
        out = self._node("QLinearAdd", [*first, *second, scale, self._zero], domain=_MICROSOFT)
        self._name(self._clip(out, fit, 1), step.output)

    def _upsample(self, step: Upsample) -> None:
        height, width = self.sizes[step.source]
        self.sizes[step.output] = (2 * height, 2 * width)
        codes = self.program.codes[step.source]
        multiplier = np.array([self._int8_limit(step.source) // _BILINEAR.max()])
        fit = fit_staircase(step.staircase, np.array([16 * codes.low]), np.array([16 * codes.high]), multiplier)
        if fit is None or fit.undershoots:
            raise ExportError(f"'{step.name}' requantizes by a factor that 8-bit kernels lack; use power-of-two scales")
        channels = self.lanes * self.program.channels[step.source]
        twice = self._node("Concat", [step.source, step.source], axis=3)
        rows = self._reshape(twice, (height, 1, 2 * width, channels))
        rows = self._node("Concat", [rows, rows], axis=1)
        nearest = self._reshape(rows, (1, 2 * height, 2 * width, channels))
        border = self._constant(np.array([0, 1, 1, 0, 0, 1, 1, 0], np.int64))
        padded = self._node("Pad", [nearest, border], mode="edge")
        weights = np.tile(fit.multiplier[0] * _BILINEAR, (channels, 1, 1, 1))
        out = self._quantized_conv(step.source, padded, weights, fit, channels, [0] * 4, channels)
        self._name(self._clip(out, fit, 1), step.output)

    def _pool(self, step: MaxPool) -> None:
        height, width = self.sizes[step.source]
        self.sizes[step.output] = (height // 2, width // 2)
        shape = {"kernel_shape": [2, 2], "strides": [2, 2]}
        self._name(self._node("NhwcMaxPool", [step.source], domain=_MICROSOFT, **shape), step.output)

    def _concat(self, step: Concat) -> None:
        height, width = self.sizes[step.output] = self.sizes[step.sources[0]]
        pixels = height * width * self.lanes
        parts = [self._reshape(name, (pixels, self.program.channels[name])) for name in step.sources]
        joined = self._node("Concat", parts, axis=1)
        self._reshape(joined, (1, height, width, self.lanes * self.program.channels[step.output]), step.output)

    def _zero_point(self, tensor: str) -> str:
        return self._constant(np.uint8(-self.program.codes[tensor].low))

    def _reshape(self, source: str, shape: tuple[int, ...], output: str | None = None) -> str:
        return self._node("Reshape", [source, self._constant(np.array(shape, np.int64))], output)

    def _name(self, source: str, output: str) -> None:
        self._node("Identity", [source], output)

    def _constant(self, value: np.ndarray | np.generic) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        return name

    def _node(
        self, op: str, inputs: list[str], output: str | None = None, domain: str = "", **attributes: object
    ) -> str:
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
