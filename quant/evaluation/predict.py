"""Logits and masks of a network over a whole split, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from board.io_spec import decide  # multiples of integer logits by their scale give the same, ties included
from quant.data.pairs import to_input

if TYPE_CHECKING:
    import numpy as np


def predict_logits(network: nn.Module, codes: torch.Tensor, batch: int, device: str = "cpu") -> torch.Tensor:
    """Codes (N, 3, H, W) uint8 -> logits (N, classes, H, W) on the CPU, with the network in evaluation mode."""
    network.eval()
    logits = []
    with torch.no_grad():
        for part in codes.split(batch):
            x = to_input(part.to(device)).contiguous(memory_format=torch.channels_last)
            logits.append(network(x).cpu())
    return torch.cat(logits)


def predict_masks(network: nn.Module, codes: torch.Tensor, batch: int, device: str = "cpu") -> np.ndarray:
    """Codes (N, 3, H, W) uint8 -> masks or class indices (N, H, W): see ``decide``."""
    return decide(predict_logits(network, codes, batch, device).permute(0, 2, 3, 1).numpy())
