"""A model soup: one network whose weights are the mean of those of several runs (M. Wortsman et al., ICML 2022).

Runs that began with the same weights and differ in seed, data order or settings lie in one valley of the loss, where
the mean is often better than each of them, at the cost of one. BN statistics are averaged as well. Of quantized
networks the weights before rounding are averaged and the thresholds settled again; all have the same ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError
from quant.base.seen_images import Seen
from quant.twin.networks import channels_in, from_checkpoint, settle
from quant.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SAME = ("model", "quant", "size", "classes", "channels", "volumes", "untrained")  # of all; kept
_CROP = ("size", "crop_height", "crop_width")  # of a run: how its images were cut
_RANGE = "scaling_impl.value"


def soup(paths: Sequence[Path]) -> dict[str, Any]:
    """The checkpoint of the mean of those at ``paths``, which is without scores; ``soup`` tells their names.

    Raises:
        ConfigError: there are fewer than two.
        CheckpointError: they are of different networks, bits, sizes, classes or shapes, or of different ranges.
    """
    if len(paths) < 2:
        raise ConfigError("a soup is made of two checkpoints or more; give another one of the same network")
    loaded = [checkpoints.load(path) for path in paths]
    for path, checkpoint in zip(paths, loaded, strict=True):
        _require_numbers(path, checkpoint["state"])
    first = loaded[0]
    for path, checkpoint in zip(paths[1:], loaded[1:], strict=True):
        _require_same(first, checkpoint, f"'{paths[0]}' and '{path}'")
    network = from_checkpoint({**first, "state": _mean([checkpoint["state"] for checkpoint in loaded])})
    if isinstance(network, Twin):
        settle(network, first["model"])
    kept = {key: first[key] for key in _SAME if key in first}
    return {
        **kept,
        "run": _crop(first),
        "seen": Seen.joined(map(Seen.by, loaded)).as_record(),
        "soup": [str(path.name) for path in paths],
        "state": dict(network.state_dict()),
    }


def _require_numbers(path: Path, state: dict[str, torch.Tensor]) -> None:
    for key, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"'{key}' of '{path}' holds NaN or infinity, as after a diverged training; leave that run out"
            )


def _require_same(first: dict[str, Any], other: dict[str, Any], both: str) -> None:
    for key in _SAME:
        found = [_said(of, key) for of in (first, other)]
        if found[0] != found[1]:
            told = [(of or {}).get("name", "none") for of in found] if key == "quant" else found
            told = found if told[0] == told[1] else told
            raise CheckpointError(
                f"{both} differ in {key}: {told[0]} and {told[1]}; a soup is of runs of one network, give such"
            )
    if _crop(first) != _crop(other):
        raise CheckpointError(f"{both} see different crops of their images; give runs of one stage")
    own, its = first["state"], other["state"]
    for key in [*own, *its]:
        if key not in own or key not in its or own[key].shape != its[key].shape:
            raise CheckpointError(f"{both} differ in the shape of '{key}'; a soup is of runs of one network, give such")
        if key.endswith(_RANGE) and not torch.equal(own[key], its[key]):
            raise CheckpointError(
                f"{both} differ in the range '{key}', which has no mean; give runs that started from one quantized"
                " network, without --ranges learned"
            )


def _said(checkpoint: dict[str, Any], key: str) -> Any:
    """What ``checkpoint`` says of ``key``; of channels, which older ones leave out, what its network takes."""
    if key == "channels":
        return channels_in(checkpoint)
    return list(checkpoint[key]) if key == "size" else checkpoint.get(key)


def _crop(checkpoint: dict[str, Any]) -> dict[str, Any]:
    run = checkpoint.get("run") or {}
    return {key: run[key] for key in _CROP if run.get("crop_height")}


def _mean(states: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Of numbers the mean in float64, of counters those of the first."""
    return {
        key: torch.stack([state[key].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for key, value in states[0].items()
    }
