"""Operators of the networks for volumes: (B, C, X, Y, Z), each axis treated alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from models.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

LEAK = 0.01  # slope of the leaky ReLU below zero, nnU-Net's
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": lambda channels: nn.InstanceNorm3d(channels, affine=True),
    "batch": nn.BatchNorm3d,
}


def conv_norm_act3d(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    norm: Callable[[int], nn.Module] | None = None,
    act: Callable[[], nn.Module] | None = None,
    bias: bool = True,
) -> nn.Sequential:
    """Convolution, normalisation, activation; by default nnU-Net's: instance norm with affine, leaky ReLU."""
    return nn.Sequential(
        nn.Conv3d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=bias,
        ),
        (NORMS["instance"] if norm is None else norm)(out_channels),
        nn.LeakyReLU(LEAK) if act is None else act(),
    )


def upsample_conv3d(in_channels: int, out_channels: int) -> nn.ConvTranspose3d:
    """Transposed convolution of 2^3 and stride 2, without bias: twice the size along each axis."""
    return nn.ConvTranspose3d(in_channels, out_channels, 2, stride=2, bias=False)


class SqueezeExcite3d(nn.Module):
    """Scales each channel by a gate in 0 to 1 that a small network works out from the channels' means.

    J. Hu, L. Shen, G. Sun, "Squeeze-and-excitation networks", CVPR 2018.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.gate = nn.Sequential(
            nn.Conv3d(channels, squeezed, 1), nn.SiLU(), nn.Conv3d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.pool(x))  # (B, C, X, Y, Z) * (B, C, 1, 1, 1)


class MBConv3d(nn.Module):
    """Inverted bottleneck: 1^3 up, depthwise K^3, squeeze and excitation, 1^3 down without an activation.

    ``fused`` joins the first two into one dense K^3 convolution (M. Tan, Q. Le, "EfficientNetV2", ICML 2021).
    ``squeezed`` channels of the squeeze, 0 for none. The input is added where stride and channels allow it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        expansion: int,
        squeezed: int,
        fused: bool = False,
        norm: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        hidden, setting = expansion * in_channels, {"norm": norm, "act": nn.SiLU, "bias": False}
        parts: list[nn.Module] = []
        if fused:
            parts.append(conv_norm_act3d(in_channels, hidden, kernel, stride=stride, **setting))
        else:
            if expansion != 1:
                parts.append(conv_norm_act3d(in_channels, hidden, 1, **setting))
            padding = kernel // 2
            depthwise = nn.Conv3d(hidden, hidden, kernel, stride=stride, padding=padding, groups=hidden, bias=False)
            parts.append(nn.Sequential(depthwise, norm(hidden), nn.SiLU()))
        if squeezed:
            parts.append(SqueezeExcite3d(hidden, squeezed))
        parts.append(nn.Sequential(nn.Conv3d(hidden, out_channels, 1, bias=False), norm(out_channels)))
        self.body = nn.Sequential(*parts)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.is_residual else self.body(x)


def require_norm(norm: str) -> None:
    """ConfigError unless ``norm`` is a key of ``NORMS``."""
    if norm not in NORMS:
        raise ConfigError(f"unknown norm '{norm}'; known: {', '.join(NORMS)}")


def require_divisible(x: torch.Tensor, step: int) -> None:
    """RuntimeError unless each side of ``x`` (B, C, X, Y, Z) is a multiple of ``step``."""
    if any(side % step for side in x.shape[2:]):
        raise RuntimeError(f"the sides of a volume must be multiples of {step}, got {tuple(x.shape[2:])}")
