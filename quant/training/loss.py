"""Losses of training: those of the papers for masks, and the distance from a teacher's prediction.

Those for masks are called by name (``LOSSES``), as ``segmentation_loss``. Each is for one logit a pixel, (B, 1, H, W)
and 0/1 masks of that shape, and for N classes, (B, N, H, W) and masks (B, 1, H, W) of class indices; what counts
regions is then a mean over the classes but the background (index 0). Regions are counted per image, with 1e-5 against
empty ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from quant.volumes.loss import focal

if TYPE_CHECKING:
    from collections.abc import Callable

_SMOOTH = 1e-5
FALSE_POSITIVES, FALSE_NEGATIVES = 0.3, 0.7  # weights of the Tversky index
_FOCAL_TVERSKY_GAMMA = 4 / 3
_BOUNDARY_STEP, _BOUNDARY_MOST = 0.01, 1.0  # of the boundary term's weight: an epoch, and in all


def segmentation_loss(
    logits: torch.Tensor, masks: torch.Tensor, kind: str = "bce-dice", epoch: int = 0
) -> torch.Tensor:
    """The loss () called ``kind`` of ``LOSSES``; ``epoch`` (from 0) is for one whose terms change their weights."""
    return LOSSES[kind](logits, masks, epoch)


def _bce(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """Cross entropy alone, of Liu et al. 2022 (LW-UNet)."""
    del epoch
    if logits.shape[1] > 1:
        return functional.cross_entropy(logits, masks[:, 0].long())
    return functional.binary_cross_entropy_with_logits(logits, masks)


def _bce_dice(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """0.5 cross entropy + 1 - Dice, of Carvalho & Vestias 2025."""
    del epoch
    return 0.5 * _bce(logits, masks) + 1 - _dice(logits, masks).mean()


def _bce_tversky(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """0.5 cross entropy + 1 - Tversky index: S. S. M. Salehi et al., "Tversky loss function for image segmentation
    using 3D fully convolutional deep networks", MLMI 2017.
    """
    del epoch
    return 0.5 * _bce(logits, masks) + 1 - _tversky_index(logits, masks).mean()


def _bce_focal_tversky(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """0.5 cross entropy + (1 - Tversky index) ** (1 / gamma), which a small lesion weighs in more: N. Abraham, N. M.
    Khan, "A novel focal Tversky loss function with improved attention U-Net for lesion segmentation", ISBI 2019.
    """
    del epoch
    missing = (1 - _tversky_index(logits, masks)).clamp(min=_SMOOTH)  # the power's slope at 0 is infinite
    return 0.5 * _bce(logits, masks) + (missing ** (1 / _FOCAL_TVERSKY_GAMMA)).mean()


def _focal_dice(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """Focal loss (T.-Y. Lin et al., ICCV 2017, gamma 2) + 1 - Dice."""
    del epoch
    return focal(logits, masks) + 1 - _dice(logits, masks).mean()


def _boundary(logits: torch.Tensor, masks: torch.Tensor, epoch: int = 0) -> torch.Tensor:
    """``bce-dice`` + the mean of probability times signed distance in pixels, whose weight rises by 0.01 each epoch, up
    to 1: H. Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019.
    """
    probability, truth = _regions(logits, masks)
    distance = torch.from_numpy(signed_distances(truth.bool().cpu().numpy())).to(probability.device)
    weight = min(_BOUNDARY_STEP * (epoch + 1), _BOUNDARY_MOST)
    return _bce_dice(logits, masks) + weight * (probability * distance).mean()


def signed_distances(regions: np.ndarray) -> np.ndarray:
    """Distance (B, classes, H, W) float32 in pixels of each pixel of bool ``regions`` of that shape from the nearest
    one of the region, 0 on its border, below 0 inside; all 0 where a region is empty, or the image.
    """
    found = np.zeros(regions.shape, np.float32)
    for place in np.ndindex(regions.shape[:2]):
        region = regions[place]
        if region.any() and not region.all():
            inside = np.maximum(ndimage.distance_transform_edt(region) - 1, 0)
            found[place] = ndimage.distance_transform_edt(~region) - inside
    return found


def _regions(logits: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and truth, (B, classes but the background, H, W) each."""
    if logits.shape[1] == 1:
        return torch.sigmoid(logits), masks
    truth = functional.one_hot(masks[:, 0].long(), logits.shape[1]).permute(0, 3, 1, 2)[:, 1:]
    return torch.softmax(logits, dim=1)[:, 1:], truth


def _dice(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """(B, classes but the background)."""
    probability, truth = (of.flatten(2) for of in _regions(logits, masks))  # (B, classes, H*W)
    overlap = (probability * truth).sum(2)
    return (2 * overlap + _SMOOTH) / (probability.sum(2) + truth.sum(2) + _SMOOTH)


def _tversky_index(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """(B, classes but the background): as Dice, but a missed pixel weighs more than one too many."""
    probability, truth = (of.flatten(2) for of in _regions(logits, masks))  # (B, classes, H*W)
    overlap = (probability * truth).sum(2)
    false_positives, false_negatives = probability.sum(2) - overlap, truth.sum(2) - overlap
    wrong = FALSE_POSITIVES * false_positives + FALSE_NEGATIVES * false_negatives
    return (overlap + _SMOOTH) / (overlap + wrong + _SMOOTH)


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]] = {
    "bce-dice": _bce_dice,
    "bce": _bce,
    "tversky": _bce_tversky,
    "focal-tversky": _bce_focal_tversky,
    "focal": _focal_dice,
    "boundary": _boundary,
}


def distillation_loss(logits: torch.Tensor, teacher_logits: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the student's from the teacher's probabilities, mean over pixels.

    Both (B, classes, H, W); one class means a logistic output, more a softmax over the classes. Temperature 1 of
    G. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    student, teacher = (functional.log_softmax(with_background(x), dim=1) for x in (logits, teacher_logits))
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1).mean()


def soft_target_loss(logits: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """``distillation_loss`` of a teacher that spoke beforehand: ``soft`` (B, classes but the background, H, W) are its
    probabilities.
    """
    student = functional.log_softmax(with_background(logits), dim=1)
    teacher = torch.cat(((1 - soft.sum(1, keepdim=True)).clamp(min=0), soft), dim=1)
    return functional.kl_div(student, teacher, reduction="none").sum(1).mean()


def with_background(logits: torch.Tensor) -> torch.Tensor:
    """Logits (B, N, ...) of a softmax: of one logit, which is logistic, 0 and itself."""
    return torch.cat((torch.zeros_like(logits), logits), dim=1) if logits.shape[1] == 1 else logits
