"""Strong augmentation: image and mask move together, codes stay codes, the same generator gives the same batch."""

import pytest
import torch
from torch import nn

from quant.data.augment import StrongAugmentation, UltrasoundAugmentation, augmented_batches
from quant.data.copy_paste import copy_paste
from quant.data.pairs import Samples
from quant.data.ultrasound import acquired_anew, bent

SEED = 7


def batch():
    masks = torch.zeros(8, 1, 64, 64, dtype=torch.bool)
    masks[:, :, 20:40, 24:44] = True
    codes = torch.where(masks, 200, 50).to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    return codes, masks


def test_image_and_mask_move_together_and_keep_their_types():
    codes, masks = batch()
    moved_codes, moved_masks = StrongAugmentation()(codes, masks, torch.Generator().manual_seed(1))
    assert (moved_codes.dtype, moved_masks.dtype) == (torch.uint8, torch.bool)
    assert (moved_codes.shape, moved_masks.shape) == (codes.shape, masks.shape)
    assert any(not torch.equal(moved_masks[i], masks[i]) for i in range(len(masks)))
    for image, mask in zip(moved_codes, moved_masks, strict=True):
        # brightness and gamma keep the order of grey levels: the object stays brighter than what surrounds it
        bright = image[:1] > (int(image[:1][mask].median()) + int(image[:1][~mask].median())) // 2
        agreement = (bright & mask).sum() / (bright | mask).sum()
        assert agreement > 0.9


def test_the_same_generator_gives_the_same_batch_and_leaves_the_global_one_alone():
    codes, masks = batch()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = StrongAugmentation()(codes, masks, torch.Generator().manual_seed(3))
    again = StrongAugmentation()(codes, masks, torch.Generator().manual_seed(3))
    other = StrongAugmentation()(codes, masks, torch.Generator().manual_seed(4))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(torch.get_rng_state(), before)


def numbered(count):
    """Images whose grey level is their number, each with one foreground pixel in a corner."""
    codes = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8).contiguous()
    masks = torch.zeros(count, 1, 8, 8, dtype=torch.bool)
    masks[:, :, 0, 1] = True
    return Samples(tuple(map(str, range(count))), codes, masks)


def draw(samples, batch, seed, **shares):
    return list(augmented_batches(samples, batch, torch.Generator().manual_seed(seed), **shares))


def grey_levels(batches):
    return [image[0, 0, 0].item() for codes, _ in batches for image in codes]


def test_batches_cover_all_samples_once_and_repeat_for_a_seed():
    samples = numbered(5)
    assert sorted(grey_levels(draw(samples, 2, 3))) == [0, 1, 2, 3, 4]
    assert [len(codes) for codes, _ in draw(samples, 2, 3)] == [2, 2, 1]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(draw(samples, 2, 3), draw(samples, 2, 3), strict=True))
    places = {
        mask.flatten().nonzero().item() for seed in range(12) for _, masks in draw(samples, 5, seed) for mask in masks
    }
    assert len(places) == 8, "two flips and quarter turns take a pixel off the axes to eight places"


def test_without_augmentation_images_stay_as_they_are():
    samples = numbered(5)
    at = {int(image[0, 0, 0]): mask for image, mask in zip(samples.codes, samples.masks, strict=True)}
    for codes, masks in draw(samples, 2, 3, augmentation="none"):
        for image, mask in zip(codes, masks, strict=True):
            assert torch.equal(mask, at[int(image[0, 0, 0])])


@pytest.mark.parametrize("augmentation", ["flips", "strong", "ultrasound"])
def test_processes_share_each_batch_in_equal_parts(augmentation):
    samples = numbered(11)
    alone = draw(samples, 4, 7)
    shares = [draw(samples, 2, 7, augmentation=augmentation, rank=rank, processes=2) for rank in (0, 1)]
    assert [len(codes) for codes, _ in shares[0]] == [len(codes) for codes, _ in shares[1]] == [2, 2, 1]
    if augmentation == "flips":
        for whole, *parts in zip(alone, *shares, strict=True):
            for kind in (0, 1):
                together = torch.cat([part[kind] for part in parts])
                assert torch.equal(together, whole[kind][: len(together)])


