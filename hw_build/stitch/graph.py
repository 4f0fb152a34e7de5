"""Hardware graph -> nodes with their RTL instances and the streams between them, checked.

Every tensor has one writer and one reader (a fork node copies), both ends agree on the element width, and the beats of
both ends cover the tensor. FIFO depths here are for simulation: generous, so that only a design error can deadlock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from board.io_spec import MAX_CHANNELS, MAX_CLASSES
from hw_build import finn_rtl
from hw_build.base.errors import BuildError
from hw_build.kernels import DOMAIN
from hw_build.kernels.base import RtlInstance, StreamPort
from hw_build.stitch.design import INPUT, OUTPUT, Stream

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

MIN_DEPTH = 64
ROWS_HELD = 2  # depth of an ordinary stream, in rows of its image
MIN_FORK_FRAMES, MAX_FORK_FRAMES = 3, 12  # depth of a fork's outputs: the short branch waits for the long one
FORK_BEATS = 1 << 20  # beyond this many beats no more frames than the minimum
MAX_LOGIT_BITS = 32


@dataclass(frozen=True)
class PlacedNode:
    """A node with its RTL instance; ``inputs`` and ``outputs`` are the tensors on the instance's ports, in order."""

    node: NodeProto
    instance: RtlInstance
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    expected_cycles: int

    @property
    def name(self) -> str:
        """The node's name, also that of its instance in the RTL."""
        return self.node.name


def place_nodes(model: ModelWrapper, generated_dir: Path) -> list[PlacedNode]:
    """RTL instances of all nodes; generated sources are written to ``generated_dir``."""
    placed = []
    names = set()
    for node in model.graph.node:
        if not re.fullmatch(r"[A-Za-z]\w*", node.name) or node.name in names:
            raise BuildError(
                f"node name '{node.name}' ({node.op_type}) is not a unique identifier: name the nodes before stitching"
            )
        names.add(node.name)
        is_finn = node.op_type in finn_rtl.SUPPORTED
        if not is_finn and node.domain != DOMAIN:
            raise BuildError(f"{node.name}: {node.op_type} has no RTL here: lower it to one of our kernels or FINN's")
        custom_op = getCustomOp(node)
        of_node = finn_rtl.rtl_instance(node, model, generated_dir) if is_finn else custom_op.rtl_instance(model)
        instance = of_node.written(generated_dir)
        inputs = tuple(t for t in node.input if t and model.get_initializer(t) is None)
        if len(inputs) != len(instance.inputs) or len(node.output) != len(instance.outputs):
            raise BuildError(
                f"{node.name}: {len(inputs)} input and {len(node.output)} output tensors, its RTL has "
                f"{len(instance.inputs)} and {len(instance.outputs)} streams"
            )
        placed.append(PlacedNode(node, instance, inputs, tuple(node.output), int(custom_op.get_exp_cycles())))
    return placed


def boundary(model: ModelWrapper) -> tuple[str, str]:
    """(input tensor, output tensor), checked: 8-bit codes (1, H, W, C) in, integer logits (1, H', W', classes) out."""
    if len(model.graph.input) != 1 or len(model.graph.output) != 1:
        raise BuildError(
            f"the graph has {len(model.graph.input)} inputs and {len(model.graph.output)} outputs, must be 1 and 1"
        )
    source, sink = model.graph.input[0].name, model.graph.output[0].name
    in_shape, out_shape = model.get_tensor_shape(source), model.get_tensor_shape(sink)
    if len(in_shape) != 4 or in_shape[0] != 1 or model.get_tensor_datatype(source).name != "UINT8":
        raise BuildError(
            f"input {source} is {model.get_tensor_datatype(source)} {in_shape}, must be UINT8 (1, H, W, C)"
        )
    datatype = model.get_tensor_datatype(sink)
    if len(out_shape) != len(in_shape) or out_shape[0] != 1 or not datatype.is_integer():
        raise BuildError(
            f"output {sink} is {datatype} {out_shape}, must be integer logits of pixels, (1, height, width, classes)"
        )
    if in_shape[3] > MAX_CHANNELS:
        raise BuildError(f"the image has {in_shape[3]} channels, the shell takes at most {MAX_CHANNELS}: give fewer")
    if out_shape[3] > MAX_CLASSES:
        raise BuildError(
            f"output {sink} has {out_shape[3]} logits a pixel; an index of the largest is a byte: at most "
            f"{MAX_CLASSES} classes lower"
        )
    if datatype.bitwidth() > MAX_LOGIT_BITS:
        raise BuildError(f"output {sink} is {datatype}, logits have at most {MAX_LOGIT_BITS} bits")
    return source, sink


