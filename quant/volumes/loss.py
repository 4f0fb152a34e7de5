"""Losses for volumes and slabs: Dice + CE, focal loss weighted by distance, and deep supervision of either.

Logits are (B, N, ...) with any number of spatial axes, labels (B, 1, ...) class indices; N = 1 tells a foreground (1)
from the rest. One logit a voxel is taken as two, 0 and the logit, of a softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_SMOOTH = 1e-5
GAMMA = 2.0


def dice_ce(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross entropy + 1 - soft Dice, the latter a mean over the volumes and the classes but the background.

    Slabs (two spatial axes) have one Dice for the whole batch, as nnU-Net in 2D: most slices lack some class, and
    a Dice of their own would be a constant loss that draws the network to the background.
    """
    log_p, labels = _log_probabilities(logits), labels.long()
    entropy = functional.nll_loss(log_p, labels[:, 0])
    truth = torch.zeros_like(log_p).scatter_(1, labels, 1.0).flatten(2)[:, 1:]  # (B, N - 1, voxels)
    probability = log_p.exp().flatten(2)[:, 1:]
    summed = (0, 2) if logits.ndim == 4 else (2,)
    overlap = (probability * truth).sum(summed)
    dice = (2 * overlap + _SMOOTH) / (probability.sum(summed) + truth.sum(summed) + _SMOOTH)
    return entropy + 1 - dice.mean()


def distance_focal(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean over voxels of -alpha (1 - p)^2 log p, p being the true class's probability.

    alpha is the distance to the boundary + 1 inside the foreground, 1 outside (Y. Guo et al. 2021, who do not give
    gamma; 2 is that of T.-Y. Lin et al., ICCV 2017).
    """
    weights = torch.from_numpy(np.stack([distance_weights(label[0]) for label in labels.cpu().numpy()]))
    return focal(logits, labels, weights.to(logits.device)[:, None])


def focal(logits: torch.Tensor, labels: torch.Tensor, alpha: torch.Tensor | float = 1.0) -> torch.Tensor:
    """The mean over pixels or voxels of -alpha (1 - p)^2 log p, p being the true class's probability."""
    log_p = _log_probabilities(logits).gather(1, labels.long())
    return -(alpha * (1 - log_p.exp()) ** GAMMA * log_p).mean()


def distance_weights(labels: np.ndarray) -> np.ndarray:
    """alpha of each voxel of class indices, float32: 1 outside and on the boundary, then 1 more a voxel of depth.

    The boundary are the foreground's voxels with a face neighbour outside; the array's own edge makes none.
    """
    inside = labels > 0
    faces = ndimage.generate_binary_structure(labels.ndim, 1)
    boundary = inside & ~ndimage.binary_erosion(inside, faces, border_value=1)
    weights = np.ones(labels.shape, np.float32)
    if boundary.any():
        weights[inside] += ndimage.distance_transform_edt(~boundary)[inside]
    return weights


def deep_supervision(loss: Loss, outputs: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
    """``loss`` of each resolution, weighted 1, 1/2, 1/4, ... and divided by the weights' sum.

    ``outputs`` are logits from the full size down, each axis halved; labels are taken at every second voxel and so on.
    """
    weights = [0.5**level for level in range(len(outputs))]
    steps = [labels[(..., *[slice(None, None, 1 << level)] * (labels.ndim - 2))] for level in range(len(outputs))]
    losses = [w * loss(logits, part) for w, logits, part in zip(weights, outputs, steps, strict=True)]
    return torch.stack(losses).sum() / sum(weights)


def _log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    if logits.shape[1] == 1:
        logits = torch.cat((torch.zeros_like(logits), logits), dim=1)
    return functional.log_softmax(logits, dim=1)


LOSSES: dict[str, Loss] = {"dice-ce": dice_ce, "distance-focal": distance_focal}
