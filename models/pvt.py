"""PVTv2, a pyramid of four transformer stages at a quarter to a thirty-second of the image's size; an encoder.

Source: W. Wang, E. Xie, X. Li, D.-P. Fan, K. Song, D. Liang, T. Lu, P. Luo, L. Shao, "PVT v2: improved baselines with
pyramid vision transformer", Computational Visual Media 2022, table 1. A stage embeds overlapping patches by a strided
convolution; in its blocks each pixel attends to the map shrunk by a convolution of kernel and stride ``shrink``, and
the MLP has a depthwise 3x3 before its GELU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.attention import Attention, StochasticDepth, map_of, tokens_of

_EPS = 1e-6  # of the blocks' and the stages' LayerNorms


@dataclass(frozen=True, kw_only=True)
class PVTConfig:
    """Of the four stages: channels, blocks, heads, width of the MLP by the channels, shrinking before attention."""

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    expansions: tuple[int, ...]
    shrinks: tuple[int, ...]
    drop_path: float = 0.1  # of the last block; grows linearly from 0 at the first


PVT_V2_B2 = PVTConfig(
    dims=(64, 128, 320, 512),
    depths=(3, 4, 6, 3),
    heads=(1, 2, 5, 8),
    expansions=(8, 8, 4, 4),
    shrinks=(8, 4, 2, 1),
)


class ShrunkAttention(Attention):
    """Attention of all tokens to those of a map that a strided convolution has shrunk."""

    def __init__(self, channels: int, heads: int, shrink: int) -> None:
        super().__init__(channels, heads)
        self.shrink = nn.Conv2d(channels, channels, shrink, stride=shrink) if shrink > 1 else None
        self.norm = nn.LayerNorm(channels) if shrink > 1 else None

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        context = tokens
        if self.shrink is not None:
            context = self.norm(tokens_of(self.shrink(map_of(tokens, size))))
        return super().forward(tokens, context)


class ConvMLP(nn.Module):
    """MLP with a depthwise 3x3 between its layers: tokens (B, H * W, C) -> the same shape."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.widen, self.narrow = nn.Linear(channels, wide), nn.Linear(wide, channels)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.activation = nn.GELU()

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        wide = tokens_of(self.depthwise(map_of(self.widen(tokens), size)))
        return self.narrow(self.activation(wide))


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm and added to its input."""

    def __init__(self, channels: int, heads: int, expansion: int, shrink: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels, eps=_EPS), nn.LayerNorm(channels, eps=_EPS)
        self.attention = ShrunkAttention(channels, heads, shrink)
        self.mlp = ConvMLP(channels, expansion)
        self.drop_path = StochasticDepth(drop_path)

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens), size))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens), size))  # (B, H * W, C)


class Stage(nn.Module):
    """Patch embedding and its blocks: (B, C, H, W) -> (B, C', H', W')."""

    def __init__(self, patch: nn.Conv2d, blocks: list[Block]) -> None:
        super().__init__()
        self.patch, self.patch_norm = patch, nn.LayerNorm(patch.out_channels)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(patch.out_channels, eps=_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x)
        size = tuple(x.shape[2:])
        tokens = self.patch_norm(tokens_of(x))
        for block in self.blocks:
            tokens = block(tokens, size)
        return map_of(self.norm(tokens), size)


class PVT(nn.Module):
    """Pyramid vision transformer: (B, in_channels, H, W) -> a map of each stage."""

    def __init__(self, config: PVTConfig, in_channels: int) -> None:
        super().__init__()
        blocks, made = sum(config.depths), 0
        self.stages = nn.ModuleList()
        for stage, (channels, depth) in enumerate(zip(config.dims, config.depths, strict=True)):
            kernel, stride = (7, 4) if stage == 0 else (3, 2)
            patch = nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2)
            shape = (channels, config.heads[stage], config.expansions[stage], config.shrinks[stage])
            drop_paths = [config.drop_path * index / (blocks - 1) for index in range(made, made + depth)]
            self.stages.append(Stage(patch, [Block(*shape, drop_path) for drop_path in drop_paths]))
            in_channels, made = channels, made + depth
        self.apply(_initialise)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) -> of each stage (B, dims[stage], H / 4 / 2**stage, W / 4 / 2**stage)."""
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
