"""Augmentation of training batches: the paper's flips and quarter turns, these and more, or none.

``none`` is for images whose orientation says what is what, as slices of scans that all lie alike.

``strong`` adds to the flips, by kornia (E. Riba et al., WACV 2020): rotation, translation, scaling and shear of image
and mask together (zeros come in from outside, as the network's own padding), then brightness, contrast and gamma of
the image alone. torchvision would do the same, but its wheels do not load beside another build of torch than their own.

``ultrasound`` adds to ``strong`` what ``ultrasound.py`` does, before images are flipped and turned: rows are depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import kornia.augmentation as kornia_augmentation
import torch

from quant.data.copy_paste import copy_paste
from quant.data.ultrasound import acquired_anew, bent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quant.data.pairs import Samples


class StrongAugmentation:
    """Draws from ``generator`` alone, so that a run that is resumed sees the images of the uninterrupted one."""

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
        """(B, 3, H, W) uint8 and (B, 1, H, W) masks or class indices, behind which soft targets may stand in floats ->
        the same shapes and types. Masks are moved by nearest neighbour.
        """
        seed = int(torch.randint(0, 2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + self._rank)
            images, truth = self._changed(codes.float() / 255.0, masks.float())
        truth = truth if masks.is_floating_point() else truth.round()
        return (images.clamp(0, 1) * 255.0).round().to(torch.uint8), truth.to(masks.dtype)

    def _changed(self, images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images, truth = self._pipeline(images, truth)
        return images, truth


class UltrasoundAugmentation(StrongAugmentation):
    """The same for images as they were read, with what another acquisition changes before."""

    def _changed(self, images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images, truth = bent(acquired_anew(images), truth)
        return super()._changed(images.clamp(0, 1), truth)


def augmented_batches(
    samples: Samples,
    batch: int,
    generator: torch.Generator,
    *,
    augmentation: str = "flips",
    copied: float = 0.0,
    weights: torch.Tensor | None = None,
    rank: int = 0,
    processes: int = 1,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffled batches (codes, masks) of process ``rank``, each sample flipped and turned by quarters at random, unless
    ``augmentation`` is "none"; ``copied``: the probability with which one gets the lesion of another.
    ``weights`` (N,): as many samples as there are, drawn with these probabilities; None: each of them once.

    Where samples have soft targets, these are further channels of the masks, moved as they are; all are float16 then.
    All processes draw the same order and take equal shares of each ``processes * batch`` images. What a last, shorter
    batch leaves over when it is shared sits out this epoch.
    """
    before = UltrasoundAugmentation(rank) if augmentation == "ultrasound" else None
    after = StrongAugmentation(rank) if augmentation == "strong" else None
    truth = samples.masks
    if samples.soft is not None:
        truth = torch.cat((samples.masks.to(samples.soft.dtype), samples.soft), dim=1)
    if weights is None:
        order = torch.randperm(len(samples), generator=generator)
    else:
        order = torch.multinomial(weights, len(samples), replacement=True, generator=generator)
    for start in range(0, len(order), processes * batch):
        together = order[start : start + processes * batch]
        draws = torch.randint(0, 4, (len(together), 3), generator=generator)
        share = len(together) // processes
        if share == 0:
            return
        mine = slice(rank * share, (rank + 1) * share)
        indices, draws = together[mine].to(samples.codes.device), draws[mine].to(samples.codes.device)
        codes, masks = samples.codes[indices], truth[indices]
        if before is not None:
            codes, masks = before(codes, masks, generator)
        if augmentation != "none":
            codes, masks = flipped_and_turned(codes, draws), flipped_and_turned(masks, draws)
        if after is not None:
            codes, masks = after(codes, masks, generator)
        yield copy_paste(codes, masks, copied, generator, rank) if copied else (codes, masks)


def flipped_and_turned(planes: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """(B, C, H, W) -> the same shape, image by image as ``draws`` (B, 3) says: flip of columns and of rows where odd,
    then so many quarter turns against the clock, of which only even ones where H and W differ.
    """
    flip_columns, flip_rows, turns = (draw.view(-1, 1, 1, 1) for draw in draws.unbind(1))
    flip_columns, flip_rows = flip_columns % 2 == 1, flip_rows % 2 == 1
    planes = torch.where(flip_columns, planes.flip(-1), planes)
    planes = torch.where(flip_rows, planes.flip(-2), planes)
    planes = torch.where(turns >= 2, planes.flip((-2, -1)), planes)
    if planes.shape[-1] != planes.shape[-2]:
        return planes
    return torch.where(turns % 2 == 1, torch.rot90(planes, 1, (-2, -1)), planes)
