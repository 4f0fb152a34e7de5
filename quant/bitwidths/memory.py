"""How many codes of each tensor a streaming accelerator holds at once.

A stream is never stored whole. What stays on chip of a tensor of width W is, for each module that reads it,

- a window of KxK pixels (convolution; max-pool; bilinear upsampling counts as 2x2): (K - 1) * W + K pixels, from the
  window's first to its last;
- the earlier operand of a sum, a product or a concatenation: the rows by which the other one lags, at most the whole
  frame.

Readers share the buffer, so the longest counts. The lag follows from the rows that the windows on the way look ahead
(K // 2 rows of their source each): it is what the data flow itself enforces, without any folding. A residual
around a depthwise convolution lies in that convolution's window and costs nothing more; a U-Net's skip is nearly always
a frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quant.operators import operator_of

if TYPE_CHECKING:
    from torch import fx

    from quant.twin.structure import Structure

Shape = tuple[int, int, int]  # C, H, W


def codes_on_chip(structure: Structure, shapes: dict[str, Shape]) -> dict[str, int]:
    """Codes held of each tensor that has a quantizer, by the name of its module ("" for the network's input).

    ``shapes`` are the outputs' by name of node. What a pooling or a concatenation hands on has its source's codes, so
    it is counted there.
    """
    delays = _delays(structure, shapes)
    names = {name for group in structure.scale_groups() for name in group}
    held = {}
    for node in structure.nodes:
        if node.op == "placeholder":
            held[""] = shapes[node.name][0] * _pixels(structure, shapes, delays, node)
        elif str(node.target) in names:
            held[str(node.target)] = shapes[node.name][0] * _pixels(structure, shapes, delays, node)
    return held


def _pixels(structure: Structure, shapes: dict[str, Shape], delays: dict[fx.Node, int], node: fx.Node) -> int:
    """Pixels held of the tensor of ``node``, and of what pooling and concatenation make of it."""
    _, height, width = shapes[node.name]
    stride = _stride(structure, shapes, node)
    longest, handed_on = 1, 0
    for user in node.users:
        module = structure.module(user)
        operator = operator_of(module)
        if operator is not None and node not in operator.reads(user):
            continue
        window = 1 if operator is None else operator.window(module)
        longest = max(longest, (window - 1) * width + window)
        if operator is not None and len(operator.reads(user)) > 1:
            lag = max(delays[operand] for operand in user.all_input_nodes) - delays[node]
            longest = max(longest, -(-lag // stride) * width + 1)
        if operator is not None and operator.hands_on:
            handed_on += _pixels(structure, shapes, delays, user)
    return min(longest, height * width) + handed_on


def _delays(structure: Structure, shapes: dict[str, Shape]) -> dict[fx.Node, int]:
    """How many rows of the input image each node's output lies behind, at least."""
    delays: dict[fx.Node, int] = {}
    for node in structure.nodes:
        sources = node.all_input_nodes
        delays[node] = max((delays[source] for source in sources), default=0)
        if sources:
            delays[node] += _rows_ahead(structure, shapes, node)
    return delays


def _rows_ahead(structure: Structure, shapes: dict[str, Shape], node: fx.Node) -> int:
    """Rows of the input image by which the window of ``node`` looks ahead of the row that it makes."""
    module = structure.module(node)
    operator = operator_of(module)
    if operator is None:
        return 0
    steps = (_stride(structure, shapes, each) for each in (node.all_input_nodes[0], node))
    return operator.rows_ahead(module, *steps)


def _stride(structure: Structure, shapes: dict[str, Shape], node: fx.Node) -> int:
    """Rows of the input image in one row of ``node``'s output."""
    return max(1, shapes[structure.nodes[0].name][1] // shapes[node.name][1])
