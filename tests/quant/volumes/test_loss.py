"""Losses and the schedule: against formulas in numpy, MONAI, and distances counted by hand."""

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from scipy import special
from torch.nn import functional

from quant.base.errors import ConfigError
from quant.volumes.loss import deep_supervision, dice_ce, distance_focal, distance_weights
from quant.volumes.schedule import PolySchedule, sgd

SEED = 6


def random_case(classes, shape=(6, 7, 5), batch=2):
    rng = np.random.default_rng(SEED)
    logits = torch.from_numpy(rng.normal(size=(batch, classes, *shape)).astype(np.float32))
    return logits, torch.from_numpy(rng.integers(0, max(2, classes), (batch, 1, *shape)).astype(np.uint8))


def test_dice_and_cross_entropy_are_those_of_monai_and_torch():
    logits, labels = random_case(3)
    dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True)(logits, labels.long())
    entropy = functional.cross_entropy(logits, labels[:, 0].long())
    assert dice_ce(logits, labels).item() == pytest.approx((dice + entropy).item(), rel=1e-5)
    logits, labels = random_case(1)
    dice = DiceLoss(sigmoid=True)(logits, labels.float())
    entropy = functional.binary_cross_entropy_with_logits(logits, labels.float())
    assert dice_ce(logits, labels).item() == pytest.approx((dice + entropy).item(), rel=1e-5)


def test_slabs_have_one_dice_for_the_batch():
    logits, labels = random_case(3, (8, 9))
    labels[0] = 0  # a slice without any foreground, as most are
    dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)(logits, labels.long())
    entropy = functional.cross_entropy(logits, labels[:, 0].long())
    assert dice_ce(logits, labels).item() == pytest.approx((dice + entropy).item(), rel=1e-5)
    assert dice_ce(logits, labels) < dice_ce(logits[..., None], labels[..., None]) - 0.02
    assert distance_focal(logits, labels).isfinite()


def test_weights_are_the_depth_below_the_boundary():
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[1:8, 1:8, 1:8] = 1  # a cube of 7: depths 0 to 3
    weights = distance_weights(labels)
    assert weights[4, 4].tolist() == [1, 1, 2, 3, 4, 3, 2, 1, 1]
    assert (weights[labels == 0] == 1).all() and weights[1, 1, 1] == 1
    assert (distance_weights(np.zeros((3, 3, 3), np.uint8)) == 1).all()
    assert (distance_weights(np.ones((3, 3, 3), np.uint8)) == 1).all()  # no boundary in sight
    halved = np.zeros((5, 9), np.uint8)
    halved[:, :4] = 1  # cut by the array's edge, which is no boundary
    assert distance_weights(halved)[2].tolist() == [4, 3, 2, 1, 1, 1, 1, 1, 1]


def test_the_focal_loss_is_its_formula():
    logits, _ = random_case(1, (9, 9, 9), batch=1)
    labels = torch.zeros(1, 1, 9, 9, 9, dtype=torch.uint8)
    labels[0, 0, 1:8, 1:8, 1:8] = 1
    inside = labels[0, 0].numpy() > 0
    p = special.expit(logits[0, 0].numpy().astype(float))
    true_p = np.where(inside, p, 1 - p)
    depth = np.minimum.reduce([np.minimum(axis - 1, 7 - axis) for axis in np.indices((9, 9, 9))])
    alpha = np.where(inside, depth + 1, 1)  # in a cube the nearest boundary voxel lies straight behind a face
    expected = (-alpha * (1 - true_p) ** 2 * np.log(true_p)).mean()
    assert distance_focal(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_deep_supervision_weighs_halves():
    logits, labels = random_case(2, (8, 8, 8))
    outputs = [logits, logits[:, :, ::2, ::2, ::2], logits[:, :, ::4, ::4, ::4]]
    parts = [dice_ce(o, labels[:, :, ::s, ::s, ::s]).item() for o, s in zip(outputs, (1, 2, 4), strict=True)]
    expected = (parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75
    assert deep_supervision(dice_ce, outputs, labels).item() == pytest.approx(expected, rel=1e-5)
    assert deep_supervision(dice_ce, outputs[:1], labels).item() == pytest.approx(parts[0])


def test_poly_schedule_and_nesterov():
    schedule = PolySchedule(0.01, 120)
    assert schedule.rate(0) == 0.01
    assert schedule.rate(60) == pytest.approx(0.01 * 0.5**0.9)
    assert 0 < schedule.rate(119) < schedule.rate(118)
    with pytest.raises(ConfigError, match="a poly schedule has a rate above 0"):
        PolySchedule(0, 10)
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimiser = sgd([weight], lr=0.1, weight_decay=0)
    values = []
    for _ in range(2):
        optimiser.zero_grad()
        (2 * weight).sum().backward()  # gradient 2
        optimiser.step()
        values.append(weight.item())
    # Nesterov: v = 0.99 v + g; w -= lr (g + 0.99 v)
    first = 1 - 0.1 * (2 + 0.99 * 2)
    assert values == pytest.approx([first, first - 0.1 * (2 + 0.99 * (0.99 * 2 + 2))])