def make_streams(model: ModelWrapper, placed: list[PlacedNode], depths: dict[str, int] | None = None) -> list[Stream]:
    """One stream per tensor, in graph order; ``depths`` overrides FIFO depths by tensor name."""
    source, sink = boundary(model)
    channels = model.get_tensor_shape(source)[-1]
    logit_bits = model.get_tensor_datatype(sink).bitwidth()
    writers = {source: (INPUT, _boundary_port(INPUT, channels, 8))}
    readers: dict[str, tuple[str, StreamPort]] = {}
    for item in placed:
        for tensor, port in zip(item.outputs, item.instance.outputs, strict=True):
            writers[tensor] = (item.name, port)
        for tensor, port in zip(item.inputs, item.instance.inputs, strict=True):
            if tensor in readers:
                raise BuildError(f"tensor {tensor} is read by {readers[tensor][0]} and {item.name}: insert a fork")
            readers[tensor] = (item.name, port)
    if sink in readers:
        raise BuildError(f"output {sink} is also read by {readers[sink][0]}: insert a fork")
    readers[sink] = (OUTPUT, _boundary_port(OUTPUT, 1, logit_bits))
    loose = sorted(set(readers) ^ set(writers))
    if loose:
        raise BuildError(f"tensors {', '.join(loose)} have a writer or a reader but not both: clean the graph up")
    unknown = sorted(set(depths or {}) - set(writers))
    if unknown:
        raise BuildError(f"FIFO depths name unknown tensors {', '.join(unknown)}")
    forks = {item.name for item in placed if len(item.outputs) > 1}
    return [
        _stream(model, tensor, *writers[tensor], *readers[tensor], (depths or {}).get(tensor), forks)
        for tensor in writers
    ]


def fork_depth(beats_per_frame: int) -> int:
    """FIFO depth of a fork's outputs, in beats.

    A 9x9 kernel spans a large part of a small image, so the long branch lags by 1.1 to 1.65 frames at 256x256 but by
    seven at 32x32 (measured): small frames get more of them.
    """
    frames = min(max(FORK_BEATS // beats_per_frame, MIN_FORK_FRAMES), MAX_FORK_FRAMES)
    return frames * beats_per_frame + MIN_DEPTH


def _stream(
    model: ModelWrapper, tensor: str, producer: str, out: StreamPort, consumer: str, into: StreamPort,
    depth: int | None, forks: set[str],
) -> Stream:  # fmt: skip
    if out.element_bits != into.element_bits:
        raise BuildError(
            f"tensor {tensor}: {producer} writes elements of {out.element_bits} bits, {consumer} reads "
            f"{into.element_bits} bits: annotate both with the same datatype"
        )
    shape = model.get_tensor_shape(tensor)
    elements = prod(shape)
    counts = [port.payload_bits // port.element_bits for port in (out, into)]
    for name, count in zip((producer, consumer), counts, strict=True):
        if shape[-1] % count:
            raise BuildError(f"tensor {tensor}: {name} folds it by {count}, must divide its {shape[-1]} channels")
    beats = elements // counts[0]
    if depth is None:
        row_beats = beats // shape[1] if len(shape) == 4 else beats
        depth = fork_depth(beats) if producer in forks else max(MIN_DEPTH, ROWS_HELD * row_beats)
    if depth < 2:
        raise BuildError(f"tensor {tensor}: FIFO depth {depth}, must be at least 2")
    return Stream(
        tensor=tensor, producer=producer, consumer=consumer, element_bits=out.element_bits,
        producer_elements=counts[0], consumer_elements=counts[1], beats_per_frame=beats, depth=depth,
    )  # fmt: skip


def _boundary_port(prefix: str, elements: int, bits: int) -> StreamPort:
    return StreamPort(
        tdata=f"{prefix}_tdata", tvalid=f"{prefix}_tvalid", tready=f"{prefix}_tready", width_bits=elements * bits,
        payload_bits=elements * bits, element_bits=bits,
    )  # fmt: skip
