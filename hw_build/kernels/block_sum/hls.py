"""The sum of blocks of rows or columns as a node of FINN's HLS back end."""

from __future__ import annotations

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.block_sum.kernel import BlockSum_rtl
from hw_build.kernels.sum_hls_node import SumHlsNode


@register_custom_op
class BlockSum_hls(BlockSum_rtl, SumHlsNode):
    """A `SumHlsNode`."""
