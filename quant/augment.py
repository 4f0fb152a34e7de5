"""Augmentation of training batches: the paper's flips and quarter turns, or these and more.

``strong`` adds to the flips, by kornia (E. Riba et al., WACV 2020): rotation, translation, scaling and shear of image
and mask together (zeros come in from outside, as the network's own padding), then brightness, contrast and gamma of
the image alone. torchvision would do the same, but its wheels do not load beside another build of torch than their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import kornia.augmentation as kornia_augmentation
import torch

from quant.data import Samples


class StrongAugmentation:
    """Draws from ``generator`` alone, so that a run that is resumed sees the images of the unbroken one."""

    def __init__(self, rank: int = 0) -> None:
        self._rank = rank
        self._pipeline = kornia_augmentation.AugmentationSequential(
            kornia_augmentation.RandomAffine(
                degrees=20.0, translate=(0.1, 0.1), scale=(0.75, 1.25), shear=(-5.0, 5.0), p=0.8
            ),
            kornia_augmentation.RandomBrightness((0.75, 1.25), p=0.5),
            kornia_augmentation.RandomContrast((0.75, 1.25), p=0.5),
            kornia_augmentation.RandomGamma((0.7, 1.4), p=0.5),
            data_keys=["input", "mask"],
        )

    def __call__(
        self, codes: torch.Tensor, masks: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, 3, H, W) uint8 and (B, 1, H, W) masks or class indices -> the same shapes and types."""
        seed = int(torch.randint(0, 2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + self._rank)
            images, truth = self._pipeline(codes.float() / 255.0, masks.float())
        return (images.clamp(0, 1) * 255.0).round().to(torch.uint8), truth.round().to(masks.dtype)


def augmented_batches(
    samples: Samples,
    batch: int,
    generator: torch.Generator,
    *,
    augmentation: str = "flips",
    rank: int = 0,
    processes: int = 1,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffled batches (codes, masks) of process ``rank``, each sample flipped and turned by quarters at random.

    All processes draw the same order and take equal shares of each ``processes * batch`` images. What a last, shorter
    batch leaves over when it is shared sits out this epoch.
    """
    square = samples.codes.shape[-1] == samples.codes.shape[-2]
    strengthen = StrongAugmentation(rank) if augmentation == "strong" else None
    order = torch.randperm(len(samples), generator=generator).tolist()
    for start in range(0, len(order), processes * batch):
        together = [
            (index, torch.randint(0, 4, (3,), generator=generator).tolist())
            for index in order[start : start + processes * batch]
        ]
        share = len(together) // processes
        if share == 0:
            return
        pairs = []
        for index, (flip_h, flip_v, turns) in together[rank * share : (rank + 1) * share]:
            pair = (samples.codes[index], samples.masks[index])
            if flip_h % 2:
                pair = tuple(plane.flip(-1) for plane in pair)
            if flip_v % 2:
                pair = tuple(plane.flip(-2) for plane in pair)
            turns = turns if square else turns // 2 * 2
            pairs.append(tuple(torch.rot90(plane, turns, (-2, -1)) for plane in pair))
        codes, masks = torch.stack([codes for codes, _ in pairs]), torch.stack([masks for _, masks in pairs])
        yield (codes, masks) if strengthen is None else strengthen(codes, masks, generator)
