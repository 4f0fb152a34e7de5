"""The whole HLS graph as one dataflow program of C++ functions: which there are, and the streams between them.

Every HLS layer is the C++ that FINN wrote for it, in a namespace of its own; what FINN adds to it in RTL is C++ of ours
(``cpp/``): the memory that streams its weights or thresholds, sliding windows, and beats of another size where
two layers fold differently. A beat holds element 0 in its lowest bits; a frame is in raster order.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from finn.util.basic import MAX_ALLOWED_AP_INT_W
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import LoweringError
from hw_build.finn_rtl.hardware_node import finn_node
from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import HLS_DOMAIN

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType
    from qonnx.core.modelwrapper import ModelWrapper

LIBRARY = Path(__file__).with_name("cpp")
TOP = "edgeseg"
SHALLOW = 2  # beats of a FIFO that only decouples two functions
MEMORY = "memblock.dat"
_OF_A_TOP = re.compile(r"#pragma HLS (INTERFACE|dataflow)|#define (AP_INT_MAX_W|HLS_CONSTEXPR_ENABLE)\b")
_INCLUDE = re.compile(r'#include "([^"]+)"')


@dataclass(frozen=True)
class Beats:
    """What a stream carries in a frame: ``count`` beats of ``elements`` integers, packed or as an hls::vector."""

    count: int
    elements: int
    data_type: BaseDataType
    packed: bool = True

    @property
    def bits(self) -> int:
        """Of a beat."""
        return self.elements * self.data_type.bitwidth()

    @property
    def text(self) -> str:
        """The C++ type of a beat."""
        if self.packed:
            return f"ap_uint<{self.bits}>"
        return f"hls::vector<{self.data_type.get_hls_datatype_str()}, {self.elements}>"


@dataclass(frozen=True)
class Stream:
    """A FIFO of the program: ``tensor`` of the graph that it carries, ``depth`` in beats."""

    name: str
    tensor: str
    beats: Beats
    depth: int = SHALLOW


@dataclass(frozen=True)
class Process:
    """A function of the program: ``call`` is its C++ up to the bracket, for one frame of the streams in their order.

    ``layer`` is the node that it computes, or before which it converts.
    """

    layer: str
    call: str
    reads: tuple[Stream, ...]
    writes: tuple[Stream, ...]

    @property
    def converts(self) -> bool:
        """Whether it only changes the beats."""
        return self.call.startswith("convert_beats")


@dataclass(frozen=True)
class Layer:
    """C++ of a node: ``text`` stands in a namespace of the node's name and defines ``declaration``."""

    name: str
    declaration: str
    text: str


@dataclass(frozen=True)
class Memory:
    """Constants that a layer reads as a stream of words of ``bits``: all of them, ``repeats`` times a frame."""

    bits: int
    repeats: int


