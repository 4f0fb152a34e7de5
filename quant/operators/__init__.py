"""What twins are made of: one file an operator, and the registry that every step asks.

An operator says which modules and functions of PyTorch it is and the sentence for each form that it refuses, where
quantizers stand around it, its quantized module, its integer form, and how torch and onnxruntime compute that
(`quant.operators.operator`). A new one is a file of its own and a line in ``OPERATORS``.

The order is that in which they are asked: the first that takes a module, a node or a step has it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto
    from torch import nn

    from quant.integer.program import Step
    from quant.operators.operator import Operator

OPERATORS = (
    "quant.operators.transposed_convolution3d",
    "quant.operators.convolution3d",
    "quant.operators.max_pool3d",
    "quant.operators.average_pool3d",
    "quant.operators.transposed_convolution",
    "quant.operators.convolution",
    "quant.operators.stream_sum",
    "quant.operators.concatenation",
    "quant.operators.max_pool",
    "quant.operators.uneven_average",
    "quant.operators.window_average",
    "quant.operators.line_average",
    "quant.operators.average_pool",
    "quant.operators.global_average",
    "quant.operators.channel_reduction",
    "quant.operators.product",
    "quant.operators.spread",
    "quant.operators.nearest",
    "quant.operators.bilinear",
    "quant.operators.trilinear",
    "quant.operators.pixel_shuffle",
    "quant.operators.space_to_depth",
    "quant.operators.channel_order",
    "quant.operators.crop",
    "quant.operators.sequence_convolution",
    "quant.operators.zero_padding",
    "quant.operators.table",
)


@cache
def operators() -> tuple[Operator, ...]:
    """All of them, in the order in which they are asked."""
    return tuple(each for name in OPERATORS for each in import_module(name).OPERATORS)


def operator_of(module: nn.Module | None) -> Operator | None:
    """The operator of a module of a network in normal form, or of its twin; None of norms, activations and None."""
    return next((each for each in operators() if isinstance(module, each.kinds)), None)


def written_as(module: nn.Module) -> Operator | None:
    """The operator of a module as people write it."""
    return next((each for each in operators() if isinstance(module, (*each.kinds, *each.written))), None)


@cache
def functions() -> dict[Any, Callable[..., Any]]:
    """What each function of torch that is an operator does to a `written.Translator`."""
    return {function: made for each in operators() for function, made in each.functions().items()}


def of_node(node: NodeProto) -> Operator | None:
    """The operator of a node of an exported graph."""
    return next((each for each in operators() if node.op_type in each.names and each.takes(node)), None)


def of_step(step: Step) -> Operator:
    """The operator of a step of an integer program."""
    return next(each for each in operators() if type(step) in each.steps)  # one step may be another's subclass


def told() -> str:
    """The operators, as the middle of a sentence."""
    return ", ".join(each.told for each in operators())
