"""The program's execution compared with the graph's: every tensor of every layer, then whole frames of logits."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.arrays import write_arrays
from hw_build.base.errors import MismatchError
from hw_build.finn_rtl.hardware_node import finn_node
from hw_build.flow.graph_steps import MISMATCH, compare_logits, images, verified
from hw_build.graph.nodes import FINN_DOMAIN
from hw_build.lowering import execute_context

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.backends.hls.csim import CSimulation, Headers
    from hw_build.flow.demo_frames import DemoFrames

HLS = "hls"  # the rung of the ladder
_BACK_ENDS = (f"{FINN_DOMAIN}.hls", f"{FINN_DOMAIN}.rtl")


def compare_layers(simulation: CSimulation, model: ModelWrapper, codes: np.ndarray, mismatch_dir: Path) -> int:
    """Runs codes (N, H, W, C) layer by layer; each output is compared with FINN's numpy reference of its node.

    A layer reads what the layers before it gave, which is exact when it is its turn: the first that differs is at
    fault. Returns how many tensors of a frame were compared.

    Raises:
        MismatchError: the first layer and tensor that differ; both are saved.
    """
    given = simulation.run_layers(codes)
    reference = without_back_ends(model)
    nodes = {node.name: node for node in model.graph.node}
    compared = [process for process in simulation.network.processes if not process.converts]
    for index in range(len(codes)):
        context = execute_context(reference, codes[index : index + 1])
        for process in compared:
            for stream in process.writes:
                expected = in_stream_order(nodes[process.layer], context[stream.tensor])
                found = given[stream.name][index].reshape(expected.shape)
                if not np.array_equal(found, expected):
                    raise _difference(process.layer, stream.tensor, index, found, expected, mismatch_dir)
    return sum(len(process.writes) for process in compared)


def without_back_ends(model: ModelWrapper) -> ModelWrapper:
    """The same nodes with the same folding as FINN's abstract ones, whose execution is numpy."""
    reference = copy.deepcopy(model)
    for node in reference.graph.node:
        base = node.op_type.rsplit("_", 1)[0]
        if node.domain in _BACK_ENDS and type(getCustomOp(node)).__module__.startswith("finn."):
            node.op_type, node.domain = base, FINN_DOMAIN
    return reference


def in_stream_order(node: NodeProto, tensor: np.ndarray) -> np.ndarray:
    """``tensor`` as its elements leave ``node``, where that is not the order of its channels."""
    found = finn_node(node)
    return tensor if found is None else found.in_stream_order(tensor)


def _difference(
    layer: str, tensor: str, index: int, found: np.ndarray, expected: np.ndarray, mismatch_dir: Path
) -> MismatchError:
    path = mismatch_dir / f"mismatch_{HLS}.npz"
    write_arrays(path, found=found, expected=expected, layer=np.array(layer), tensor=np.array(tensor))
    where = tuple(int(place) for place in np.argwhere(found != expected)[0])
    return MismatchError(
        f"step {HLS}: layer {layer} differs from its reference in {np.count_nonzero(found != expected)} of "
        f"{found.size} elements of tensor {tensor} in frame {index}, first at {where}: {found[where]:g} instead of "
        f"{expected[where]:g}; both are in {path}"
    )


@dataclass(frozen=True, kw_only=True)
class Execution:
    """``logits`` (N, H, W, classes), the rung of the ladder, and FIFO depths by stream, none with others' headers."""

    logits: np.ndarray
    rung: dict[str, Any]
    depths: dict[str, int]


def execute_program(
    simulation: CSimulation, model: ModelWrapper, frames: DemoFrames, build_dir: Path, headers: Headers
) -> Execution:
    """The first frame layer by layer, then all of them through the whole program, back to back: once as the dataflow
    function computes them, and with our headers once with FIFOs of finite depths.

    Raises:
        MismatchError: a tensor or a logit differs; both sides are saved.
    """
    started = time.perf_counter()
    tensors = compare_layers(simulation, model, frames.codes[:1], build_dir / MISMATCH)
    found = simulation.run_whole(frames.codes).reshape(frames.logits.shape)
    compare_logits(found, frames.logits, frames.names, HLS, build_dir / MISMATCH)
    depths: dict[str, int] = {}
    if headers.ours:
        sized, depths = simulation.run_sized(frames.codes)
        compare_logits(sized.reshape(found.shape), frames.logits, frames.names, HLS, build_dir / MISMATCH)
    against = (
        f"{frames.against} of {images(len(frames.codes))}, whole; numpy, {tensors} tensors of 1 image; "
        f"g++, {headers.name}"
    )
    return Execution(logits=found, rung=verified(HLS, against, time.perf_counter() - started), depths=depths)