def ramps(count=64, side=32):
    """Images of grey 100 and masks of their left half."""
    masks = torch.zeros(count, 1, side, side)
    masks[..., : side // 2] = 1
    return torch.full((count, 3, side, side), 0.4), masks


def test_a_new_acquisition_keeps_channels_alike_and_changes_the_gain_smoothly_over_rows():
    torch.manual_seed(2)
    images, _ = ramps()
    found = acquired_anew(images) / images
    assert torch.equal(found[:, 0], found[:, 1]) and torch.equal(found[:, 0], found[:, 2])
    of_rows = found[:, 0].mean(-1)  # (B, H): speckle and narrow shadows average out
    unlike = (of_rows.amax(1) - of_rows.amin(1)) > 0.3
    assert 10 < unlike.sum() < 54, "about half of the images get a gain curve"
    still = (found[:, 0] - 1).abs().amax((1, 2)) < 1e-6
    assert 4 < still.sum() < 24, "about 3 in 16 get nothing at all"
    assert 0.9 < found.mean() < 1.05
    shaded = found[:, 0, -4:].mean(1).amin(-1) < 0.45 * found[:, 0, :4].mean(1).mean(-1)
    assert shaded.any(), "a shadow lies at the bottom of some image"


def test_a_deformation_moves_image_and_mask_together_and_little():
    torch.manual_seed(2)
    _, masks = ramps(64, 64)
    images = masks.expand(-1, 3, -1, -1).clone()
    moved, truth = bent(images, masks)
    assert set(truth.unique().tolist()) == {0.0, 1.0}
    assert ((moved[:, :1] > 0.5) == (truth > 0.5)).float().mean() > 0.995
    apart = (truth != masks).flatten(1).float().mean(1)
    assert 0.3 < (apart > 0).float().mean() < 0.7, "about half of the images"
    assert 0.002 < apart[apart > 0].mean() < 0.04, "of 64 columns a border of one that moves by up to two"


def test_ultrasound_is_drawn_from_the_generator_alone():
    codes, masks = batch()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (
        UltrasoundAugmentation()(codes, masks, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0]) and torch.equal(torch.get_rng_state(), before)
    assert (first[0].dtype, first[1].dtype) == (torch.uint8, torch.bool)


def test_lesions_are_pasted_whole_with_their_masks_and_fade_around_them():
    count = 6
    codes = torch.zeros(count, 3, 32, 64, dtype=torch.uint8)
    masks = torch.zeros(count, 1, 32, 64, dtype=torch.bool)
    for index in range(count):  # a lesion each, none over another: grey 40, 80, ... in columns of its own
        rows, columns = slice(8, 24), slice(10 * index + 3, 10 * index + 9)
        codes[index, :, rows, columns] = 40 * (index + 1)
        masks[index, :, rows, columns] = True
    pasted, truth = copy_paste(codes, masks, 1.0, torch.Generator().manual_seed(SEED))
    for index in range(count):
        extra = truth[index] & ~masks[index]
        (partner,) = (at for at in range(count) if at != index and torch.equal(extra, masks[at]))
        grey, lesion = 40 * (partner + 1), pasted[index, 0, :, 10 * partner + 3 : 10 * partner + 9]
        assert (lesion[8:24] == grey).all(), "the lesion itself, to its border"
        faded = codes[index, 0, 10:22, 10 * partner + 2] * 0.2 + codes[partner, 0, 10:22, 10 * partner + 2] * 0.8
        assert (pasted[index, 0, 10:22, 10 * partner + 2] == faded.round()).all(), (
            "a fifth of what was there, beside it"
        )
    same, alone = copy_paste(codes, masks, 0.0, torch.Generator().manual_seed(SEED))
    assert torch.equal(same, codes) and torch.equal(alone, masks)
    single = copy_paste(codes[:1], masks[:1], 1.0, torch.Generator())
    assert torch.equal(single[1], masks[:1]), "an image alone has only its own lesion"


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_tiny_lesion_is_seen_where_its_mask_says(side):
    codes = torch.stack([torch.full((1, 16, 16), level, dtype=torch.uint8) for level in (20, 220)])
    masks = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    masks[1, :, 5 : 5 + side, 7 : 7 + side] = True
    pasted, truth = copy_paste(codes, masks, 1.0, torch.Generator().manual_seed(SEED))
    assert torch.equal(truth[0], masks[1]) and (pasted[0][masks[1]] == 220).all()
    far = nn.functional.max_pool2d(masks[1:].float(), 9, 1, 4)[0] == 0
    assert (pasted[0][far] == 20).all(), "four pixels away nothing is changed"


def test_soft_targets_go_with_a_pasted_lesion():
    codes = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    truth = torch.zeros(2, 2, 16, 16, dtype=torch.float16)
    truth[0, 0, :8], truth[0, 1], truth[1, 1] = 1, 0.75, 0.25
    _, pasted = copy_paste(codes, truth, 1.0, torch.Generator().manual_seed(SEED))
    assert (pasted[1, :, :8] == torch.tensor([1, 0.75]).view(2, 1, 1)).all()
    assert (pasted[1, :, 8:] == torch.tensor([0, 0.25]).view(2, 1, 1)).all()
    assert torch.equal(pasted[0], truth[0]), "the other image has no lesion to give"


@pytest.mark.parametrize("changes", [{"augmentation": "strong"}, {"augmentation": "ultrasound"}, {"copied": 0.5}])
def test_batches_are_those_of_the_seed(changes):
    samples = Samples(tuple("01234567"), *batch())
    first, again, other = (draw(samples, 4, seed, **changes) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    assert not all(torch.equal(x[0], y[0]) for x, y in zip(first, other, strict=True))
