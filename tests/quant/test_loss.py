"""Losses against values worked out by hand and by torch.distributions."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from quant.training.loss import distillation_loss, segmentation_loss

SEED = 3


def test_loss_is_half_bce_plus_dice():
    logits, masks = torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    # BCE of probability 1/2 is ln 2; Dice is 1 - 2 * 0.5 / (1 + 1)
    assert segmentation_loss(logits, masks).item() == pytest.approx(0.5 * np.log(2) + 0.5, abs=1e-5)


def test_bce_alone_has_no_dice_term():
    logits, masks = torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert segmentation_loss(logits, masks, "bce").item() == pytest.approx(np.log(2), abs=1e-6)
    equal, labels = torch.zeros(1, 3, 1, 2), torch.tensor([[[[2.0, 0.0]]]])
    assert segmentation_loss(equal, labels, "bce").item() == pytest.approx(np.log(3), abs=1e-6)


def test_distillation_is_the_divergence_of_the_two_predictions():
    generator = torch.Generator().manual_seed(SEED)
    student, teacher = (torch.randn(2, 1, 5, 7, generator=generator) * 4 for _ in range(2))
    wanted = kl_divergence(Bernoulli(logits=teacher), Bernoulli(logits=student)).mean()
    assert distillation_loss(student, teacher).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert distillation_loss(student, student).item() == pytest.approx(0, abs=1e-6)


def test_distillation_of_several_classes():
    generator = torch.Generator().manual_seed(SEED)
    student, teacher = (torch.randn(2, 4, 5, 7, generator=generator) * 4 for _ in range(2))
    teacher_last, student_last = (logits.permute(0, 2, 3, 1) for logits in (teacher, student))
    wanted = kl_divergence(Categorical(logits=teacher_last), Categorical(logits=student_last)).mean()
    assert distillation_loss(student, teacher).item() == pytest.approx(wanted.item(), rel=1e-5)
