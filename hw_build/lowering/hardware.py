"""Step `hardware`: every node becomes a streaming kernel, FINN's or ours.

Each operator brings its passes (`hw_build.operators`): first those that make one kernel of several nodes, then those of
what is left. Where a kernel of ours has more than 31 thresholds a channel and they lie on a line, it multiplies, adds
and shifts (``kernels/lines.py``).

FINN's own Infer* passes build its node, too, but run InferDataTypes after it, which widens every sum to 32 bits and
loses the accumulator ranges that are known here; so the node is made directly, with FINN's attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.lowering.lines import LinesForThresholds
from hw_build.operators import operators

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.base import Transformation


def passes() -> tuple[Transformation, ...]:
    """All of them, in their order."""
    fusions = (each for operator in operators() for each in operator.fusions)
    placements = (each for operator in operators() for each in operator.placements)
    return (*fusions, *placements, LinesForThresholds())


def hardware(model: ModelWrapper) -> ModelWrapper:
    """Integer NHWC graph -> kernels of FINN's hardware abstraction layer and ours, one reader per stream."""
    for transformation in passes():
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
