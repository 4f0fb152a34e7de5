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

from quant.base.errors import ExportError
from quant.integer.exact import require_exact
from quant.integer.nodes import attribute, run_nodes
from quant.integer.program import Codes, Conv, Program, Step, Table
from quant.integer.staircase import Activation, Affine, Chain, Clip, Leaky
from quant.operators import of_node, of_step, operators

INPUT_CODES = Codes(1 / 256, 0, 255)


@dataclass(frozen=True)
class Pending:
    """A step whose accumulator still passes float operators."""

    step: Step
    chain: Chain
    channels: int


@dataclass(frozen=True)
class Function:
    """Nodes in order that compute a tensor of the codes ``source`` alone, value by value."""

    source: str
    nodes: tuple[NodeProto, ...]


@dataclass(frozen=True)
class Weights:
    """A quantized constant: integers times ``scale`` (scalar or per output channel)."""

    integers: np.ndarray
    scale: np.ndarray


class Parser:
    """Reads an exported graph into integer operations, from its input to its output."""

    def __init__(self, model: ModelWrapper) -> None:
        self.model = model
        self.codes: dict[str, Codes] = {}
        self.channels: dict[str, int] = {}
        self.pending: dict[str, Pending] = {}
        self.weights: dict[str, Weights] = {}
        self.functions: dict[str, Function] = {}
        self.steps: list[Step] = []
        self.source = model.graph.input[0].name

    def run(self) -> Program:
        shape = self.model.get_tensor_shape(self.source)
        alone = len(self.model.graph.input) == len(self.model.graph.output) == 1
        if not alone or shape is None or len(shape) not in (4, 5):
            raise ExportError(
                "the graph must have one (1, C, H, W) or (1, C, X, Y, Z) input and one output; export it with a fixed"
                " size"
            )
        handlers = {
            "Quant": self._quant,
            "BatchNormalization": self._norm,
            "Relu": self._relu,
            "Clip": self._clip,
            "LeakyRelu": self._leaky_relu,
            "PRelu": self._leaky_relu,
            "HardSigmoid": self._hard_sigmoid,
        }
        for node in self.model.graph.node:
            if self._joins_function(node):
                continue
            operator = of_node(node)
            if operator is not None:
                operator.parse(self, node)
            elif node.op_type in handlers:
                handlers[node.op_type](node)
            else:
                supported = ", ".join(sorted({*handlers, *(name for each in operators() for name in each.names)}))
                raise ExportError(f"node '{node.name}' ({node.op_type}) has no integer form; supported: {supported}")
        return self._finish(shape)

    def _finish(self, shape: list[int]) -> Program:
        output = self.model.graph.output[0].name
        last = self.pending.get(output)
        if last is None or not of_step(last.step).makes_logits:
            raise ExportError(f"output '{output}' is not a convolution's; the last layer gives the logits, unquantized")
        gain, shift = last.chain.affine()
        bias = np.round(shift / gain)
        clipped = not all(isinstance(operator, Affine) for operator in last.chain.operators)
        if clipped or len(set(gain)) != 1 or np.any(bias * gain != shift):
            raise ExportError(f"the bias of the last layer '{last.step.name}' is not on its accumulator's grid")
        bias = bias.astype(np.int64)
        require_exact(last.step.name, "logits", last.step.low + bias, last.step.high + bias)
        self.steps.append(replace(last.step, output=output, bias=bias))
        return Program(
            source=self.source,
            output=output,
            size=tuple(shape[2:]),
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
        if source in self.functions:
            self._tabulate(node, codes)
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

    def begin_function(self, node: NodeProto) -> None:
        """Reads ``node``, whose input is codes, as the first of a function of them."""
        (source, *more) = {name for name in node.input if name and self.model.get_initializer(name) is None}
        if more or source not in self.codes:
            raise ExportError(
                f"node '{node.name}' ({node.op_type}) is a function of {', '.join(sorted((source, *more)))}, not of one"
                " tensor of codes; put a quantizer before it"
            )
        self.functions[node.output[0]] = Function(source, (node,))

    def _joins_function(self, node: NodeProto) -> bool:
        """Whether ``node`` goes on with a function of codes, of which it is a part then."""
        names = [name for name in node.input if name and self.model.get_initializer(name) is None]
        parts = [self.functions[name] for name in names if name in self.functions]
        if not parts or node.op_type == "Quant":
            return False
        if {*(part.source for part in parts), *(name for name in names if name not in self.functions)} != {
            parts[0].source
        }:
            raise ExportError(f"node '{node.name}' ({node.op_type}) joins functions of two tensors; quantize them")
        nodes = {each.name: each for part in parts for each in part.nodes} | {node.name: node}
        self.functions[node.output[0]] = Function(parts[0].source, tuple(nodes.values()))
        return True

    def _tabulate(self, quantizer: NodeProto, codes: Codes) -> None:
        """The function before ``quantizer`` as a table, by executing it for every code."""
        function = self.functions[quantizer.input[0]]
        read, channels = self.codes[function.source], self.channels[function.source]
        values = np.arange(read.low, read.high + 1) * read.scale
        nodes = (*function.nodes, quantizer)
        found = run_nodes(self.model, nodes, function.source, np.tile(values, (channels, 1)).astype(np.float32))
        words = np.round(found / codes.scale).astype(np.int64)
        if np.all(words == words[:1]):
            words = words[:1]
        step = Table(function.nodes[0].name, function.source, quantizer.output[0], words, quantizer.doc_string)
        self.hand_on(quantizer, step, codes, channels)

    def _quantizer(self, node: NodeProto) -> tuple[Codes, np.ndarray]:
        scale, zero_point, bits = (self.model.get_initializer(name) for name in node.input[1:4])
        if scale is None or zero_point is None or bits is None:
            raise ExportError(f"quantizer '{node.name}' has a computed scale, zero point or width; make them constants")
        rounding = attribute(node, "rounding_mode", b"ROUND")
        if np.any(zero_point != 0) or rounding not in (b"ROUND", "ROUND"):
            raise ExportError(f"quantizer '{node.name}' must round to nearest with zero point 0")
        signed, narrow, width = bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0)), int(bits)
        low, high = int(min_int(signed, narrow, width)), int(max_int(signed, narrow, width))
        return Codes(float(scale.flat[0]), low, high), scale

    def _norm(self, node: NodeProto) -> None:
        gamma, beta, mean, variance = (self.model.get_initializer(name).astype(np.float64) for name in node.input[1:5])
        gain = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        self._extend(node, Affine(gain, beta - mean * gain))

    def _relu(self, node: NodeProto) -> None:
        self._extend(node, Clip(0.0, np.inf))

    def _clip(self, node: NodeProto) -> None:
        names = [*node.input[1:], "", ""][:2]
        low, high = (self.model.get_initializer(name) if name else None for name in names)
        self._extend(node, Clip(-np.inf if low is None else float(low), np.inf if high is None else float(high)))

    def _leaky_relu(self, node: NodeProto) -> None:
        slope = self.model.get_initializer(node.input[1]) if node.op_type == "PRelu" else attribute(node, "alpha", 0.01)
        channels = self.model.get_tensor_shape(node.output[0])[1]
        slopes = np.broadcast_to(np.asarray(slope, np.float64).reshape(-1), (channels,))
        if np.any(slopes <= 0):
            raise ExportError(f"activation '{node.name}' has a slope that is not positive, so it is not monotonic")
        self._extend(node, Leaky(slopes))

    def _hard_sigmoid(self, node: NodeProto) -> None:
        channels = self.model.get_tensor_shape(node.output[0])[1]
        gain, shift = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        self._extend(node, Affine(np.full(channels, gain), np.full(channels, shift)), Clip(0.0, 1.0))

    def _extend(self, node: NodeProto, *operators: Affine | Activation) -> None:
        pending = self.pending.pop(node.input[0], None)
        if pending is None:
            if node.input[0] == self.model.graph.input[0].name:
                raise ExportError(
                    f"the input passes '{node.name}' ({node.op_type}) before its quantizer, which makes zero padding a"
                    " non-integer code; feed pixel codes / 256 without mean and deviation"
                )
            self.begin_function(node)
            return
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

    def shifts(self, node: NodeProto) -> bool:
        """Whether ``node`` adds a constant to what is not yet codes, which is then read as a part of its chain."""
        for value, constant in (node.input[:2], node.input[1::-1]):
            shift = self.model.get_initializer(constant)
            if shift is not None:
                if shift.size != 1:
                    raise ExportError(f"node '{node.name}' adds a constant per channel; put it into the BN or the bias")
                count = len(self.pending[value].chain.scale) if value in self.pending else 1
                moved = Affine(np.ones(count), np.full(count, float(shift.flat[0])))
                self._extend(_with_input(node, value), moved)
                return True
        return False

    def start(self, node: NodeProto, step: Step, chain: Chain, channels: int) -> None:
        """Reads ``node`` as a step that accumulates; what follows it joins ``chain``."""
        self.pending[node.output[0]] = Pending(step, chain, channels)

    def hand_on(self, node: NodeProto, step: Step, codes: Codes, channels: int) -> None:
        """Reads ``node`` as a step that gives codes."""
        self.steps.append(step)
        self.codes[node.output[0]], self.channels[node.output[0]] = codes, channels

    def codes_input(self, node: NodeProto, index: int) -> str:
        """The name of an input of ``node``, which must be codes."""
        name = node.input[index]
        if name not in self.codes:
            raise ExportError(f"node '{node.name}' ({node.op_type}) reads '{name}', not a tensor of codes; quantize it")
        return name

    def require_one_scale(self, node: NodeProto, a: str, b: str) -> None:
        """ExportError where the codes of ``a`` and ``b`` are worth different values."""
        if self.codes[a].scale != self.codes[b].scale:
            raise ExportError(
                f"node '{node.name}' ({node.op_type}) joins the scales {self.codes[a].scale} and {self.codes[b].scale};"
                " let both branches share a quantizer"
            )


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