@dataclass(frozen=True)
class Network:
    """The program; processes stand in topological order.

    ``includes``: header of finn-hlslib -> a layer that names it. ``tops``: layer with a top function for Vitis HLS ->
    how often it is called for a frame. ``memories``: those of them that read constants as a stream.
    """

    layers: tuple[Layer, ...]
    processes: tuple[Process, ...]
    includes: dict[str, str]
    source: Stream
    sink: Stream
    tops: dict[str, int]
    memories: dict[str, Memory]

    @property
    def streams(self) -> list[Stream]:
        """The FIFOs inside, in the order of their writers."""
        return [stream for process in self.processes for stream in process.writes if stream != self.sink]

    def with_depths(self, depths: dict[str, int]) -> Network:
        """The same with FIFOs of ``depths`` beats, by their names."""

        def deepened(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
            return tuple(replace(stream, depth=depths.get(stream.name, stream.depth)) for stream in streams)

        processes = [replace(p, reads=deepened(p.reads), writes=deepened(p.writes)) for p in self.processes]
        return replace(self, processes=tuple(processes))

    @property
    def widest(self) -> int:
        """Bits of the widest ap_int anywhere."""
        texts = [layer.text for layer in self.layers] + [process.call for process in self.processes]
        named = [int(bits) for text in texts for bits in re.findall(r"ap_u?int<(\d+)>", text)]
        return max([*named, *(stream.beats.bits for stream in (self.source, self.sink, *self.streams))])


def read_network(model: ModelWrapper, folder: Path) -> Network:
    """The program of ``model``, whose layers' sources lie in ``folder/NODE``.

    Raises:
        LoweringError: a node has no C++, or beats that are too wide.
    """
    return _Reader(model, folder).network()


class _Reader:
    """Goes through the graph once, node by node."""

    def __init__(self, model: ModelWrapper, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.layers: list[Layer] = []
        self.includes: dict[str, str] = {}
        self.processes: list[Process] = []
        self.tops: dict[str, int] = {}
        self.memories: dict[str, Memory] = {}
        self.streams: dict[str, Stream] = {}  # tensor -> stream, as its writer leaves it

    def network(self) -> Network:
        graph = GraphEditor(self.model)
        (source_name,), (sink_name,) = graph.inputs, graph.outputs
        nodes = graph.sorted_nodes()
        first = next(node for node in nodes if source_name in node.input)
        taken = _beats_in(first, list(first.input).index(source_name))
        source = Stream("in", source_name, Beats(taken.count, taken.elements, taken.data_type))
        self.streams[source_name] = source
        for node in nodes:
            self._layer(node)
        last = self.streams[sink_name]
        sink = Stream("out", sink_name, Beats(last.beats.count, last.beats.elements, last.beats.data_type))
        self._convert(TOP, last, sink)
        return Network(tuple(self.layers), tuple(self.processes), self.includes, source, sink, self.tops, self.memories)

    def _layer(self, node: NodeProto) -> None:
        op, constants = getCustomOp(node), {entry.name for entry in self.model.graph.initializer}
        reads: list[Stream] = []
        for position, tensor in enumerate(node.input):
            if tensor and tensor not in constants:
                arriving, wanted = self.streams[tensor], _beats_in(node, position)
                if arriving.beats.text != wanted.text:
                    fitting = Stream(f"{node.name}_in{len(reads)}", tensor, wanted)
                    self._convert(node.name, arriving, fitting)
                    arriving = fitting
                reads.append(arriving)
        writes = []
        for position, tensor in enumerate(node.output):
            beats = _beats(op, op.get_folded_output_shape(position), op.get_output_datatype(position))
            self.streams[tensor] = Stream(f"{node.name}_out{position}", tensor, beats)
            writes.append(self.streams[tensor])
        if node.domain == HLS_DOMAIN:
            layer = self._finns(node, reads, writes)
        elif (ours := finn_node(node)) is not None:
            layer = Layer(node.name, _declaration(reads, writes), "")
            layer = _with_frame(layer, [f"{ours.cpp_call()}(in0, out0);"])
        else:
            raise LoweringError(f"node {node.name} ({node.op_type}): there is RTL of it, but no C++")
        widest = max(stream.beats.bits for stream in (*reads, *writes))
        if widest > MAX_ALLOWED_AP_INT_W:
            raise LoweringError(
                f"node {node.name} ({node.op_type}): its beats have {widest} bits, Vitis HLS takes "
                f"{MAX_ALLOWED_AP_INT_W}: fold the build for more cycles a frame"
            )
        self.layers.append(layer)
        self.processes.append(Process(node.name, f"{node.name}::frame", tuple(reads), tuple(writes)))

    def _convert(self, before: str, source: Stream, target: Stream) -> None:
        """From one size of beats to another, by that of their common parts where neither divides the other."""
        given, wanted = source.beats, target.beats
        common = math.gcd(given.elements, wanted.elements)
        if common not in (given.elements, wanted.elements):
            count = given.count * given.elements // common
            parts = Stream(f"{target.name}_parts", source.tensor, Beats(count, common, given.data_type))
            self._convert(before, source, parts)
            source, given = parts, parts.beats
        call = f"convert_beats<{given.count}, {given.data_type.bitwidth()}, {given.elements}, {wanted.elements}>"
        self.processes.append(Process(before, call, (source,), (target,)))

    def _finns(self, node: NodeProto, reads: list[Stream], writes: list[Stream]) -> Layer:
        """FINN's C++ of a node, with the memory of its constants beside it where it reads them as a stream."""
        op, text = getCustomOp(node), self._text(node.name)
        lines, ports = [], _ports(reads, "in")
        if len(reads) == 1 and re.search(r"&\s*in1_V\b", text):
            bits, words = op.get_instream_width(1), (self.folder / node.name / MEMORY).read_text().split()
            values = ",\n".join(_literal(word, bits) for word in words)
            text += f"\nstatic const ap_uint<{bits}> memory[{len(words)}] = {{\n{values}}};"
            memory = self.memories[node.name] = Memory(bits, int(np.prod(op.get_normal_output_shape()[:-1])))
            lines = [
                "#pragma HLS dataflow",
                f'hls::stream<ap_uint<{bits}>> words("{node.name}_words");',
                f"stream_memory<{memory.repeats}>(memory, words);",
            ]
            ports.append("words")
        call = f"{node.name}({', '.join([*ports, *_ports(writes, 'out')])});"
        if op.get_nodeattr("hls_style") == "freerunning":  # a beat a call
            self.tops[node.name] = writes[0].beats.count
            loop = f"for (int beat = 0; beat < {self.tops[node.name]}; beat++) {{"
            lines += [loop, "#pragma HLS PIPELINE II=1", call, "}"]
        else:
            self.tops[node.name] = 1
            lines.append(call)
        return _with_frame(Layer(node.name, _declaration(reads, writes), text), lines)

    def _text(self, name: str) -> str:
        """FINN's text of a layer, without what belongs to a top alone; its own headers in their place."""
        folder, lines = self.folder / name, []
        for line in (folder / f"top_{name}.cpp").read_text().splitlines():
            include = _INCLUDE.match(line.strip())
            if include is None:
                if line.strip() and not _OF_A_TOP.match(line.strip()):
                    lines.append(line)
            elif (folder / include[1]).is_file() and not (LIBRARY / include[1]).is_file():
                lines += (folder / include[1]).read_text().splitlines()
            elif not (LIBRARY / include[1]).is_file():
                self.includes.setdefault(include[1], name)
        return "\n".join(lines)


def _beats_in(node: NodeProto, position: int) -> Beats:
    op = getCustomOp(node)
    return _beats(op, op.get_folded_input_shape(position), op.get_input_datatype(position))


def _beats(op, folded_shape: tuple[int, ...], data_type: BaseDataType) -> Beats:
    """Of a tensor whose last folded axis is a beat."""
    vector = "cpp_interface" in op.get_nodeattr_types() and op.get_nodeattr("cpp_interface") == "hls_vector"
    return Beats(int(np.prod(folded_shape[:-1])), int(folded_shape[-1]), data_type, packed=not vector)


def _ports(streams: list[Stream], kind: str) -> list[str]:
    return [f"{kind}{number}" for number in range(len(streams))]


def _declaration(reads: list[Stream], writes: list[Stream]) -> str:
    ports = zip([*_ports(reads, "in"), *_ports(writes, "out")], [*reads, *writes], strict=True)
    return f"void frame({', '.join(f'hls::stream<{stream.beats.text}> &{port}' for port, stream in ports)})"


def _with_frame(layer: Layer, lines: list[str]) -> Layer:
    text = "\n".join([layer.text, layer.declaration, "{", *lines, "}"])
    return Layer(layer.name, layer.declaration, text.lstrip())


def _literal(word: str, bits: int) -> str:
    """A constant of ``bits`` bits from hexadecimal digits."""
    return f"0x{word}ULL" if bits <= 64 else f'ap_uint<{bits}>("0x{word}", 16)'
