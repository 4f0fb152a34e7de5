"""What a training begins with: fresh weights or those of a checkpoint, and the teacher."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import calib_data
import models
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
from quant.volumes.soft_targets import is_for_volumes, require_slabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

    from quant.training.train_config import TrainConfig
    from quant.twin.config import QuantConfig

    Trained = tuple[TrainConfig, QuantConfig | None]

_CALIBRATION_IMAGES = 16


def require_links(
    config: TrainConfig,
    quant: QuantConfig | None,
    init_from: Path | Trained | None,
    teacher: Path | Trained | None,
) -> None:
    """ConfigError or CheckpointError unless the network can begin with ``init_from`` and be taught by ``teacher``.

    They are checkpoints, which are loaded, or what earlier stages train: the configurations of these.
    """
    if quant is not None and quant.layers:
        assemble(config.model, quant, config.classes, config.image_size, config.in_channels)
    if isinstance(init_from, Path):
        _begun(config, quant, init_from)
    elif init_from is not None:
        _require_beginning(config, quant, _description(*init_from), "init_from")
    if isinstance(teacher, Path):
        if not is_spoken(config, teacher):
            teacher_of(config, teacher)
    elif teacher is not None:
        of_teacher, _ = teacher
        _require_teaching(config, _description(*teacher), f"'{of_teacher.model}'")
        network = models.build(of_teacher.model, of_teacher.classes, of_teacher.in_channels)
        _require_seeing(config, network, of_teacher.model, f"'{of_teacher.model}'")


def new_network(
    config: TrainConfig, quant: QuantConfig | None, init_from: Path | None, train_samples: Samples
) -> nn.Module:
    """The network as its training begins: fresh or from ``init_from``, a new twin with its scales fitted to images."""
    if init_from is None:
        network = assemble(config.model, quant, config.classes, config.image_size, config.in_channels)
        has_scales = False
    else:
        network, has_scales = _begun(config, quant, init_from)
    if isinstance(network, Twin) and not has_scales:
        calibrate(network, calibration_codes(config, train_samples))
    return network


def is_spoken(config: TrainConfig, teacher: Path) -> bool:
    """Whether ``teacher`` is for volumes and speaks before the first epoch.

    ConfigError if its features are to be learned from; those of ``require_slabs`` if it is not for the data.
    """
    spoken = is_for_volumes(teacher)
    if spoken and config.feature_distill:
        raise ConfigError(f"--feature-distill needs a teacher for images, '{teacher}' is for volumes; leave it out")
    if spoken:
        require_slabs(Path(config.data), teacher, classes=config.classes, size=config.image_size)
    return spoken


def teacher_of(config: TrainConfig, path: Path) -> nn.Module:
    """The teacher of a checkpoint, ``Staged`` where its features are learned from."""
    checkpoint = checkpoints.load(path)
    with _naming(path):
        _require_teaching(config, checkpoint, f"'{path}'")
        network = from_checkpoint(checkpoint)
    _require_seeing(config, network, checkpoint["model"], f"'{path}'")
    if not config.feature_distill:
        return network
    return Staged(network, checkpoint["model"], (config.in_channels, *config.image_size))


def calibration_codes(config: TrainConfig, train_samples: Samples) -> torch.Tensor:
    """Codes (N, C, H, W) of the images that activation scales are fitted to."""
    if config.calibration == "train":
        first = train_samples[range(min(_CALIBRATION_IMAGES, len(train_samples)))]
        return (first if config.crop is None else crops(first, config.crop)).codes
    samples = calib_data.load_all(config.image_size, config.in_channels)
    return to_planes(np.stack([sample.codes for sample in samples]))


def _begun(config: TrainConfig, quant: QuantConfig | None, path: Path) -> tuple[nn.Module, bool]:
    """The network with the weights of ``path``, and whether the scales of its activations come with them."""
    start = checkpoints.load(path)
    with _naming(path):
        _require_beginning(config, quant, start, f"'{path}'")
        return start_from(config.model, quant, start, config.image_size), start["quant"] is not None


def _description(config: TrainConfig, quant: QuantConfig | None) -> dict[str, Any]:
    """What a checkpoint of this training will say of its network."""
    return {
        "model": config.model,
        "quant": None if quant is None else quant.as_dict(),
        "classes": config.classes,
        "channels": config.in_channels,
    }


def _require_beginning(config: TrainConfig, quant: QuantConfig | None, start: dict[str, Any], name: str) -> None:
    require_start(config.model, quant, start)
    if classes_of(start) != config.classes:
        raise CheckpointError(
            f"{name} has {classes_of(start)} logits per pixel, not {config.classes}; give --classes to match"
        )
    if channels_in(start) != config.in_channels:
        raise CheckpointError(
            f"{name} takes {channels_in(start)} channels, not {config.in_channels}; give --channels to match"
        )


def _require_teaching(config: TrainConfig, checkpoint: dict[str, Any], name: str) -> None:
    if (taken := channels_in(checkpoint)) != config.in_channels:
        raise CheckpointError(
            f"teacher {name} takes {taken} channels, the images have {config.in_channels}; give another one"
        )
    told = max(classes_of(checkpoint), 2)  # one logit is a softmax of two
    if told != max(config.classes, 2):
        raise CheckpointError(
            f"teacher {name} has {classes_of(checkpoint)} logits per pixel, the network {config.classes}; give a"
            " teacher of the same classes"
        )


def _require_seeing(config: TrainConfig, teacher: nn.Module, model: str, name: str) -> None:
    """ConfigError unless the network ``teacher`` takes the images and, where they are learned from, has stages."""
    try:
        require_size(teacher, model, config.image_size, config.in_channels)
    except ConfigError as error:
        raise ConfigError(f"teacher {name}: {error}") from None
    if config.feature_distill:
        require_stages("--feature-distill from teacher", model)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Refusals of a checkpoint that do not name its file do so afterwards."""
    try:
        yield
    except (CheckpointError, ConfigError) as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"'{path}': {error}") from None
