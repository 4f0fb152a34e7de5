"""Losses against values worked out by hand and by torch.distributions."""

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence

from quant.training.loss import LOSSES, distillation_loss, segmentation_loss, signed_distances

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


def drawn(classes=1, shape=(3, 6, 8)):
    """Logits (B, classes, H, W) and masks (B, 1, H, W), of which the last image's is empty."""
    rng = np.random.default_rng(SEED)
    logits = 2 * rng.standard_normal((shape[0], classes, *shape[1:]))
    masks = rng.integers(0, max(classes, 2), (shape[0], 1, *shape[1:]))
    masks[-1] = 0
    return torch.tensor(logits, dtype=torch.float64), torch.tensor(masks, dtype=torch.float64)


def by_formula(logits, masks):
    """Of each image and class but the background, in numpy: probability and truth (classes, B, pixels), and the mean
    cross entropy.
    """
    logits, labels = logits.numpy(), masks.numpy()[:, 0].astype(int)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    of_truth = np.take_along_axis(probability, labels[:, None], axis=1)
    kinds = range(1, logits.shape[1])
    flat = (len(labels), -1)
    return (
        np.stack([probability[:, kind].reshape(flat) for kind in kinds]),
        np.stack([(labels == kind).reshape(flat) for kind in kinds]),
        of_truth,
    )


@pytest.mark.parametrize("classes", [1, 3])
def test_tversky_losses_are_those_of_the_papers(classes):
    logits, masks = drawn(classes)
    p, g, of_truth = by_formula(logits, masks)
    true, false_positive, false_negative = (p * g).sum(-1), (p * ~g).sum(-1), ((1 - p) * g).sum(-1)
    index = (true + 1e-5) / (true + 0.3 * false_positive + 0.7 * false_negative + 1e-5)
    half_bce = -0.5 * np.log(of_truth).mean()
    assert segmentation_loss(logits, masks, "tversky").item() == pytest.approx(half_bce + (1 - index).mean(), rel=1e-9)
    wanted = half_bce + ((1 - index) ** 0.75).mean()
    assert segmentation_loss(logits, masks, "focal-tversky").item() == pytest.approx(wanted, rel=1e-9)


def test_a_missed_pixel_costs_more_than_one_too_many_in_tversky():
    masks = torch.zeros(1, 1, 4, 4)
    masks[..., :2] = 1
    too_few, too_many = ((2 * masks - 1) * 9 for _ in range(2))
    too_few[0, 0, 0, 0], too_many[0, 0, 0, 3] = -9, 9
    few, many = (segmentation_loss(logits, masks, "tversky").item() for logits in (too_few, too_many))
    assert few - many == pytest.approx(8 / 8.3 - 7 / 7.7, abs=2e-3)  # each has one wrong pixel in its BCE


@pytest.mark.parametrize("classes", [1, 3])
def test_focal_loss_is_that_of_the_paper_with_dice(classes):
    logits, masks = drawn(classes)
    p, g, of_truth = by_formula(logits, masks)
    focal = -((1 - of_truth) ** 2 * np.log(of_truth)).mean()
    dice = (2 * (p * g).sum(-1) + 1e-5) / (p.sum(-1) + g.sum(-1) + 1e-5)
    found = segmentation_loss(logits, masks, "focal").item()
    assert found == pytest.approx(focal + 1 - dice.mean(), rel=1e-9)


def test_distances_are_signed_and_zero_on_the_border():
    region = np.zeros((1, 1, 7, 9), bool)
    region[0, 0, 2:5, 2:5] = True
    found = signed_distances(region)[0, 0]
    nearest = [
        [min(np.hypot(y - v, x - u) for v in range(7) for u in range(9) if region[0, 0, v, u]) for x in range(9)]
        for y in range(7)
    ]
    outside = ~region[0, 0]
    np.testing.assert_allclose(found[outside], np.array(nearest)[outside], rtol=1e-6)
    assert found[2:5, 2:5].tolist() == [[0, 0, 0], [0, -1, 0], [0, 0, 0]]
    for all_of_it in (False, True):
        assert not signed_distances(np.full((2, 1, 4, 4), all_of_it)).any()


@pytest.mark.parametrize("classes", [1, 3])
def test_the_boundary_term_rises_with_the_epochs(classes):
    logits, masks = drawn(classes)
    p, g, _ = by_formula(logits, masks)
    regions = g.reshape(len(g), len(masks), *masks.shape[2:]).swapaxes(0, 1)  # (B, classes, H, W)
    term = (p * signed_distances(regions).swapaxes(0, 1).reshape(p.shape)).mean()
    assert abs(term) > 0.1
    for epoch, weight in ((0, 0.01), (19, 0.2), (300, 1.0)):
        added = segmentation_loss(logits, masks, "boundary", epoch) - segmentation_loss(logits, masks)
        assert added.item() == pytest.approx(weight * term, rel=1e-5)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", LOSSES)
def test_the_gradient_of_each_loss_is_its_slope_and_finite_at_the_ends(kind, classes):
    logits, masks = drawn(classes, (2, 3, 4))
    assert torch.autograd.gradcheck(lambda x: segmentation_loss(x, masks, kind, 9), logits.requires_grad_())
    right = masks.expand_as(logits) == (torch.arange(classes).view(1, -1, 1, 1) if classes > 1 else 1)
    perfect = (torch.where(right, 60.0, -60.0)).float().requires_grad_()
    loss = segmentation_loss(perfect, masks.float(), kind)
    loss.backward()
    assert loss.isfinite() and perfect.grad.isfinite().all()
    opposite = segmentation_loss(-perfect.detach(), masks.float(), kind)
    assert loss < opposite, "a perfect prediction costs less than its opposite"
    learned, labels = torch.zeros(2, classes, 3, 4, requires_grad=True), masks.float()
    optimiser, costs = torch.optim.Adam([learned], lr=0.3), []
    for _ in range(20):
        cost = segmentation_loss(learned, labels, kind)
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        costs.append(cost.item())
    assert costs[-1] < costs[0] - 0.2
