"""Strong augmentation: image and mask move together, codes stay codes, the same generator gives the same batch."""

import torch

from quant.augment import StrongAugmentation


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
