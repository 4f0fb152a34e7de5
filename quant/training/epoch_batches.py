"""The batches of an epoch, drawn from a generator seeded by (seed, epoch): for training and for what precedes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from quant.data.augment import augmented_batches
from quant.data.crops import crops
from quant.training.sampling import sampling_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quant.data.pairs import Samples
    from quant.training.train_config import TrainConfig


def seed_of(config: TrainConfig, epoch: int) -> int:
    """What all that is drawn in ``epoch`` is seeded by."""
    return config.seed * 100_003 + epoch


def epoch_batches(
    config: TrainConfig, samples: Samples, epoch: int, *, rank: int = 0, processes: int = 1
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches (codes, masks) of process ``rank``, drawn, cropped and augmented as ``config`` says."""
    generator = torch.Generator().manual_seed(seed_of(config, epoch))
    if config.crop is not None:
        samples = crops(samples, config.crop, config.jitter, generator)
    return augmented_batches(
        samples,
        config.batch,
        generator,
        augmentation=config.augmentation,
        copied=config.copy_paste,
        weights=sampling_weights(config.sampling, samples),
        rank=rank,
        processes=processes,
    )
