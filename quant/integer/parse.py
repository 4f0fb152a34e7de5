"""Reads a QONNX graph as an integer program.

The graph is walked once. After a Quant node a tensor is codes; after a convolution, sum or upsampling it is an exact
integer accumulator with a chain of float operators, until the next Quant node turns the chain into a staircase.
Whatever has no integer form is refused with the node's name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.general.quant import max_int, min_int
from qonnx.util.basic import get_by_name

from quant.errors import ExportError
from quant.integer.program import Codes, Concat, Conv, MaxPool, Program, Step, Sum, Upsample
from quant.integer.staircase import Activation, Affine, Chain, Clip, Leaky

INPUT_CODES = Codes(1 / 256, 0, 255)
# What no thresholds hold, and what is monotonic but not made into them yet: the ONNX side of ``quant.activations``.
NOT_MONOTONIC = ("HardSwish", "Gelu", "Erf", "Mish", "Swish", "Sin", "Cos", "Abs")
CURVED = ("Elu", "Celu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Log")
# Accumulators and logits below it are exact in a float32 convolution, in any order of its sums.
EXACT_FLOAT32 = 2**24


@dataclass(frozen=True)
class Pending:
    """A step whose accumulator still passes float operators."""

    step: Conv | Sum | Upsample
    chain: Chain
    channels: int


@dataclass(frozen=True)
class Weights:
    """A quantized constant: integers times ``scale`` (scalar or per output channel)."""

    integers: np.ndarray
    scale: np.ndarray


class Parser:
    def __init__(self, model: ModelWrapper) -> None:
        self.model = model
        self.codes: dict[str, Codes] = {}
        self.channels: dict[str, int] = {}
        self.pending: dict[str, Pending] = {}
        self.weights: dict[str, Weights] = {}
        self.steps: list[Step] = []
        self.source = model.graph.input[0].name

    def run(self) -> Program:
        shape = self.model.get_tensor_shape(self.source)
        if len(self.model.graph.input) != 1 or len(self.model.graph.output) != 1 or shape is None or len(shape) != 4:
            raise ExportError("the graph must have one (1, C, H, W) input and one output; export it with a fixed size")
        handlers = {
            "Quant": self._quant,
            "Conv": self._conv,
            "BatchNormalization": self._norm,
            "Relu": self._relu,
            "Clip": self._clip,
            "LeakyRelu": self._leaky_relu,
            "PRelu": self._leaky_relu,
            "HardSigmoid": self._hard_sigmoid,
            "Add": self._add,
            "Resize": self._resize,
            "MaxPool": self._pool,
            "Concat": self._concat,
        }
        for node in self.model.graph.node:
            if node.op_type in NOT_MONOTONIC:
                raise ExportError(
                    f"activation '{node.op_type}' of node '{node.name}' is not monotonic, so it cannot become"
                    " thresholds; use ReLU"
                )
            if node.op_type in CURVED:
                raise ExportError(
                    f"activation '{node.op_type}' of node '{node.name}' is monotonic but curved, which is not made into"
                    " thresholds yet; use ReLU"
                )
            if node.op_type not in handlers:
                supported = ", ".join(sorted(handlers))
                raise ExportError(f"node '{node.name}' ({node.op_type}) has no integer form; supported: {supported}")
            handlers[node.op_type](node)
        return self._finish(shape)

    def _finish(self, shape: list[int]) -> Program:
        output = self.model.graph.output[0].name
        last = self.pending.get(output)
        if last is None or not isinstance(last.step, Conv):
            raise ExportError(f"output '{output}' is not a convolution's; the last layer gives the logits, unquantized")
        gain, shift = last.chain.affine()
        bias = np.round(shift / gain)
        clipped = not all(isinstance(operator, Affine) for operator in last.chain.operators)
        if clipped or len(set(gain)) != 1 or np.any(bias * gain != shift):
            raise ExportError(f"the bias of the last layer '{last.step.name}' is not on its accumulator's grid")
        bias = bias.astype(np.int64)
        _require_exact(last.step.name, "logits", last.step.low + bias, last.step.high + bias)
        self.steps.append(replace(last.step, output=output, bias=bias))
        return Program(
            source=self.source,
            output=output,
            height=shape[2],
            width=shape[3],
            logit_scale=float(gain[0]),
            steps=tuple(self.steps),
            codes=self.codes,
            channels={**self.channels, output: last.channels},
        )

    def _quant(self, node: NodeProto) -> None:
        codes, scale = self._quantizer(node)
        source = node.input[0]
        constant = self.model.get_initializer(source)
        if constant is not None:
            integers = np.clip(np.round(constant / scale), codes.low, codes.high).astype(np.int64)
            self.weights[node.output[0]] = Weights(integers, scale.astype(np.float64))
            return
        if scale.size != 1:
            raise ExportError(f"quantizer '{node.name}' has one scale per channel; activations need one per tensor")
        if source == self.source:
            if codes != INPUT_CODES:
                raise ExportError(
                    f"input quantizer '{node.name}' has scale {codes.scale} and codes {codes.low} to {codes.high}; the"
                    " input is 8-bit pixel codes / 256"
                )
            self.channels[node.output[0]] = self.model.get_tensor_shape(self.source)[1]
            self.codes[node.output[0]] = codes
            self.source = node.output[0]
            return
        pending = self.pending.pop(source, None)
        if pending is None:
            raise ExportError(f"quantizer '{node.name}' reads '{source}', not an accumulator; quantize it once")
        staircase = pending.chain.staircase(codes)
        if isinstance(pending.step, Conv):
            step = replace(pending.step, nodes=(*pending.step.nodes, node.name))
        else:
            step = pending.step
        self.steps.append(replace(step, output=node.output[0], staircase=staircase))
        self.codes[node.output[0]], self.channels[node.output[0]] = codes, pending.channels

    def _quantizer(self, node: NodeProto) -> tuple[Codes, np.ndarray]:
        scale, zero_point, bits = (self.model.get_initializer(name) for name in node.input[1:4])
        if scale is None or zero_point is None or bits is None:
            raise ExportError(f"quantizer '{node.name}' has a computed scale, zero point or width; make them constants")
        rounding = _attribute(node, "rounding_mode", b"ROUND")
        if np.any(zero_point != 0) or rounding not in (b"ROUND", "ROUND"):
            raise ExportError(f"quantizer '{node.name}' must round to nearest with zero point 0")
        signed, narrow, width = bool(_attribute(node, "signed", 1)), bool(_attribute(node, "narrow", 0)), int(bits)
        low, high = int(min_int(signed, narrow, width)), int(max_int(signed, narrow, width))
        return Codes(float(scale.flat[0]), low, high), scale

    def _conv(self, node: NodeProto) -> None:
        source = self._codes_input(node, 0)
        weights = self.weights.get(node.input[1])
        if weights is None:
            raise ExportError(f"convolution '{node.name}' has float weights; quantize them")
        integers = weights.integers
        for name in ("strides", "dilations"):
            if list(_attribute(node, name, [1, 1])) != [1, 1]:
                raise ExportError(f"convolution '{node.name}' has {name} {_attribute(node, name, [])}; only 1 is exact")
        groups, codes = _attribute(node, "group", 1), self.codes[source]
        low = np.minimum(integers * codes.low, integers * codes.high).sum(axis=(1, 2, 3))
        high = np.maximum(integers * codes.low, integers * codes.high).sum(axis=(1, 2, 3))
        _require_exact(node.name, "accumulators", low, high)
        scale = np.broadcast_to(weights.scale.reshape(-1) * codes.scale, (len(integers),)).astype(np.float64)
        chain, shift = Chain(scale, low, high), np.zeros(len(integers))
        if len(node.input) > 2:
            bias = self.weights.get(node.input[2])
            if bias is None:
                raise ExportError(f"convolution '{node.name}' has a float bias; quantize it to the accumulator's scale")
            shift = (bias.integers * bias.scale).reshape(-1)
            chain = chain.then(Affine(np.ones(len(integers)), shift))
        pads = tuple(_attribute(node, "pads", [0] * 4))
        ends = (node.name, source, node.output[0])
        step = Conv(*ends, integers, pads, groups, low, high, scale, shift, layer=node.doc_string)
        if groups > 1 and not step.centred:
            raise ExportError(
                f"convolution '{node.name}' of {groups} groups has kernel {step.kernel} and pads {pads}; a depthwise"
                " kernel is square and odd, padded by half of it"
            )
        self.pending[node.output[0]] = Pending(step, chain, len(integers))

    def _norm(self, node: NodeProto) -> None:
        gamma, beta, mean, variance = (self.model.get_initializer(name).astype(np.float64) for name in node.input[1:5])
        gain = gamma / np.sqrt(variance + _attribute(node, "epsilon", 1e-5))
        self._extend(node, Affine(gain, beta - mean * gain))

    def _relu(self, node: NodeProto) -> None:
        self._extend(node, Clip(0.0, np.inf))

    def _clip(self, node: NodeProto) -> None:
        names = [*node.input[1:], "", ""][:2]
        low, high = (self.model.get_initializer(name) if name else None for name in names)
        self._extend(node, Clip(-np.inf if low is None else float(low), np.inf if high is None else float(high)))

    def _leaky_relu(self, node: NodeProto) -> None:
        slope = (
            self.model.get_initializer(node.input[1]) if node.op_type == "PRelu" else _attribute(node, "alpha", 0.01)
        )
        channels = self.model.get_tensor_shape(node.output[0])[1]
        slopes = np.broadcast_to(np.asarray(slope, np.float64).reshape(-1), (channels,))
        if np.any(slopes <= 0):
            raise ExportError(f"activation '{node.name}' has a slope that is not positive, so it is not monotonic")
        self._extend(node, Leaky(slopes))

    def _hard_sigmoid(self, node: NodeProto) -> None:
        channels = self.model.get_tensor_shape(node.output[0])[1]
        gain, shift = _attribute(node, "alpha", 0.2), _attribute(node, "beta", 0.5)
        self._extend(node, Affine(np.full(channels, gain), np.full(channels, shift)), Clip(0.0, 1.0))

    def _extend(self, node: NodeProto, *operators: Affine | Activation) -> None:
        pending = self.pending.pop(node.input[0], None)
        if pending is None:
            if node.input[0] == self.model.graph.input[0].name:
                raise ExportError(
                    f"the input passes '{node.name}' ({node.op_type}) before its quantizer, which makes zero padding a"
                    " non-integer code; feed pixel codes / 256 without mean and deviation"
                )
            raise ExportError(f"node '{node.name}' ({node.op_type}) reads codes; it must stand before a quantizer")
        step = pending.step
        if isinstance(step, Conv):
            step = replace(step, nodes=(*step.nodes, node.name))
        chain = pending.chain
        for operator in operators:
            counts = {Affine: "gain", Leaky: "slope"}.get(type(operator))
            if counts and len(getattr(operator, counts)) != len(chain.scale):
                raise ExportError(
                    f"node '{node.name}' scales a sum or upsampling per channel; put it after a convolution"
                )
            chain = chain.then(operator)
        self.pending[node.output[0]] = Pending(step, chain, pending.channels)

    def _add(self, node: NodeProto) -> None:
        for value, constant in (node.input[:2], node.input[1::-1]):
            shift = self.model.get_initializer(constant)
            if shift is not None:
                if shift.size != 1:
                    raise ExportError(f"node '{node.name}' adds a constant per channel; put it into the BN or the bias")
                count = len(self.pending[value].chain.scale) if value in self.pending else 1
                moved = Affine(np.ones(count), np.full(count, float(shift.flat[0])))
                self._extend(_with_input(node, value), moved)
                return
        a, b = self._codes_input(node, 0), self._codes_input(node, 1)
        codes_a, codes_b = self.codes[a], self.codes[b]
        self._require_one_scale(node, a, b)
        scale = np.array([codes_a.scale])
        low, high = np.array([codes_a.low + codes_b.low]), np.array([codes_a.high + codes_b.high])
        chain = Chain(scale, low, high)
        self._start(node, Sum(node.name, (a, b), node.output[0], None), chain, self.channels[a])

    def _resize(self, node: NodeProto) -> None:
        source = self._codes_input(node, 0)
        scales = self.model.get_initializer(node.input[2]) if len(node.input) > 2 else None
        mode = _attribute(node, "mode", b"nearest")
        position = _attribute(node, "coordinate_transformation_mode", b"half_pixel")
        if mode != b"linear" or position != b"half_pixel" or scales is None or list(scales) != [1, 1, 2, 2]:
            raise ExportError(f"upsampling '{node.name}' must be bilinear by 2 with align_corners=False")
        codes = self.codes[source]
        chain = Chain(np.array([codes.scale / 16]), np.array([16 * codes.low]), np.array([16 * codes.high]))
        self._start(node, Upsample(node.name, source, node.output[0], None), chain, self.channels[source])

    def _start(self, node: NodeProto, step: Sum | Upsample, chain: Chain, channels: int) -> None:
        self.pending[node.output[0]] = Pending(step, chain, channels)

    def _pool(self, node: NodeProto) -> None:
        source = self._codes_input(node, 0)
        for name, value in {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4}.items():
            if list(_attribute(node, name, [0] * 4)) != value:
                raise ExportError(f"max-pool '{node.name}' must be 2x2 with stride 2 and no padding")
        self.steps.append(MaxPool(node.name, source, node.output[0]))
        self.codes[node.output[0]], self.channels[node.output[0]] = self.codes[source], self.channels[source]

    def _concat(self, node: NodeProto) -> None:
        if _attribute(node, "axis", 1) != 1:
            raise ExportError(f"concatenation '{node.name}' must join tensors along the channels")
        names = tuple(self._codes_input(node, index) for index in range(len(node.input)))
        codes = [self.codes[name] for name in names]
        for name in names[1:]:
            self._require_one_scale(node, names[0], name)
        self.steps.append(Concat(node.name, names, node.output[0]))
        if len({entry.low for entry in codes}) != 1:
            raise ExportError(f"concatenation '{node.name}' joins signed and unsigned codes; share a quantizer")
        joined = Codes(codes[0].scale, codes[0].low, max(entry.high for entry in codes))
        self.codes[node.output[0]] = joined
        self.channels[node.output[0]] = sum(self.channels[name] for name in names)

    def _codes_input(self, node: NodeProto, index: int) -> str:
        name = node.input[index]
        if name not in self.codes:
            raise ExportError(f"node '{node.name}' ({node.op_type}) reads '{name}', not a tensor of codes; quantize it")
        return name

    def _require_one_scale(self, node: NodeProto, a: str, b: str) -> None:
        if self.codes[a].scale != self.codes[b].scale:
            raise ExportError(
                f"node '{node.name}' ({node.op_type}) joins the scales {self.codes[a].scale} and {self.codes[b].scale};"
                " let both branches share a quantizer"
            )


def _require_exact(name: str, what: str, low: np.ndarray, high: np.ndarray) -> None:
    largest = max(-low.min(), high.max())
    if largest >= EXACT_FLOAT32:
        raise ExportError(
            f"convolution '{name}' reaches {what} of {largest}, beyond the {EXACT_FLOAT32} that float32 execution holds"
            " exactly; use fewer bits"
        )


def _attribute(node: NodeProto, name: str, default: object) -> object:
    """An attribute's value; bytes for strings. Brevitas writes a false flag as an empty string."""
    found = get_by_name(node.attribute, name)
    if found is None:
        return default
    kind = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints"}[found.type]
    return getattr(found, kind)


def _with_input(node: NodeProto, value: str) -> NodeProto:
    renamed = NodeProto()
    renamed.CopyFrom(node)
    renamed.input[0] = value
    return renamed


def parse(model: ModelWrapper) -> Program:
    """The integer program of a cleaned QONNX graph.

    Raises:
        ExportError: something in the graph has no exact integer form.
    """
    return Parser(model).run()


def load_program(path: Path) -> Program:
    """Reads ``model.qonnx``.

    Raises:
        ExportError: missing, not an ONNX file, or without an exact integer form.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError(f"'{path}' does not exist; write it with `python -m quant export`")
    try:
        model = ModelWrapper(str(path))
    except (DecodeError, ValueError) as error:
        raise ExportError(f"'{path}' is not a QONNX graph ({type(error).__name__}); export the network again") from None
    if not model.graph.node:
        raise ExportError(f"'{path}' holds no graph; export the network again")
    return parse(model)
