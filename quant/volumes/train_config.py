"""The settings of one training on volumes. Defaults are nnU-Net's, but for the length."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import models
from board.errors import InputError
from board.intensity import Window
from quant.base.classes import require_classes
from quant.base.device import require_device
from quant.base.errors import ConfigError
from quant.base.seed import require_seed
from quant.volumes.loss import LOSSES
from quant.volumes.schedule import PolySchedule
from quant.volumes.slabs import require_slices

_LARGEST = 1e6
_MOST_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class VolumeTrainConfig:
    """One training run of ``epochs`` times ``steps`` steps, each of ``batch`` x ``accumulate`` patches.

    ``slices`` 0: ``model`` is a network for volumes, ``patch`` (x, y, z) voxels. ``slices`` 2k+1: it is one for images,
    which sees so many neighbouring slices as channels, and the patch has (x, y). ``spacing_mm`` (x, y, z) resamples all
    volumes; None leaves them as they are. ``flips`` of each axis; not where scans that all lie alike say by it what is
    what. ``ema`` is the decay a step of the average of weights that is kept.
    """

    model: str
    data: str
    classes: int = 1
    slices: int = 0
    patch: tuple[int, ...] = (128, 128, 128)
    spacing_mm: tuple[float, float, float] | None = None
    window: Window = field(default_factory=Window)
    body_crop: bool = False
    epochs: int = 100
    steps: int = 250
    batch: int = 2
    accumulate: int = 1
    lr: float = 0.01
    weight_decay: float = 3e-5
    loss: str = "dice-ce"
    foreground_share: float = 1 / 3
    flips: bool = True
    ema: float = 0.0
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        is_for_images = models.entry(self.model).is_for_images
        if self.slices:
            require_slices(self.slices)
        if is_for_images != bool(self.slices):
            remedy = "add --slices 3" if is_for_images else "leave out --slices"
            kind = "images" if is_for_images else "volumes"
            raise ConfigError(f"network '{self.model}' is for {kind}; {remedy}, or give another --model")
        sides = 2 if self.slices else 3
        if len(self.patch) != sides or not all(1 <= side <= _MOST_SIDE for side in self.patch):
            raise ConfigError(f"--patch must be {sides} sides of 1 to {_MOST_SIDE}, got {self._by(self.patch)}")
        if self.spacing_mm is not None and not all(0 < step <= 1000 for step in self.spacing_mm):
            raise ConfigError(f"--spacing must be three distances in mm above 0, got {self._by(self.spacing_mm)}")
        require_classes(self.classes)
        for name in ("epochs", "steps", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if self.loss not in LOSSES:
            raise ConfigError(f"unknown loss '{self.loss}'; known: {', '.join(LOSSES)}")
        for name, value, least, most in (
            ("lr", self.lr, 1e-12, _LARGEST),
            ("weight-decay", self.weight_decay, 0, _LARGEST),
            ("foreground-share", self.foreground_share, 0, 1),
            ("ema", self.ema, 0, 0.999999),
        ):
            if not least <= value <= most:
                raise ConfigError(f"--{name} must be {least:g} to {most:g}, got {value}")
        require_seed(self.seed)
        require_device(self.device)

    @property
    def size(self) -> tuple[int, ...]:
        """(H, W) of the slices that the network sees, or (X, Y, Z) of the patches."""
        return self.patch[::-1] if self.slices else self.patch

    @property
    def schedule(self) -> PolySchedule:
        return PolySchedule(self.lr, self.epochs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint keeps them."""
        values = asdict(self)
        return {**values, "patch": list(self.patch), "spacing_mm": self.spacing_mm and list(self.spacing_mm)}

    @staticmethod
    def _by(sides: tuple[float, ...]) -> str:
        return ",".join(map(str, sides))


def window_of(kind: str, low: float | None, high: float | None, nonzero: bool) -> Window:
    """The window of ``--window`` with the usual bounds of its kind where they are not given.

    Raises:
        ConfigError: it makes no sense, or a fixed one lacks its bounds.
    """
    usual = {"percentile": (1.0, 99.0), "zscore": (-4.0, 4.0)}.get(kind, (None, None))
    low, high = (given if given is not None else default for given, default in zip((low, high), usual, strict=True))
    if kind == "fixed" and (low is None or high is None):
        raise ConfigError("--window fixed needs --low and --high, in the unit of the files; give both")
    try:
        return Window(kind, low if low is not None else 0.0, high if high is not None else 1.0, nonzero)
    except InputError as error:
        raise ConfigError(str(error)) from None
