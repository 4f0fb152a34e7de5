"""The sum of windows as a node of FINN's HLS back end."""

from __future__ import annotations

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.sum_hls_node import SumHlsNode
from hw_build.kernels.window_sum.kernel import WindowSum_rtl


@register_custom_op
class WindowSum_hls(WindowSum_rtl, SumHlsNode):
    """A `SumHlsNode`."""
