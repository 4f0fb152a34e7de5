"""TransUNet: a ResNet-50 to a sixteenth of the size, the twelve layers of ViT-B on its pixels, and a U-Net's decoder.

Source: J. Chen, Y. Lu, Q. Yu, X. Luo, E. Adeli, Y. Wang, L. Lu, A. L. Yuille, Y. Zhou, "TransUNet: transformers make
strong encoders for medical image segmentation", 2021, in its R50-ViT-B/16 form with three skips, at 256x256: 105.32 M
parameters. Table III of Carvalho & Vestias 2025 prints 38.52 GMAC for it, which is fvcore's count: `thop` does not know
the standardised convolutions of the ResNet.

The ResNet is of BiT's kind: convolutions whose weights are standardised, group norms, no fourth stage (A. Kolesnikov
and others, "Big transfer (BiT)", ECCV 2020). This chooses: position embeddings are resized bilinearly for other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import nn
from torch.nn import functional as F

from models.attention import Attention, map_of, tokens_of
from models.errors import ConfigError
from models.layers import conv_norm_act
from models.registry import register

_GROUPS = 32
_EPS = 1e-6
_STRIDE = 16  # of the transformer's tokens


@dataclass(frozen=True, kw_only=True)
class TransUNetConfig:
    """``stages``: blocks of the ResNet's three stages; the others are of the transformer and of the decoder."""

    stages: tuple[int, ...] = (3, 4, 9)
    hidden: int = 768
    layers: int = 12
    heads: int = 12
    mlp: int = 3072
    decoder: tuple[int, ...] = (256, 128, 64, 16)
    dropout: float = 0.1
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if len(self.stages) != 3 or len(self.decoder) != 4:
            raise ConfigError("stages must have three entries and decoder four, which bring tokens back to full size")
        if self.hidden % self.heads:
            raise ConfigError(f"hidden {self.hidden} must be a multiple of heads {self.heads}")


class StandardisedConv2d(nn.Conv2d):
    """Convolution by weights of mean 0 and variance 1 in each output channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True, unbiased=False)
        return self._conv_forward(x, (self.weight - mean) * torch.rsqrt(variance + 1e-5), self.bias)


def conv_gn(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Weight-standardised convolution and group norm."""
    conv = StandardisedConv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(_GROUPS, out_channels, eps=_EPS))


class Bottleneck(nn.Module):
    """1x1 to a quarter of ``out_channels``, 3x3, 1x1; a 1x1 in the shortcut where shapes differ."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        inner = out_channels // 4
        self.fn = nn.Sequential(
            *(*conv_gn(in_channels, inner, 1), nn.ReLU()),
            *(*conv_gn(inner, inner, 3, stride), nn.ReLU()),
            *conv_gn(inner, out_channels, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                StandardisedConv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.GroupNorm(out_channels, out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.shortcut(x) + self.fn(x))


class ResNet(nn.Module):
    """The convolutional encoder: (B, in_channels, H, W) -> maps, fine to coarse."""

    def __init__(self, stages: tuple[int, ...], in_channels: int) -> None:
        super().__init__()
        self.dims = (64, 256, 512, 1024)
        self.root = nn.Sequential(*conv_gn(in_channels, self.dims[0], 7, 2), nn.ReLU())
        self.pool = nn.MaxPool2d(3, stride=2)
        self.body = nn.ModuleList()
        for stage, (depth, low, high) in enumerate(zip(stages, self.dims, self.dims[1:], strict=False)):
            strides = [1 if stage == 0 else 2] + [1] * (depth - 1)
            inputs = [low] + [high] * (depth - 1)
            self.body.append(nn.Sequential(*(Bottleneck(i, high, s) for i, s in zip(inputs, strides, strict=True))))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) -> of each of four sizes (B, dims[i], H / 2**(i + 1), W / 2**(i + 1)).

        The pool has no padding, so the second map lacks a row and a column at its end, which are zero here.
        """
        height, width = x.shape[2:]
        outputs = [self.root(x)]
        x = self.pool(outputs[0])
        for index, stage in enumerate(self.body):
            x = stage(x)
            missing = (width // 4 // 2**index - x.shape[3], height // 4 // 2**index - x.shape[2])
            outputs.append(F.pad(x, (0, missing[0], 0, missing[1])))
        return outputs


class Layer(nn.Module):
    """Attention and MLP of a vision transformer, each behind a LayerNorm and with its input added."""

    def __init__(self, config: TransUNetConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.hidden, eps=_EPS), nn.LayerNorm(config.hidden, eps=_EPS)
        self.attention = Attention(config.hidden, config.heads)
        self.mlp = nn.Sequential(
            nn.Linear(config.hidden, config.mlp),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mlp, config.hidden),
            nn.Dropout(config.dropout),
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        normed = self.norm1(tokens)
        tokens = tokens + self.attention(normed, normed)
        return tokens + self.mlp(self.norm2(tokens))  # (B, N, hidden)


class DecoderBlock(nn.Module):
    """Bilinear x2, concatenation of the skip, two 3x3."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.grow = nn.UpsamplingBilinear2d(scale_factor=2)  # corners aligned
        self.convs = nn.Sequential(
            conv_norm_act(in_channels + skip_channels, out_channels, 3, bias=False),
            conv_norm_act(out_channels, out_channels, 3, bias=False),
        )

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None) -> torch.Tensor:
        x = self.grow(x)
        return self.convs(x if skip is None else torch.cat([x, skip], dim=1))


class TransUNet(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: TransUNetConfig) -> None:
        super().__init__()
        grid = config.input_size // _STRIDE
        self.resnet = ResNet(config.stages, config.in_channels)
        self.embed = nn.Conv2d(self.resnet.dims[-1], config.hidden, 1)
        self.positions = nn.Parameter(torch.zeros(1, config.hidden, grid, grid))
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.Sequential(*(Layer(config) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.hidden, eps=_EPS)
        skips = (*self.resnet.dims[2::-1], 0)
        entered = 512
        self.enter = conv_norm_act(config.hidden, entered, 3, bias=False)
        self.decoder = nn.ModuleList(
            DecoderBlock(i, skip, o)
            for i, skip, o in zip((entered, *config.decoder), skips, config.decoder, strict=False)
        )
        self.head = nn.Conv2d(config.decoder[-1], config.classes, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 16."""
        *skips, x = self.resnet(x)
        x = self.embed(x)  # (B, hidden, H / 16, W / 16)
        size = tuple(x.shape[2:])
        positions = self.positions
        if positions.shape[2:] != size:
            positions = F.interpolate(positions, size=size, mode="bilinear", align_corners=False)
        tokens = self.norm(self.layers(self.dropout(tokens_of(x + positions))))
        x = self.enter(map_of(tokens, size))
        for block, skip in zip_longest(self.decoder, reversed(skips)):
            x = block(x, skip)
        return self.head(x)


register("transunet", "TransUNet: ResNet-50 and ViT-B/16", TransUNetConfig(), TransUNet)
