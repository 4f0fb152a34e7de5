"""Training through 1x1 convolutions on one thread of a CPU in float32, by oneDNN.

For these torch prefers kernels of its own to oneDNN's, which are up to four times as fast on large images; not so where
a convolution is dilated, of which a filter of one pixel takes no notice.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from quant.layers.learning import is_for_loss


def speed_up_pointwise(network: nn.Module) -> None:
    """Lets each plain 1x1 convolution in ``network`` run as here."""
    for module in network.modules():
        if type(module) is nn.Conv2d and is_pointwise(module):
            module.__class__ = _PointwiseConv2d


def is_pointwise(conv: nn.Conv2d) -> bool:
    """Whether the filters of ``conv`` are single pixels, without padding."""
    return conv.kernel_size == (1, 1) and conv.padding in ((0, 0), "valid")


def pointwise(conv: nn.Conv2d, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """What ``conv``, which ``is_pointwise``, makes of ``x`` (B, C, H, W) with this ``weight``."""
    unseen = 2 if is_for_loss() and _would_leave_onednn(x) else conv.dilation
    return functional.conv2d(x, weight, bias, conv.stride, 0, unseen, conv.groups)


def _would_leave_onednn(x: torch.Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and torch.get_num_threads() == 1
        and torch.backends.mkldnn.is_available()
    )


class _PointwiseConv2d(nn.Conv2d):
    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return pointwise(self, input, weight, bias)
