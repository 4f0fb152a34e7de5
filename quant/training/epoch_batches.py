"""The batches of an epoch, drawn from a generator seeded by (seed, epoch): for training and for what precedes it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from quant.base.errors import ConfigError
from quant.data.augment import augmented_batches
from quant.data.crops import crops
from quant.training.sampling import sampling_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from quant.data.pairs import Samples
    from quant.training.train_config import TrainConfig

_TOO_FEW_VALUES = "Expected more than 1 value per channel"  # torch's refusal to normalise one


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


def require_batches(network: nn.Module, config: TrainConfig, images: int, processes: int) -> None:
    """Refuses a batch of one image where ``network`` normalises single values, before the epoch that ends with it.

    Raises:
        ConfigError: the last batch of ``images`` images is too small for a BN.
    """
    if processes > 1 or images % config.batch != 1 % config.batch:  # processes share their statistics
        return
    height, width = config.image_size
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            copy.deepcopy(network).train()(torch.zeros(1, config.in_channels, height, width))
        except ValueError as error:
            if not str(error).startswith(_TOO_FEW_VALUES):
                raise
            raise ConfigError(
                f"network '{config.model}' has levels of one pixel at {height}x{width}, so BN needs at least 2 images"
                f" a batch, and {images} images in batches of {config.batch} end with one of 1: give another --batch,"
                " or a greater --size"
            ) from None
