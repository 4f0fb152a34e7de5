"""The rows that a hardware node needs: ours say it themselves, FINN's by their attributes; no other is guessed at."""

from __future__ import annotations

from collections.abc import Callable

from onnx import NodeProto
from qonnx.custom_op.registry import getCustomOp

from hw_build.errors import ConfigError
from hw_build.kernels.rows import Rows, padded_rows, pointwise_rows, window_rows
from hw_build.kernels.stream_kernel import StreamKernel


def rows_of(node: NodeProto) -> Rows:
    """Which input rows ``node`` needs for each row of its output.

    Raises:
        ConfigError: its operator has not said so.
    """
    operation = getCustomOp(node)
    if isinstance(operation, StreamKernel):
        return operation.rows()
    if node.op_type not in _ROWS:
        raise ConfigError(
            f"{node.name}: which input rows {node.op_type} needs for a row of its output is not known, so its lag is "
            "not either; give it an entry in hw_build/finn_rtl/rows.py"
        )
    return _ROWS[node.op_type](operation)


def _padded(operation) -> Rows:
    """Padding is [top, left, bottom, right]."""
    above, _, below, _ = operation.get_nodeattr("Padding")
    return padded_rows(operation.get_nodeattr("ImgDim")[0], above, below)


def _window(operation) -> Rows:
    """Each attribute is of [rows, columns]."""
    rows_in, kernel, stride, dilation = (
        operation.get_nodeattr(name)[0] for name in ("IFMDim", "ConvKernelDim", "Stride", "Dilation")
    )
    return window_rows(rows_in, kernel=kernel, stride=stride, dilation=dilation)


def _pointwise(operation) -> Rows:
    """numInputVectors is [1, H, W]."""
    return pointwise_rows(operation.get_nodeattr("numInputVectors")[1])


_ROWS: dict[str, Callable[..., Rows]] = {
    "FMPadding_rtl": _padded,
    "ConvolutionInputGenerator_rtl": _window,
    "MVAU_rtl": _pointwise,
    "Thresholding_rtl": _pointwise,
}
