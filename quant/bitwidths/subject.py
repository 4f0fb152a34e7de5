"""The network whose layers are to be lowered, with the images that it is scored on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

import calib_data
import models
from quant.base import checkpoint as checkpoints
from quant.base.device import require_device
from quant.base.errors import ConfigError
from quant.bitwidths.flow import Flow
from quant.bitwidths.lowered import LoweredLayers
from quant.bitwidths.memory import codes_on_chip
from quant.bitwidths.sites import Site, Widths, sites_of
from quant.data.crops import load_seen
from quant.data.pairs import Samples, require_foreground
from quant.scores.masks import score
from quant.twin.config import QuantConfig
from quant.twin.networks import channels_in, classes_of, from_checkpoint, size_of, start_from
from quant.twin.prepare import calibrate
from quant.twin.structure import Structure

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SCORES = ("iou_pooled8", "iou")


@dataclass(frozen=True, kw_only=True)
class SubjectConfig:
    """``quant``: name or file, for a float checkpoint alone. ``data``: None for the shipped images. ``images``: at most
    so many, evenly spaced in the list. ``match_norms``: see ``flow.py``.
    """

    checkpoint: Path
    quant: str | None = None
    data: Path | None = None
    split: str = "val"
    images: int = 16
    match_norms: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ConfigError(f"--images must be at least 1, got {self.images}")
        require_device(self.device)


class Subject:
    """A quantized twin, its sites, and their scores under any widths.

    Raises:
        CheckpointError, ConfigError, DataError: see their messages.
    """

    def __init__(self, config: SubjectConfig) -> None:
        checkpoint = checkpoints.load(config.checkpoint)
        self._classes = classes_of(checkpoint)
        self.samples = _samples(config, checkpoint)
        self.quant = _quantization(config, checkpoint)
        self.identity: dict[str, Any] = {
            "checkpoint": hashlib.sha256(config.checkpoint.read_bytes()).hexdigest(),
            "quant": self.quant.as_dict(),
            "images": list(self.samples.names),
            "match_norms": config.match_norms,
        }
        twin = _twin(checkpoint, self.quant, self.samples.codes).to(config.device, memory_format=torch.channels_last)
        network = models.build(checkpoint["model"], self._classes, twin.in_channels)
        structure = Structure(network, twin.in_channels, twin.size)
        self._flow = Flow(twin, structure, self.samples.codes, config.device)
        observed, masks = self._flow.observe()
        self._like = observed.moments if config.match_norms else None
        self.sites = sites_of(twin, structure, observed.shapes)
        self.input_bits = 8 * codes_on_chip(structure, observed.shapes)[""]
        self.own_scores = self._score(masks)
        self._layers = LoweredLayers(network, twin, structure, self._flow, self.sites)
        self._reached = self._flow.begin()

    def scores_of_site(self, site: Site, bits: int) -> dict[str, float]:
        """Scores with one site lowered. Fast where sites come in their order: what lies before is kept."""
        modules = self._layers.modules({site.key: bits})
        first = self._flow.position(list(modules))
        if first < self._reached.position:
            self._reached = self._flow.begin()
        self._flow.advance(self._reached, first)
        return self._score(self._flow.masks(self._flow.advance(self._reached.copy(), modules=modules, like=self._like)))

    def scores(self, widths: Widths) -> dict[str, float]:
        """Scores with any sites lowered."""
        values = self._flow.advance(self._flow.begin(), modules=self._layers.modules(widths), like=self._like)
        return self._score(self._flow.masks(values))

    def _score(self, masks: np.ndarray) -> dict[str, float]:
        scores = score(masks, self.samples.masks[:, 0].numpy(), self._classes, surfaces=False)
        return {name: scores[name] for name in SCORES}


def _samples(config: SubjectConfig, checkpoint: dict[str, Any]) -> Samples:
    data, split = (calib_data.FOLDER, "calib") if config.data is None else (config.data, config.split)
    shape = {"classes": classes_of(checkpoint), "channels": channels_in(checkpoint)}
    samples = load_seen(checkpoint, data, split, **shape)
    count = min(config.images, len(samples))
    chosen = [index * len(samples) // count for index in range(count)]
    names = tuple(samples.names[index] for index in chosen)
    chosen_samples = replace(samples, names=names, codes=samples.codes[chosen], masks=samples.masks[chosen])
    require_foreground(chosen_samples, data, split)
    return chosen_samples


def _quantization(config: SubjectConfig, checkpoint: dict[str, Any]) -> QuantConfig:
    if checkpoint["quant"] is None:
        if config.quant is None:
            raise ConfigError(f"'{config.checkpoint}' is a float network; give --quant, w8a8 for example")
        return QuantConfig.read(config.quant)
    if config.quant is not None:
        raise ConfigError(f"'{config.checkpoint}' is quantized already; leave out --quant")
    return QuantConfig.from_dict(checkpoint["quant"])


def _twin(checkpoint: dict[str, Any], quant: QuantConfig, codes: torch.Tensor) -> torch.nn.Module:
    if checkpoint["quant"] is not None:
        return from_checkpoint(checkpoint)
    twin = start_from(checkpoint["model"], quant, checkpoint, size_of(checkpoint))
    calibrate(twin, codes)
    return twin.eval()
