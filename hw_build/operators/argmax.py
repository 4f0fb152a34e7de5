"""The index of the largest logit, and the softmax before it: at the end of a network the output stage does their work.

Intake leaves both out there (`hw_build.lowering.intake.decision`). A softmax rises with each logit, so that the largest
probability is that of the largest logit; its values themselves have no integer form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from onnx import NodeProto

_RANK = 4  # images, channels, height, width


def axis_of_channels(graph: GraphEditor, node: NodeProto) -> int:
    """1, or 3 of an image that a Transpose has turned channels last."""
    before = graph.producer(node.input[0])
    while before is not None and isinstance(_BY_NAME.get(before.op_type), Softmax):
        before = graph.producer(before.input[0])
    if before is None or before.op_type != "Transpose":
        return 1
    return 3 if list(attribute(before, "perm", [])) == [0, 2, 3, 1] else 1


def axis_of(node: NodeProto, default: int) -> int:
    """Its axis, counted from the first."""
    return attribute(node, "axis", default) % _RANK


class ArgMax(Operator):
    """ArgMax."""

    names = ("ArgMax",)
    told = "ArgMax at the end"
    gives_indices = True

    def chooses_largest(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Among the channels, the first of equals."""
        return self._refusal_of_form(graph, node) is None

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """Always: where the accelerator does its work it is not there any more."""
        return self._refusal_of_form(graph, node) or (
            "gives indices inside the network: the index of the largest logit lowers at the end only, behind logits "
            "that nothing else reads"
        )

    @staticmethod
    def _refusal_of_form(graph: GraphEditor, node: NodeProto) -> str | None:
        shape = graph.shapes.get(node.input[0], ())
        if len(shape) != _RANK:
            return f"chooses among {'x'.join(map(str, shape))} values: images lower, (1, channels, height, width)"
        channels, axis = axis_of_channels(graph, node), axis_of(node, 0)
        if axis != channels:
            return f"chooses along axis {axis}, the channels are axis {channels}: the index of the largest logit lowers"
        if attribute(node, "select_last_index", 0):
            return "gives the last of equals (select_last_index=1), the accelerator the first: export without it"
        if shape[axis] < 2:
            return "chooses among one channel, which is index 0 everywhere: take it out; the mask is logit > 0"
        return None


class Softmax(Operator):
    """Softmax, LogSoftmax."""

    names = ("Softmax", "LogSoftmax")

    def keeps_order(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Among the channels of a pixel."""
        return len(graph.shapes.get(node.input[0], ())) == _RANK and axis_of(node, -1) == axis_of_channels(graph, node)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """Always."""
        return (
            "gives probabilities, which have no integer form: export the logits before it (the accelerator finds the "
            "largest itself), or let an ArgMax over the channels end the network"
        )


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "ArgMax at the end, also behind Softmax",
        "over the channels (axis 1, `keepdims` 0 or 1, the first of equals), 2 to 256 of them; Cast "
        "and Squeeze behind it",
        "nothing: the output stage finds the largest logit; each job asks for logits or for indices",
    ),
)
OPERATORS = (ArgMax(), Softmax())
_BY_NAME = {name: operator for operator in OPERATORS for name in operator.names}
