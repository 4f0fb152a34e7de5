"""Networks of a checkpoint: the float network or its quantized twin, ready to load weights into."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import models
from quant.base.errors import CheckpointError, ConfigError
from quant.data.pairs import MAX_PIXELS
from quant.twin.config import QuantConfig
from quant.twin.prepare import fill_weight_range
from quant.twin.settle import settle_multiples, settle_tables, settle_thresholds
from quant.twin.structure import Structure, convolution_sites
from quant.twin.trace import first_line
from quant.twin.twin import Twin, build_twin


def assemble(
    name: str,
    quant: QuantConfig | None,
    classes: int = 1,
    size: tuple[int, ...] | None = None,
    channels: int | None = None,
) -> nn.Module:
    """The registered network ``name``, or its twin under ``quant`` for images of ``size``, with fresh weights.

    ``size`` is (X, Y, Z) of a network for volumes; ``channels`` of its input: those that it is registered with.

    Raises:
        ConfigError: there is none of that name, or something in it has no integer form.
    """
    network = models.build(name, classes, channels)
    in_channels = models.entry(name).config.in_channels if channels is None else channels
    return network if quant is None else build_twin(network, in_channels, quant, size)


def from_checkpoint(checkpoint: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint with its weights, in evaluation mode.

    Raises:
        CheckpointError: the weights are of another network.
    """
    quant = None if checkpoint["quant"] is None else QuantConfig.from_dict(checkpoint["quant"])
    network = assemble(checkpoint["model"], quant, classes_of(checkpoint), size_of(checkpoint), channels_in(checkpoint))
    _load_state(network, checkpoint)
    return network.eval()


def channels_in(checkpoint: dict[str, Any]) -> int:
    """Channels that the checkpoint's network takes: those that it was trained on, else those it is registered with.

    Raises:
        CheckpointError: what it says of volumes lacks them.
    """
    seen = checkpoint.get("channels", checkpoint.get("volumes", {}).get("channels"))
    if seen is None and "volumes" not in checkpoint:
        return models.entry(checkpoint["model"]).config.in_channels
    if type(seen) is not int or seen < 1:
        raise CheckpointError(f"the checkpoint is damaged in 'volumes': its channels are {seen!r}; train it again")
    return seen


def channels_of(name: str) -> int:
    """Channels of the image that the registered network ``name`` takes: ``in_channels`` of its configuration.

    Raises:
        ConfigError: it is one for volumes, or there is none of that name.
    """
    if not models.entry(name).is_for_images:
        raise ConfigError(
            f"network '{name}' is for volumes, which do not lower; train it with `python -m quant train-volumes`, or"
            " give a network for images"
        )
    return models.entry(name).config.in_channels


def classes_of(checkpoint: dict[str, Any]) -> int:
    """Logits a pixel of the checkpoint's network; 1 in checkpoints that do not say."""
    return checkpoint.get("classes", 1)


def size_of(checkpoint: dict[str, Any]) -> tuple[int, ...] | None:
    """(H, W) of the checkpoint's images, (X, Y, Z) of its volumes; None in those that do not say."""
    size = checkpoint.get("size")
    return None if size is None else tuple(size)


def require_start(name: str, quant: QuantConfig | None, checkpoint: dict[str, Any]) -> None:
    """CheckpointError where the network cannot start from ``checkpoint``: it is another's, or float from quantized."""
    if checkpoint["model"] != name:
        raise CheckpointError(f"the checkpoint holds '{checkpoint['model']}', not '{name}'; give --model to match")
    if quant is None and checkpoint["quant"] is not None:
        raise CheckpointError(
            "the checkpoint is quantized; give --quant or `quant`, too, or float weights to begin with"
        )


def start_from(
    name: str, quant: QuantConfig | None, checkpoint: dict[str, Any], size: tuple[int, ...] | None = None
) -> nn.Module:
    """A network to be trained further on images or volumes of ``size``: float from float, twin from twin, or twin from
    float weights.

    In the last case each channel's weights are scaled to fill the quantizer's range, and the BN undoes it.
    """
    require_start(name, quant, checkpoint)
    channels = channels_in(checkpoint)
    if quant is None or checkpoint["quant"] is not None:
        network = assemble(name, quant, classes_of(checkpoint), size, channels)
        _load_state(network, checkpoint)
        return network
    network = assemble(name, None, classes_of(checkpoint), channels=channels)
    _load_state(network, checkpoint)
    twin = build_twin(network, channels, quant, size)
    fill_weight_range(twin, convolution_sites(network, twin.in_channels, size))
    return twin


