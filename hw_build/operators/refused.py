"""Operators that are known not to lower, each with its remedy."""

from __future__ import annotations

from onnx import NodeProto

from hw_build.graph.editor import GraphEditor
from hw_build.operators.operator import Operator, constants_to_channels_first


class _RefusedActivation(Operator):
    """An activation that cannot become thresholds."""

    any_layout = elementwise = per_channel = True
    why: str

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """Always."""
        return self.why

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Constants with it."""
        constants_to_channels_first(graph, node)


class NotMonotonic(_RefusedActivation):
    """Activations that fall somewhere and rise elsewhere."""

    names = ("HardSwish", "Gelu", "Erf", "Mish", "Swish", "Sin", "Cos", "Abs")
    why = "is an activation that is not monotonic, so it cannot become thresholds: train with Relu instead"


class Curved(_RefusedActivation):
    """Monotonic ones that are no pieces of lines."""

    names = ("Elu", "Celu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Log")
    why = "is monotonic but curved, which is not made into thresholds yet: train with Relu instead"


OPERATORS = (NotMonotonic(), Curved())
