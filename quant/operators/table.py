"""Activations that no thresholds hold: a table of what each code becomes.

They rise and fall, or are curved, so that float32 implementations differ in the last bit.

A quantizer stands before one, and its own, or that of the BN behind it, after it. The graph holds what PyTorch exports:
standard nodes between two quantizers. The table is what executing them gives for every code.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from quant.integer.program import Table
from quant.operators.operator import Operator, activation_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine


TABLES = (
    *(nn.GELU, nn.Hardswish, nn.SiLU, nn.Mish),
    *(nn.ELU, nn.CELU, nn.SELU, nn.Sigmoid, nn.LogSigmoid, nn.Tanh, nn.Softplus, nn.Softsign),
)


class TableActivation(Operator):
    """GELU, Hardswish, SiLU, Sigmoid and others."""

    kinds = TABLES
    told = "activations by tables"
    names = (
        *("Abs", "Celu", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSwish", "Log", "Mish", "Mul", "Neg", "Pow"),
        *("Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tanh"),
    )
    steps = (Table,)
    accumulates = True
    settled = True
    keeps_sign = False

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """By all their names."""
        by_kind = {
            nn.GELU: (functional.gelu,),
            nn.Hardswish: (functional.hardswish,),
            nn.SiLU: (functional.silu,),
            nn.Mish: (functional.mish,),
            nn.ELU: (functional.elu, functional.elu_),
            nn.CELU: (functional.celu, torch.celu),
            nn.SELU: (functional.selu, torch.selu),
            nn.Sigmoid: (torch.sigmoid, functional.sigmoid, "sigmoid", "sigmoid_"),
            nn.LogSigmoid: (functional.logsigmoid,),
            nn.Tanh: (torch.tanh, functional.tanh, "tanh", "tanh_"),
            nn.Softplus: (functional.softplus,),
            nn.Softsign: (functional.softsign,),
        }
        return {name: activation_function(kind) for kind, names in by_kind.items() for name in names}

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """The first node of a function of codes; what follows joins it, down to the quantizer."""
        parser.begin_function(node)

    def run(self, engine: TorchEngine, step: Table, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """By looking it up."""
        codes, words = tensors[step.source], engine.tensor(step.words)
        place = (codes - engine.program.codes[step.source].low).long()
        if len(words) > 1:
            place = place + words.shape[1] * torch.arange(len(words), device=place.device)[:, None, None]
        return words.reshape(-1)[place]

    def build(self, builder: GraphBuilder, step: Table) -> None:
        """Codes - low are places of the table already."""
        builder.sizes[step.output] = builder.sizes[step.source]
        places = builder.node("Cast", [step.source], to=TensorProto.INT32)
        channels, length = step.words.shape
        if channels > 1:
            first = np.tile(length * np.arange(channels, dtype=np.int32), builder.lanes)
            places = builder.node("Add", [places, builder.constant(first)])
        words = (step.words - builder.program.codes[step.output].low).astype(np.uint8).reshape(-1)
        builder.node("Gather", [builder.constant(words), places], step.output, axis=0)

    def compile(self, plan: Plan, step: Table) -> bool:
        """By 256 words, of which the source's codes reach the first ones."""
        plan.sizes[step.output] = plan.sizes[step.source]
        words = step.words - plan.program.codes[step.output].low
        words = np.pad(words, ((0, 0), (0, 256 - words.shape[1])))
        address = ctypes.c_void_p(plan.keep(words, np.uint8))
        plan.call("table", plan.planes(step.source), address, len(words), plan.planes(step.output))
        return True


OPERATORS = (TableActivation(),)
