"""What networks may be made of: one file an operator, and the registry that every step asks.

An operator says which nodes it takes and the sentence for each form that it refuses, its geometry, its integers, how it
is written channels last, and which kernels serve it (`hw_build.operators.operator`). Lowering, `check` and the HLS back
end name none. A new one is a file of its own and a line in ``OPERATORS``; its kernel is a folder and a line in
`hw_build.kernels`.

The order is that in which they are asked: the first that takes a node has it, and the fusions of one come before those
of the next, so what takes more nodes at once stands before what takes fewer.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor
    from hw_build.operators.operator import Operator

OPERATORS = (
    "hw_build.operators.average_pool_2x2",
    "hw_build.operators.block_average",
    "hw_build.operators.average_pool",
    "hw_build.operators.depthwise_convolution",
    "hw_build.operators.batch_normalization",
    "hw_build.operators.relu",
    "hw_build.operators.clip",
    "hw_build.operators.leaky_relu",
    "hw_build.operators.prelu",
    "hw_build.operators.hard_sigmoid",
    "hw_build.operators.activations",
    "hw_build.operators.code_table",
    "hw_build.operators.stream_sum",
    "hw_build.operators.nearest",
    "hw_build.operators.bilinear",
    "hw_build.operators.dense",
    "hw_build.operators.convolution",
    "hw_build.operators.depth_to_space",
    "hw_build.operators.space_to_depth",
    "hw_build.operators.rearrangement",
    "hw_build.operators.slice",
    "hw_build.operators.channel_gather",
    "hw_build.operators.transposed_convolution",
    "hw_build.operators.quantizer",
    "hw_build.operators.truncation",
    "hw_build.operators.max_pool_2x2",
    "hw_build.operators.max_pool",
    "hw_build.operators.concatenation",
    "hw_build.operators.global_average",
    "hw_build.operators.gate",
    "hw_build.operators.constant_arithmetic",
    "hw_build.operators.padding",
    "hw_build.operators.transpose",
    "hw_build.operators.identity",
    "hw_build.operators.argmax",
    "hw_build.operators.fork",
)


@cache
def operators() -> tuple[Operator, ...]:
    """All of them, in the order in which they are asked."""
    return tuple(each for name in OPERATORS for each in import_module(name).OPERATORS)


@cache
def of_onnx_type(op_type: str) -> tuple[Operator, ...]:
    """Those that take nodes of this type in an exported network."""
    return tuple(each for each in operators() if op_type in each.names)


@cache
def _all_of(op_type: str) -> tuple[Operator, ...]:
    """Those that take nodes of this type in some form, before or after a step."""
    return tuple(each for each in operators() if op_type in (*each.names, *each.inner))


def operator_of(graph: GraphEditor, node: NodeProto) -> Operator | None:
    """The operator that has ``node``; None where there is none."""
    kinds = (each for each in _all_of(node.op_type) if node.op_type in each.inner or node.domain in each.domains)
    return next((each for each in kinds if each.takes(graph, node)), None)


def supported() -> str:
    """What an exported network may contain, as the middle of a sentence."""
    return ", ".join(sorted({each.told for each in operators() if each.told}))
