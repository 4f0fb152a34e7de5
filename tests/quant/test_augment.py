"""Strong augmentation: image and mask move together, codes stay codes, the same generator gives the same batch."""

import pytest
import torch

from quant.data.augment import StrongAugmentation, augmented_batches
from quant.data.pairs import Samples


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


@pytest.mark.parametrize("augmentation", ["flips", "strong"])
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
