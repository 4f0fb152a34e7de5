"""What the transformers among the networks share: tokens of a feature map, multi-head attention, stochastic depth.

Tokens are (B, N, C), one a pixel of a feature map (B, C, H, W) row by row, N = H * W.
"""

from __future__ import annotations

import torch
from torch import nn


def tokens_of(x: torch.Tensor) -> torch.Tensor:
    """Pixels as tokens: (B, C, H, W) -> (B, H * W, C)."""
    return x.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, H * W, C)


def map_of(tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Tokens as the pixels of a map of ``size``: (B, H * W, C) -> (B, C, H, W)."""
    return tokens.transpose(1, 2).unflatten(2, size)  # (B, H * W, C) -> (B, C, H, W)


class Attention(nn.Module):
    """softmax(q k' / sqrt(C / heads)) v in each head, then a linear layer; queries and keys may be of different tokens.

    Raises:
        ValueError: ``channels`` is no multiple of ``heads``.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels do not divide into {heads} heads")
        self.heads = heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def attend(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """(B, N, C) asks, (B, M, C) answers -> (B, N, C), before the last linear layer."""
        query = self._by_head(self.query(tokens))
        key, value = (self._by_head(part) for part in self.key_value(context).chunk(2, dim=2))
        scores = query @ key.transpose(2, 3) * (query.shape[3] ** -0.5)  # (B, heads, N, M)
        return (scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2)

    def forward(self, tokens: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.out(self.attend(tokens, context))

    def _by_head(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, N, C) -> (B, heads, N, C / heads)


class StochasticDepth(nn.Module):
    """In training, zeroes a whole image's branch with ``probability`` and scales the others up to the same mean."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        kept = torch.empty(len(x), *[1] * (x.dim() - 1), device=x.device, dtype=x.dtype).bernoulli_(keep)
        return x * kept / keep
