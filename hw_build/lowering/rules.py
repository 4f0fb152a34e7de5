"""Whether a node of an exported network lowers, and the sentence where it does not.

The sentences of its operator stand with it (`hw_build.operators`); here are those that hold of any node. The steps
raise them through `reject`, and `hw_build.flow.check` lists them for every node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import CHANNELS_LAST, CHANNELS_LAST_DOMAIN, ONNX_DOMAINS, GraphEditor, reject
from hw_build.operators import of_onnx_type, operator_of, supported
from hw_build.operators.constants import GIVE_CODES, QUANT, VOLUMES, is_weight_quant, shape_of_constant
from hw_build.operators.filters import Filters

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["CHANNELS_LAST_DOMAIN", "GIVE_CODES", "ONNX_DOMAINS", "QUANT", "is_weight_quant", "refusal", "reject"]

_RANK = 4  # images, channels, height, width
_RANK_OF_1D = 3  # a convolution's own sentence
_RANK_OF_VOLUMES = 5


def refusal(graph: GraphEditor, node: NodeProto) -> str | None:
    """Why ``node`` of an exported network cannot be lowered, as the end of a sentence; None when it can."""
    if (found := _not_finite(graph, node)) is not None:
        return f"reads {found}, which holds NaN, infinity or text: export again, from weights that are finite"
    if node.domain == CHANNELS_LAST_DOMAIN and of_onnx_type(node.op_type):
        return CHANNELS_LAST
    operator = operator_of(graph, node)
    if not isinstance(operator, Filters) and (found := _no_image(graph, node, (_RANK_OF_VOLUMES,))) is not None:
        return found  # before sentences of operators on height and width
    if operator is None or node.op_type not in operator.names:
        return f"is not supported; supported are {supported()}"
    return operator.refusal(graph, node) or _no_image(graph, node) or operator.misfit(graph, node)


def _not_finite(graph: GraphEditor, node: NodeProto) -> str | None:
    """The first constant of ``node`` with values that are no finite numbers: text is none, either."""
    if any(operator.may_be_infinite for operator in of_onnx_type(node.op_type)):
        return None
    for name in node.input:
        value = graph.constants.get(name)
        if value is not None and not (value.dtype.kind in "biuf" and np.isfinite(value).all()):
            return name
    return None


def _no_image(graph: GraphEditor, node: NodeProto, ranks: tuple[int, ...] = ()) -> str | None:
    """A tensor that depends on the image and is none, of ``ranks`` (empty: any), as the end of a sentence."""
    for name in (*graph.dynamic_inputs(node), node.output[0]):
        rank = len(graph.shapes.get(name) or ())
        is_other = rank in ranks if ranks else rank not in (0, _RANK, _RANK_OF_1D)
        if is_other and shape_of_constant(graph, name) is None:
            sizes = "x".join(map(str, graph.shapes[name]))
            told = VOLUMES if rank == _RANK_OF_VOLUMES else ""
            return f"reads or writes {name} of {sizes}: only images lower, (1, channels, height, width){told}"
    return None
