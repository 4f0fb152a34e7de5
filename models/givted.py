"""GIVTED-Net: Ghost bottlenecks down, and blocks of involution with squeeze-and-excitation up.

Source: R. D. H. Al-Fahsi, A. N. F. Prawirosoenoto, H. A. Nugroho, I. Ardiyanto, "GIVTED-Net: GhostNet-mobile involution
ViT encoder-decoder network for lightweight medical image segmentation", IEEE Access 2024. The form measured in table
III of Carvalho & Vestias 2025 (0.19 M parameters, 0.37 GMAC).

A Ghost module makes half of its channels by a 1x1 and the other half by a depthwise 3x3 of those. A decoder block sees
the image again, resized, beside its features. Involution is a 3x3 whose nine weights, the same for all channels, each
pixel makes for itself: 1x1 to a quarter, ReLU, 1x1 to nine, softmax. Instance norms take the statistics of the whole
frame, so nothing of the decoder streams: there is no twin for hardware.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models.errors import ConfigError
from models.registry import register

_TAPS = 9  # of an involution's 3x3


@dataclass(frozen=True, kw_only=True)
class GIVTEDConfig:
    """Channels of the five encoder levels, widths of their bottlenecks, widths and depths of the decoder's blocks.

    ``expansions`` has a tuple a level: the inner channels of each bottleneck; the first of a level but the top one has
    stride 2, the others squeeze and excite.
    """

    dims: tuple[int, ...] = (16, 24, 32, 40, 64)
    expansions: tuple[tuple[int, ...], ...] = ((16,), (32, 40), (48, 64), (72, 80), (96, 112, 112))
    block_dims: tuple[int, ...] = (50, 40, 30, 20)
    block_depths: tuple[int, ...] = (1, 1, 2, 2)
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.expansions) == len(self.block_dims) + 1 == len(self.block_depths) + 1:
            raise ConfigError("dims and expansions must have one entry a level, block_dims and block_depths one less")
        if any(channels % 2 for channels in (*self.dims, *sum(self.expansions, ()))):
            raise ConfigError("a Ghost module halves its channels, so dims and expansions must be even")


def conv(in_channels: int, out_channels: int, kernel: int, *after: nn.Module, **shape: int) -> nn.Sequential:
    """Convolution without bias, then ``after``, which holds its norm."""
    made = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False, **shape)
    return nn.Sequential(made, *after)


def conv_bn(in_channels: int, out_channels: int, kernel: int, *after: nn.Module, **shape: int) -> nn.Sequential:
    """Convolution, BN and what comes ``after``."""
    return conv(in_channels, out_channels, kernel, nn.BatchNorm2d(out_channels), *after, **shape)


def conv_in_relu(in_channels: int, out_channels: int, kernel: int, **shape: int) -> nn.Sequential:
    """Convolution, instance norm, ReLU."""
    return conv(in_channels, out_channels, kernel, nn.InstanceNorm2d(out_channels), nn.ReLU(), **shape)


def quarter(channels: int) -> int:
    """A quarter of ``channels`` as a multiple of four, the nearest one that is not more than 10% too small."""
    rounded = max(4, (channels + 8) // 16 * 4)
    return rounded if rounded >= 0.9 * channels / 4 else rounded + 4


class SqueezeExcite(nn.Module):
    """Times a factor a channel: its mean, 1x1 to a quarter, ReLU, 1x1, hard sigmoid."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = quarter(channels)
        self.factors = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factors(x.mean(dim=(2, 3), keepdim=True))  # (B, C, H, W) * (B, C, 1, 1)


class Ghost(nn.Module):
    """Half of the channels by 1x1, the other half from those by a depthwise 3x3."""

    def __init__(self, in_channels: int, out_channels: int, activation: type[nn.Module]) -> None:
        super().__init__()
        half = out_channels // 2
        self.primary = conv_bn(in_channels, half, 1, activation())
        self.cheap = conv_bn(half, half, 3, activation(), groups=half)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.primary(x)
        return torch.cat([made, self.cheap(made)], dim=1)  # (B, out_channels, H, W)


