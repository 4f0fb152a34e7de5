"""A hardware node, ours or FINN's, as folding, sizing and stitching ask it; what is neither is not guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.adapters import SUPPORTED
from hw_build.kernels.stream_kernel import StreamKernel

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.finn_rtl.node import FinnNode
    from hw_build.kernels.rows import Rows

FINN_NODES = {kind.name: kind for kind in SUPPORTED.values()}


def hardware_node(node: NodeProto) -> StreamKernel | FinnNode:
    """``node`` of the step `hardware` or a later one: what it tells of itself.

    Raises:
        ConfigError: it is of a kind that tells nothing.
    """
    operation = getCustomOp(node)
    if isinstance(operation, StreamKernel):
        return operation
    found = finn_node(node)
    if found is None:
        raise ConfigError(
            f"{node.name}: which input rows {node.op_type} needs for a row of its output is not known, nor its legal "
            "foldings; give it a class in hw_build/finn_rtl"
        )
    return found


def finn_node(node: NodeProto) -> FinnNode | None:
    """``node`` as one of FINN's, of whichever back end; None where it is of a kind that tells nothing."""
    kind = FINN_NODES.get(node.op_type.split("_")[0])
    return None if kind is None else kind(getCustomOp(node))


def rows_of(node: NodeProto) -> Rows:
    """Which input rows ``node`` needs for each row of its output.

    Raises:
        ConfigError: its operator has not said so.
    """
    return hardware_node(node).rows()
