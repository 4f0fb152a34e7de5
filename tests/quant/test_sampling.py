"""Balanced draws: each class and size equally often, an epoch as long as before, nothing changed where it is off."""

from collections import Counter

import pytest
import torch

from quant.data.augment import augmented_batches
from quant.data.pairs import Samples
from quant.training.epoch_batches import epoch_batches
from quant.training.sampling import sampling_weights
from quant.training.train_config import TrainConfig

SIDE = 20


def samples(names, pixels):
    """Images whose grey level is their number, with so many pixels of lesion of 400."""
    masks = torch.zeros(len(names), 1, SIDE * SIDE, dtype=torch.bool)
    for index, count in enumerate(pixels):
        masks[index, 0, :count] = True
    codes = torch.arange(len(names), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, SIDE, SIDE).contiguous()
    return Samples(tuple(names), codes, masks.view(-1, 1, SIDE, SIDE))


# below 12 pixels (3%) small, below 40 (10%) medium
LESIONS = samples(
    ["benign (1)", "benign (2)", "benign (3)", "benign (4)", "malignant (1)", "malignant (2)", "normal (1)"],
    [1, 5, 11, 12, 39, 40, 0],
)


def test_cells_are_classes_and_sizes_of_equal_weight():
    # three small benign, one medium benign, a medium and a large malignant, one without a lesion: five cells
    wanted = torch.tensor([1 / 15, 1 / 15, 1 / 15, 1 / 5, 1 / 5, 1 / 5, 1 / 5], dtype=torch.float64)
    assert torch.allclose(sampling_weights("balanced", LESIONS), wanted, atol=1e-12)
    assert sampling_weights("uniform", LESIONS) is None


def test_names_without_a_class_are_balanced_by_size_alone():
    found = sampling_weights("balanced", samples(["a", "b", "c 3", "d"], [1, 5, 200, 400]))
    assert found.tolist() == pytest.approx([0.25] * 4)
    found = sampling_weights("balanced", samples(["a", "b", "c", "d"], [1, 5, 11, 400]))
    assert found.tolist() == pytest.approx([1 / 6] * 3 + [0.5])


def config(**changes):
    return TrainConfig(model="cmunext-tiny-hw", data="anywhere", size=SIDE, batch=3, **changes)


def drawn(sampling, epoch):
    batches = list(epoch_batches(config(sampling=sampling), LESIONS, epoch))
    assert [len(codes) for codes, _ in batches] == [3, 3, 1]
    return [int(image[0, 0, 0]) for codes, _ in batches for image in codes]


def test_an_epoch_is_as_long_as_before_and_draws_by_weight():
    assert sorted(drawn("uniform", 0)) == list(range(7))
    assert drawn("balanced", 3) == drawn("balanced", 3)
    counts = Counter(number for epoch in range(600) for number in drawn("balanced", epoch))
    wanted = [280, 280, 280, 840, 840, 840, 840]  # of 4200
    for number, expected in enumerate(wanted):
        assert counts[number] == pytest.approx(expected, abs=5 * expected**0.5)


def test_uniform_batches_are_those_of_a_permutation():
    generator = torch.Generator().manual_seed(1 * 100_003 + 4)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1 * 100_003 + 4))
    plain = list(augmented_batches(LESIONS, 3, generator))
    assert drawn("uniform", 4) == order.tolist() == [int(image[0, 0, 0]) for codes, _ in plain for image in codes]
