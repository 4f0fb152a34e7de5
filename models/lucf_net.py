"""LUCF-Net: a narrow U-Net whose encoder levels add local convolutions and attention on a sparse grid.

Source: Q. She, S. Sun, Y. Ma, R. Li, Y. Zhang, "LUCF-Net: lightweight U-shaped cascade fusion network for medical image
segmentation", IEEE Journal of Biomedical and Health Informatics 2024. The form measured in table III of Carvalho &
Vestias 2025 (6.93 M parameters, 8.59 GMAC).

A local-global block is, each part added to its input: depthwise 3x3; BN, 1x1, depthwise 5x5, 1x1; BN, 1x1 to four times
the channels, GELU, 1x1 back; then depthwise 3x3; LayerNorm, attention among every n-th pixel of every n-th row, spread
over the pixels between by a depthwise transposed convolution; LayerNorm, MLP. The bottom level has the second half
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models.attention import Attention, StochasticDepth, map_of, tokens_of
from models.errors import ConfigError
from models.layers import Concat, Residual
from models.registry import register

_EXPANSION = 4


@dataclass(frozen=True, kw_only=True)
class LUCFNetConfig:
    """Channels and dropout of the five levels, and heads and strides of the attention of all but the first."""

    dims: tuple[int, ...] = (16, 48, 96, 192, 384)
    dropouts: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    heads: tuple[int, ...] = (3, 6, 12, 24)
    strides: tuple[int, ...] = (4, 2, 2, 1)
    drop_path: float = 0.1
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.dropouts) == len(self.heads) + 1 == len(self.strides) + 1 == 5:
            raise ConfigError("dims and dropouts must have five entries, heads and strides four")


class SparseAttention(Attention):
    """Attention among the pixels at multiples of ``stride``, whose answers a transposed convolution spreads."""

    def __init__(self, channels: int, heads: int, stride: int) -> None:
        super().__init__(channels, heads)
        self.stride = stride
        if stride > 1:
            self.spread = nn.ConvTranspose2d(channels, channels, stride, stride=stride, groups=channels)
            self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if self.stride == 1:
            return super().forward(tokens, tokens)
        grid = map_of(tokens, size)[:, :, :: self.stride, :: self.stride]
        asked = tokens_of(grid)
        answers = map_of(self.attend(asked, asked), tuple(grid.shape[2:]))
        return self.out(self.norm(tokens_of(self.spread(answers))))


class GlobalBlock(nn.Module):
    """Position, sparse attention and MLP, each added to its input: (B, C, H, W) -> the same shape."""

    def __init__(self, channels: int, heads: int, stride: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = SparseAttention(channels, heads, stride)
        self.mlp = nn.Sequential(
            nn.Linear(channels, _EXPANSION * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(_EXPANSION * channels, channels),
            nn.Dropout(dropout),
        )
        self.dropout, self.drop_path = nn.Dropout(dropout), StochasticDepth(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = tuple(x.shape[2:])
        tokens = tokens_of(x + self.position(x))
        tokens = tokens + self.drop_path(self.dropout(self.attention(self.norm1(tokens), size)))
        return map_of(tokens + self.drop_path(self.mlp(self.norm2(tokens))), size)  # (B, C, H, W)


def local_block(channels: int, dropout: float, drop_path: float) -> nn.Sequential:
    """A depthwise 3x3, a depthwise 5x5 between two 1x1 and a pointwise MLP, each added to its input."""
    pointwise = lambda i, o: nn.Conv2d(i, o, 1)  # noqa: E731
    depthwise = lambda kernel: nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)  # noqa: E731
    wide = _EXPANSION * channels
    mix = (nn.BatchNorm2d(channels), pointwise(channels, channels), depthwise(5), pointwise(channels, channels))
    mlp = (
        *(nn.BatchNorm2d(channels), pointwise(channels, wide), nn.GELU(), nn.Dropout(dropout)),
        *(pointwise(wide, channels), nn.Dropout(dropout)),
    )
    drop = lambda: StochasticDepth(drop_path)  # noqa: E731
    return nn.Sequential(
        Residual(depthwise(3)), Residual(nn.Sequential(*mix, drop())), Residual(nn.Sequential(*mlp, drop()))
    )


def double_conv(in_channels: int, out_channels: int, dropout: float = 0.0) -> nn.Sequential:
    """Two times 3x3, BN and leaky ReLU, with dropout between them."""
    conv = lambda c: (nn.Conv2d(c, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.LeakyReLU())  # noqa: E731
    return nn.Sequential(*conv(in_channels), nn.Dropout(dropout), *conv(out_channels))


class LUCFNet(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: LUCFNetConfig) -> None:
        super().__init__()
        dims = config.dims
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            double_conv(i, o, dropout)
            for i, o, dropout in zip((config.in_channels, *dims[:-1]), dims, config.dropouts, strict=True)
        )
        self.blocks = nn.ModuleList([nn.Identity()])
        for level, (heads, stride) in enumerate(zip(config.heads, config.strides, strict=True), start=1):
            rates = (config.dropouts[level], config.drop_path)
            attention = GlobalBlock(dims[level], heads, stride, *rates)
            local = [local_block(dims[level], *rates)] if stride > 1 else []
            self.blocks.append(nn.Sequential(*local, attention))
        above = list(zip(dims[:0:-1], dims[-2::-1], strict=True))
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(low, c, 1), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))
            for low, c in above
        )
        self.concat = Concat()
        self.decoder = nn.ModuleList(double_conv(2 * c, c) for _, c in above)
        self.deep_heads = nn.ModuleList(nn.Conv2d(c, config.classes, 1) for _, c in above[:-1])
        self.head = nn.Conv2d(dims[0], config.classes, 3, padding=1)

    def deep_logits(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> logits (B, classes, H, W) of the four decoder levels, bottom to top: for deep supervision."""
        skips = []
        for level, (stage, block) in enumerate(zip(self.encoder, self.blocks, strict=True)):
            x = block(stage(x if level == 0 else self.pool(x)))  # (B, dims[level], H / 2**level, W / 2**level)
            skips.append(x)
        logits, heads = [], (*self.deep_heads, self.head)
        for index, head in enumerate(heads):
            x = self.decoder[index](self.concat(skips[-2 - index], self.up[index](x)))
            scale = 2 ** (len(heads) - 1 - index)
            logits.append(F.interpolate(head(x), scale_factor=float(scale), mode="bilinear") if scale > 1 else head(x))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 16."""
        return self.deep_logits(x)[-1]


register("lucf-net", "LUCF-Net: narrow U-Net with sparse attention", LUCFNetConfig(), LUCFNet)
