"""Networks of a checkpoint: the float network or its quantized twin, ready to load weights into."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import models
from quant.config import QuantConfig
from quant.errors import CheckpointError
from quant.prepare import fill_weight_range
from quant.settle import settle_thresholds
from quant.structure import convolution_sites
from quant.twin import Twin, build_twin


def assemble(name: str, quant: QuantConfig | None, classes: int = 1) -> nn.Module:
    """The registered network ``name``, or its twin under ``quant``, with fresh weights."""
    network = models.build(name, classes)
    return network if quant is None else build_twin(network, channels_of(name), quant)


def from_checkpoint(checkpoint: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint with its weights, in evaluation mode.

    Raises:
        CheckpointError: the weights are of another network.
    """
    quant = None if checkpoint["quant"] is None else QuantConfig.from_dict(checkpoint["quant"])
    network = assemble(checkpoint["model"], quant, classes_of(checkpoint))
    _load_state(network, checkpoint)
    return network.eval()


def channels_of(name: str) -> int:
    """Channels of the image that the registered network ``name`` takes: ``in_channels`` of its configuration."""
    return models.entry(name).config.in_channels


def classes_of(checkpoint: dict[str, Any]) -> int:
    """Logits a pixel of the checkpoint's network; 1 in checkpoints that do not say."""
    return checkpoint.get("classes", 1)


def start_from(name: str, quant: QuantConfig | None, checkpoint: dict[str, Any]) -> nn.Module:
    """A network to be trained further: float from float, twin from twin, or twin from float weights.

    In the last case each channel's weights are scaled to fill the quantizer's range, and the BN undoes it.
    """
    if checkpoint["model"] != name:
        raise CheckpointError(f"the checkpoint holds '{checkpoint['model']}', not '{name}'; give --model to match")
    if quant is None or checkpoint["quant"] is not None:
        network = assemble(name, quant, classes_of(checkpoint))
        _load_state(network, checkpoint)
        return network
    network = assemble(name, None, classes_of(checkpoint))
    _load_state(network, checkpoint)
    twin = build_twin(network, channels_of(name), quant)
    fill_weight_range(twin, convolution_sites(network))
    return twin


def settle(twin: Twin, name: str) -> int:
    """Moves the thresholds of ``twin``, a twin of the network ``name``, off the integers; returns how many channels."""
    return settle_thresholds(twin, convolution_sites(models.build(name)))


def _load_state(network: nn.Module, checkpoint: dict[str, Any]) -> None:
    for key, value in checkpoint["state"].items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"'{key}' of the checkpoint holds NaN or infinity, as after a diverged training; train it again with a"
                " lower rate"
            )
    try:
        network.load_state_dict(checkpoint["state"])
    except (RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"the checkpoint does not fit network '{checkpoint['model']}' ({reason}); train it again"
        ) from None
