"""Lowering: an exported QONNX network to a graph of streaming kernels, in five steps that each stay exact.

    export -convert-> FINN dialect -streamline-> integers, NCHW -lower-> NHWC -hardware-> kernels -specialize-> RTL

``STEPS`` holds (name, function(model) -> model); a function may change the model that it is given. `verify` executes
the graph before and after a step on input codes and compares every tensor that both have. The last graph has input
``global_in`` (1, H, W, 3) UINT8, output ``global_out`` (1, H, W, classes) integer logits, and these nodes, each
stream with one reader:

    hw_build.kernels: ours, with their attributes in their own folders;
    finn.custom_op.fpgadataflow.rtl: ConvolutionInputGenerator_rtl, where windows have other forms.

What each step makes of an operator, the operator says itself (`hw_build.operators`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.lowering import convert, hardware, lower, specialize, streamline
from hw_build.lowering.execution import execute_codes, execute_context, verify
from hw_build.lowering.sizes import set_input_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["STEPS", "Step", "execute_codes", "execute_context", "lowering_steps", "set_input_size", "verify"]


@dataclass(frozen=True)
class Step:
    """One lowering step; ``run`` may edit the model in place and returns the one to go on with."""

    name: str
    run: Callable[[ModelWrapper], ModelWrapper]


def lowering_steps(fpgapart: str = specialize.DEFAULT_PART) -> tuple[Step, ...]:
    """The five steps for a part."""
    return (
        Step("convert", convert.convert),
        Step("streamline", streamline.streamline),
        Step("lower", lower.lower),
        Step("hardware", hardware.hardware),
        Step("specialize", lambda model: specialize.specialize(model, fpgapart)),
    )


STEPS = lowering_steps()
