"""Proves that float32 execution of a QONNX graph follows the integer thresholds on every accumulator.

QONNX runs BN, ReLU and quantizer in float32. Each is monotonic, so their codes agree with a staircase on the whole
accumulator range if they agree on both sides of every step: at T and at T - 1. Those values are run through the very
nodes of the graph.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from quant.base.errors import ExportError
from quant.integer.nodes import run_nodes
from quant.operators import of_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from qonnx.core.modelwrapper import ModelWrapper

    from quant.integer.program import Conv, Program

# A threshold nearer to an integer accumulator than this can be decided by float32 rounding.
LEAST_DISTANCE = 1e-3


def require_settled(program: Program) -> float:
    """The smallest distance of a threshold from an integer accumulator.

    Raises:
        ExportError: it is below ``LEAST_DISTANCE``, or that of a mean or a product below what float32 tells apart.
    """
    for step in program.steps:
        of_step(step).require_settled(step)
    smallest = np.inf
    for conv in program.convolutions:
        if conv.staircase is None:
            continue
        channel, step = np.unravel_index(np.argmin(conv.staircase.distances), conv.staircase.distances.shape)
        distance = float(conv.staircase.distances[channel, step])
        if distance < LEAST_DISTANCE:
            raise ExportError(
                f"convolution '{conv.name}', channel {channel}: threshold {step + 1} lies {distance:.2g} from an"
                f" integer accumulator, the least is {LEAST_DISTANCE:g}; settle the BN shifts"
                " (`python -m quant settle`)"
            )
        smallest = min(smallest, distance)
    return smallest


def prove_steps(model: ModelWrapper, program: Program) -> int:
    """Runs both sides of every threshold through the graph's own float32 nodes; returns how many were compared.

    Raises:
        ExportError: a code differs from the integer thresholds.
    """
    compared = 0
    for conv in program.convolutions:
        if conv.staircase is not None:
            nodes = [model.get_node_from_name(name) for name in conv.nodes]
            run = partial(run_nodes, model, nodes, nodes[0].input[0])
            compared += prove_conv(program, conv, run, name=conv.name, who="float32")
    return compared


def prove_conv(program: Program, conv: Conv, run: Callable[[np.ndarray], np.ndarray], *, name: str, who: str) -> int:
    """Compares both sides of every threshold of ``conv`` with what ``run`` makes of them; returns how many.

    ``run`` takes the convolution's output (C, n) float32 to the real values of its codes. ``name`` and ``who`` tell in
    an error which convolution it is and whose arithmetic.

    Raises:
        ExportError: a code differs from the integer thresholds.
    """
    thresholds = conv.staircase.thresholds
    signed = np.concatenate([thresholds - 1, thresholds], axis=1)  # (C, 2n)
    accumulators = np.clip(signed * conv.staircase.sign[:, None], conv.low[:, None], conv.high[:, None])
    values = conv.scale[:, None] * accumulators + conv.shift[:, None]
    found = run(values.astype(np.float32)) / program.codes[conv.output].scale
    differing = np.argwhere(found != conv.staircase.apply(accumulators))
    if len(differing):
        channel, column = differing[0]
        raise ExportError(
            f"convolution '{name}', channel {channel}: {who} rounds accumulator {accumulators[channel, column]}"
            f" to code {found[channel, column]:g}, exact arithmetic does not; settle the BN shifts"
            " (`python -m quant settle`) or use fewer bits"
        )
    return accumulators.size
