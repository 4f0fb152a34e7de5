"""What a training begins with: fresh weights or those of a checkpoint, and the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import calib_data
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError
from quant.data.crops import crops
from quant.data.pairs import Samples, to_planes
from quant.training.stages import Staged, require_stages
from quant.twin.networks import (
    assemble,
    channels_in,
    classes_of,
    from_checkpoint,
    require_size,
    require_start,
    start_from,
)
from quant.twin.prepare import calibrate
from quant.twin.twin import Twin
from quant.volumes.soft_targets import is_for_volumes

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from quant.training.train_config import TrainConfig
    from quant.twin.config import QuantConfig

_CALIBRATION_IMAGES = 16


def require_links(config: TrainConfig, quant: QuantConfig | None, init_from: Path | None, teacher: Path | None) -> None:
    """CheckpointError unless the network can begin with the checkpoint ``init_from`` and be taught by ``teacher``."""
    if init_from is not None:
        _beginning(config, quant, init_from)
    if teacher is not None and not is_for_volumes(teacher):
        _teaching(config, teacher)


def new_network(
    config: TrainConfig, quant: QuantConfig | None, init_from: Path | None, train_samples: Samples
) -> nn.Module:
    """The network as its training begins: fresh or from ``init_from``, a new twin with its scales fitted to images."""
    start = None if init_from is None else _beginning(config, quant, init_from)
    if start is None:
        network = assemble(config.model, quant, config.classes, config.image_size, config.in_channels)
    else:
        network = start_from(config.model, quant, start, config.image_size)
    if isinstance(network, Twin) and (start is None or start["quant"] is None):
        calibrate(network, calibration_codes(config, train_samples))
    return network


def teacher_of(config: TrainConfig, path: Path) -> nn.Module:
    """The teacher of a checkpoint, ``Staged`` where its features are learned from."""
    checkpoint = _teaching(config, path)
    network, channels = from_checkpoint(checkpoint), config.in_channels
    try:
        require_size(network, checkpoint["model"], config.image_size, channels)
    except ConfigError as error:
        raise ConfigError(f"teacher '{path}': {error}") from None
    if not config.feature_distill:
        return network
    require_stages("--feature-distill from teacher", checkpoint["model"])
    return Staged(network, checkpoint["model"], (channels, *config.image_size))


def calibration_codes(config: TrainConfig, train_samples: Samples) -> torch.Tensor:
    """Codes (N, C, H, W) of the images that activation scales are fitted to."""
    if config.calibration == "train":
        first = train_samples[range(min(_CALIBRATION_IMAGES, len(train_samples)))]
        return (first if config.crop is None else crops(first, config.crop)).codes
    samples = calib_data.load_all(config.image_size, config.in_channels)
    return to_planes(np.stack([sample.codes for sample in samples]))


def _beginning(config: TrainConfig, quant: QuantConfig | None, path: Path) -> dict[str, Any]:
    start = checkpoints.load(path)
    require_start(config.model, quant, start)
    if classes_of(start) != config.classes:
        raise CheckpointError(
            f"'{path}' has {classes_of(start)} logits per pixel, not {config.classes}; give --classes to match"
        )
    if channels_in(start) != config.in_channels:
        raise CheckpointError(
            f"'{path}' takes {channels_in(start)} channels, not {config.in_channels}; give --channels to match"
        )
    return start


def _teaching(config: TrainConfig, path: Path) -> dict[str, Any]:
    checkpoint, channels = checkpoints.load(path), config.in_channels
    if (taken := channels_in(checkpoint)) != channels:
        raise CheckpointError(f"teacher '{path}' takes {taken} channels, the images have {channels}; give another one")
    told = max(classes_of(checkpoint), 2)  # one logit is a softmax of two
    if told != max(config.classes, 2):
        raise CheckpointError(
            f"teacher '{path}' has {classes_of(checkpoint)} logits per pixel, the network {config.classes}; give a"
            " teacher of the same classes"
        )
    return checkpoint
