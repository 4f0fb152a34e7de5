"""Augmentation of training batches: the paper's flips and quarter turns, or these and more.

``strong`` adds to the flips, by kornia (E. Riba et al., WACV 2020): rotation, translation, scaling and shear of image
and mask together (zeros come in from outside, as the network's own padding), then brightness, contrast and gamma of
the image alone. torchvision would do the same, but its wheels do not load beside another build of torch than their own.
"""

from __future__ import annotations

import kornia.augmentation as kornia_augmentation
import torch


class StrongAugmentation:
    """Draws from ``generator`` alone, so that a run that is resumed sees the images of the unbroken one."""

    def __init__(self) -> None:
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
        """(B, 3, H, W) uint8 and (B, 1, H, W) bool -> the same shapes and types."""
        seed = int(torch.randint(0, 2**31, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            images, truth = self._pipeline(codes.float() / 255.0, masks.float())
        return (images.clamp(0, 1) * 255.0).round().to(torch.uint8), truth > 0.5
