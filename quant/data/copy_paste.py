"""Lesions pasted from one image of a batch onto another: G. Ghiasi et al., "Simple copy-paste is a strong data
augmentation method for instance segmentation", CVPR 2021, for masks of one class.
"""

from __future__ import annotations

import torch
from torch.nn import functional

_BORDER = 5  # side of the windows by which a lesion fades into its new surroundings, over as many pixels less one


def copy_paste(
    codes: torch.Tensor, masks: torch.Tensor, probability: float, generator: torch.Generator, rank: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, C, H, W) uint8 and masks (B, 1, H, W), behind which soft targets may stand -> the same shapes and types.

    Each image gets, with ``probability``, the lesion of another one of the batch at the place that it has there. Every
    pixel of it is pasted as it is, however small it is, and what lies around it fades. Draws are those of process
    ``rank``; ``generator`` moves on by the same everywhere.
    """
    own = torch.Generator().manual_seed(int(torch.randint(0, 2**31, (), generator=generator)) + rank)
    count = len(codes)
    gets = torch.rand(count, generator=own) < probability
    partners = (torch.arange(count) + torch.randint(1, max(count, 2), (count,), generator=own)) % count
    gets, partners = gets.to(codes.device).view(-1, 1, 1, 1), partners.to(codes.device)
    lesion = (masks[partners, :1] > 0) & gets
    around = functional.max_pool2d(lesion.float(), _BORDER, 1, _BORDER // 2)
    share = functional.avg_pool2d(around, _BORDER, 1, _BORDER // 2, count_include_pad=False)
    blended = codes[partners].float() * share + codes.float() * (1 - share)
    return blended.round().to(torch.uint8), torch.where(lesion, masks[partners], masks)
