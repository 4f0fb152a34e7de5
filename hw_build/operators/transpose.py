"""Transpose: intake writes channels-last graphs anew, channels first; what is left of its Transposes does not lower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import CHANNELS_LAST, GraphEditor
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from onnx import NodeProto


class Transpose(Operator):
    """Transpose."""

    names = ("Transpose",)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """Always."""
        return CHANNELS_LAST


OPERATORS = (Transpose(),)
