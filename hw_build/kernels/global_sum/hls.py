"""The sum of all pixels as a node of FINN's HLS back end."""

from __future__ import annotations

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.global_sum.kernel import GlobalSum_rtl
from hw_build.kernels.sum_hls_node import SumHlsNode


@register_custom_op
class GlobalSum_hls(GlobalSum_rtl, SumHlsNode):
    """A `SumHlsNode`."""
