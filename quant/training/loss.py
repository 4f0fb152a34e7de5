"""Losses of training: those of the papers for masks, and the distance from a teacher's prediction."""

from __future__ import annotations

import torch
from torch.nn import functional


def segmentation_loss(logits: torch.Tensor, masks: torch.Tensor, kind: str = "bce-dice") -> torch.Tensor:
    """``bce-dice``: 0.5 cross entropy + Dice, the Dice term per image with smoothing 1e-5; ``bce``: the former alone.

    The first is that of Carvalho & Vestias 2025, the second that of Liu et al. 2022 (LW-UNet).

    One logit a pixel: (B, 1, H, W) and 0/1 masks of that shape. N classes: (B, N, H, W) and masks (B, 1, H, W) of class
    indices; the Dice term is then the mean over the classes but the background (index 0).
    """
    if logits.shape[1] > 1:
        labels = masks[:, 0].long()
        cross_entropy = functional.cross_entropy(logits, labels)
        truth = functional.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:]
        probability = torch.softmax(logits, dim=1)[:, 1:]
    else:
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, masks)
        truth, probability = masks, torch.sigmoid(logits)
    if kind == "bce":
        return cross_entropy
    truth, probability = truth.flatten(2), probability.flatten(2)  # (B, classes, H*W)
    overlap = (probability * truth).sum(2)
    dice = (2 * overlap + 1e-5) / (probability.sum(2) + truth.sum(2) + 1e-5)
    return 0.5 * cross_entropy + 1 - dice.mean()


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