class GhostBottleneck(nn.Module):
    """Ghost modules around a strided depthwise 3x3 and a channel gate, a shortcut added."""

    def __init__(self, in_channels: int, inner: int, out_channels: int, *, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.fn = nn.Sequential(
            Ghost(in_channels, inner, nn.ReLU),
            *([conv_bn(inner, inner, 3, stride=stride, groups=inner)] if stride > 1 else []),
            *([SqueezeExcite(inner)] if squeeze else []),
            Ghost(inner, out_channels, nn.Identity),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                conv_bn(in_channels, in_channels, 3, stride=stride, groups=in_channels),
                conv_bn(in_channels, out_channels, 1),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fn(x) + self.shortcut(x)


class Involution(nn.Module):
    """A kernel of its own for each pixel, shared by all channels: (B, C, H, W) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = quarter(channels)
        self.weights = nn.Sequential(nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, _TAPS, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, height, width = x.shape
        weights = self.weights(x).softmax(dim=1)[:, None]  # (B, 1, 9, H, W)
        windows = F.unfold(x, 3, padding=1).view(batch, channels, _TAPS, height, width)
        return (windows * weights).sum(dim=2)  # (B, C, H, W)


class InvolutionFormer(nn.Module):
    """``depth`` times: depthwise 3x3, involution, depthwise 3x3; then squeeze-and-excitation; each normed and added."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        spread = lambda: nn.Conv2d(channels, channels, 3, padding=1, groups=channels)  # noqa: E731
        norm = lambda: nn.InstanceNorm2d(channels)  # noqa: E731
        self.branches = nn.ModuleList()
        for _ in range(depth):
            self.branches.append(nn.Sequential(spread(), Involution(channels), spread(), norm()))
            self.branches.append(nn.Sequential(SqueezeExcite(channels), norm()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for branch in self.branches:
            x = x + branch(x)
        return x


class DecoderBlock(nn.Module):
    """Features and image to features: (B, C, H, W), (B, 3, H', W') -> (B, C, H, W)."""

    def __init__(self, channels: int, dim: int, depth: int, in_channels: int) -> None:
        super().__init__()
        self.local = conv_in_relu(channels, channels, 3, groups=channels)
        self.enter = conv_in_relu(channels + in_channels, dim, 3)
        self.mix = InvolutionFormer(dim, depth)
        self.leave = conv_in_relu(dim, channels, 1)
        self.fuse = conv_in_relu(2 * channels, channels, 3)

    def forward(self, x: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        image = F.interpolate(image, size=x.shape[2:], mode="bilinear", align_corners=True)
        local = self.local(x)
        mixed = self.leave(self.mix(self.enter(torch.cat([local, image], dim=1))))
        return self.fuse(torch.cat([local, mixed], dim=1))


class GIVTEDNet(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: GIVTEDConfig) -> None:
        super().__init__()
        dims = config.dims
        self.stem = conv_bn(config.in_channels, dims[0], 3, nn.ReLU(), stride=2)
        self.encoder = nn.ModuleList(
            _level(level, dims[max(level - 1, 0)], channels, config.expansions[level])
            for level, channels in enumerate(dims)
        )
        above = list(zip(dims[:0:-1], dims[-2::-1], strict=True))
        self.narrow = nn.ModuleList(conv_bn(low, channels, 1, nn.ReLU()) for low, channels in above)
        self.decoder = nn.ModuleList(
            DecoderBlock(channels, dim, depth, config.in_channels)
            for (_, channels), dim, depth in zip(above, config.block_dims, config.block_depths, strict=True)
        )
        self.head = nn.Conv2d(dims[0], config.classes, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 32."""
        x, skips = self.stem(image), []
        for stage in self.encoder:
            x = stage(x)  # (B, dims[level], H / 2**(level + 1), W / 2**(level + 1))
            skips.append(x)
        for narrow, block, skip in zip(self.narrow, self.decoder, skips[-2::-1], strict=True):
            x = block(narrow(_twice(x)) + skip, image)
        return self.head(_twice(x))


def _level(level: int, in_channels: int, out_channels: int, expansions: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *(
            GhostBottleneck(
                in_channels if index == 0 else out_channels,
                inner,
                out_channels,
                stride=2 if index == 0 < level else 1,
                squeeze=index > 0,
            )
            for index, inner in enumerate(expansions)
        )
    )


def _twice(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


register("givted-net", "GIVTED-Net: Ghost modules, involution", GIVTEDConfig(), GIVTEDNet)
