"""A quantized twin that has learned nothing, for what does not depend on the weights: cycles, resources, exactness.

Weights are drawn from a seed, BNs take the statistics of calibration images, scales are fitted to them and thresholds
settled, so the twin exports as a trained one does. Its checkpoint says ``untrained``, the manifest of an export
``"trained": false``; its masks mean nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

import calib_data
import models
from board.io_spec import MAX_CHANNELS
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError
from quant.base.replace_file import require_file
from quant.base.seed import require_seed
from quant.data.pairs import to_input, to_planes
from quant.twin.activations import not_exported
from quant.twin.networks import channels_of, require_pixels, require_size, settle, start_from
from quant.twin.prepare import calibrate
from quant.twin.structure import Structure

if TYPE_CHECKING:
    from quant.twin.config import QuantConfig

_CALIBRATION_IMAGES = 4


def write_untrained(
    name: str, quant: QuantConfig, path: Path, *, size: tuple[int, int], channels: int | None = None, seed: int = 1
) -> None:
    """Writes the checkpoint of an untrained twin of the registered network ``name`` for images of ``size`` (H, W) and
    ``channels``: by default those that it is registered with.

    Raises:
        ConfigError: there is no such network, it has no integer form, ``size`` does not fit it, or ``path`` is no file.
    """
    require_seed(seed)
    require_file(Path(path))
    torch.manual_seed(seed)
    own_channels = channels_of(name)
    channels = own_channels if channels is None else channels
    if not 1 <= channels <= MAX_CHANNELS:
        raise ConfigError(f"--channels must be 1 to {MAX_CHANNELS}, got {channels}")
    network = models.build(name, channels=channels)
    require_pixels(size)
    Structure(network, channels, size)  # says in a sentence what torch would say in a traceback
    require_size(network, name, size, channels)
    samples = [calib_data.load(image, size, channels) for image in calib_data.names()[:_CALIBRATION_IMAGES]]
    codes = to_planes(np.stack([sample.codes for sample in samples]))
    take_statistics(network, codes)
    floats = {"model": name, "quant": None, "channels": channels, "state": network.state_dict()}
    twin = start_from(name, quant, floats, size)
    if (sentence := not_exported(twin.network)) is not None:
        raise ConfigError(sentence)
    calibrate(twin, codes)
    settle(twin, name)
    checkpoints.save(
        path,
        {
            "model": name,
            "quant": quant.as_dict(),
            "size": list(size),
            "classes": 1,
            "channels": channels,
            "untrained": True,
            "state": twin.state_dict(),
        },
    )


def take_statistics(network: nn.Module, codes: torch.Tensor) -> None:
    """Gives each BN the mean and deviation of its channels on ``codes`` (N, C, H, W)."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the average of all batches, of which there is one
    with torch.no_grad():
        network.train()(to_input(codes))