def settle(twin: Twin, name: str) -> int:
    """Moves the thresholds of ``twin``, a twin of the network ``name``, off the integers, and tables off the borders of
    codes; returns how many channels and shifts.
    """
    structure = Structure(models.build(name, channels=twin.in_channels), twin.in_channels, twin.size)
    moved = settle_multiples(twin, structure.multiples())
    return moved + settle_thresholds(twin, structure.convolutions()) + settle_tables(twin, structure.tables())


def _load_state(network: nn.Module, checkpoint: dict[str, Any]) -> None:
    for key, value in checkpoint["state"].items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"'{key}' of the checkpoint holds NaN or infinity, as after a diverged training; train it again with a"
                " lower rate"
            )
    own, state = network.state_dict(), checkpoint["state"]
    for key in (key for key in own if key in state):
        same_shape = state[key].shape == own[key].shape or state[key].numel() == own[key].numel() == 1
        if not same_shape or state[key].is_floating_point() != own[key].is_floating_point():
            raise _unlike(checkpoint, f"'{key}' is {_described(state[key])}, in the network {_described(own[key])}")
    try:
        network.load_state_dict(state)
    except RuntimeError:  # of keys alone: values that do not fit were named above
        missing, unknown = [key for key in own if key not in state], [key for key in state if key not in own]
        told = [
            f"{len(keys)} of its tensors {what}, such as '{keys[0]}'"
            for what, keys in (("are missing", missing), ("are not the network's", unknown))
            if keys
        ]
        raise _unlike(checkpoint, " and ".join(told)) from None


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(map(str, tensor.shape)) or 'scalar'}"


def _unlike(checkpoint: dict[str, Any], why: str) -> CheckpointError:
    return CheckpointError(
        f"the checkpoint does not fit network '{checkpoint['model']}': {why}; train it again, or give the network as it"
        " was then"
    )


def require_pixels(size: tuple[int, int]) -> None:
    """ConfigError where ``size`` (H, W) is no image, or too many pixels."""
    if min(size) < 1:
        raise ConfigError(f"--size must be positive, got {size[0]}x{size[1]}")
    if size[0] * size[1] > MAX_PIXELS:
        raise ConfigError(f"--size {size[0]}x{size[1]} is more than {MAX_PIXELS} pixels; give a smaller one")


def require_size(network: nn.Module, name: str, size: tuple[int, int], in_channels: int) -> None:
    """ConfigError unless ``network`` gives logits of the image's size for an image of ``size`` (H, W)."""
    require_pixels(size)
    why = _why_not(network, size, in_channels)
    if why is None:
        return
    remedy = _fitting(network, size, in_channels) or "write its forward for it"
    raise ConfigError(f"network '{name}' does not accept images of {size[0]}x{size[1]}: {why}; {remedy}")


def _fitting(network: nn.Module, size: tuple[int, int], in_channels: int) -> str | None:
    """The next larger size that ``network`` takes, as a remedy; None where there is none near."""
    for step in (2, 4, 8, 16, 32):
        height, width = (-(-side // step) * step for side in size)
        if _why_not(network, (height, width), in_channels) is None:
            return f"{height}x{width} fits"
    return None


def _why_not(network: nn.Module, size: tuple[int, int], in_channels: int) -> str | None:
    was_training = network.training
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, in_channels, *size))
    except Exception as error:  # noqa: BLE001  (whatever a forward raises, as an assertion of its own)
        return first_line(error)
    finally:
        network.train(was_training)
    if not isinstance(logits, torch.Tensor):
        raise ConfigError(f"the network's forward returns a {type(logits).__name__}; return its logits alone")
    found = tuple(logits.shape[2:])
    return None if found == size else f"its logits have {'x'.join(map(str, found))}"
