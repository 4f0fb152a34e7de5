"""Pass that puts lines in place of many thresholds, kernel by kernel, where they give the same codes."""

from __future__ import annotations

from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

from hw_build.kernels import DOMAIN


class LinesForThresholds(Transformation):
    """Sets LineBits and SumShift of kernels whose thresholds are many; the constants stay, as the reference's."""

    def apply(self, model):
        found = [
            (operation, operation.line_attributes(model))
            for operation in (getCustomOp(node) for node in model.graph.node if node.domain == DOMAIN)
        ]
        for operation, attributes in found:
            for name, value in attributes.items():
                operation.set_nodeattr(name, value)
        return model, False
