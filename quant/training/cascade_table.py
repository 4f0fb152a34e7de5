"""The table ``[cascade]`` of a recipe: which of its stages are the networks of a cascade, and how they are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from board.cascade import FusionTable
from board.errors import InputError
from quant.base.errors import ConfigError
from quant.base.toml_file import require_types

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {
    **{"first": str, "second": str, "crop": list, "jitter": int},
    **{"weight": float, "threshold": float, "least_pixels": int, "depth": int},
}
_NEEDED = ("first", "second", "crop")


@dataclass(frozen=True, kw_only=True)
class CascadeTable:
    """``first`` and ``second`` name stages, ``crop`` is (H, W) of what the second sees, moved by up to ``jitter``
    pixels in training; the rest is of ``board.cascade_spec.CascadeSpec``. Defaults: CMDR-UNet's (Yang et al. 2022).
    """

    source: Path
    first: str
    second: str
    crop: tuple[int, int]
    jitter: int = 3
    weight: float = 0.5
    threshold: float = 0.6
    least_pixels: int = 1
    depth: int | None = None

    def __post_init__(self) -> None:
        where = f"recipe '{self.source}', [cascade]"
        if len(self.crop) != 2 or not all(type(side) is int and side > 0 for side in self.crop):
            raise ConfigError(f"{where}: crop is [height, width] in pixels, got {list(self.crop)}; correct it")
        for name, value, least in (
            ("jitter", self.jitter, 0),
            ("least_pixels", self.least_pixels, 1),
            ("depth", self.depth, 1),
        ):
            if value is not None and value < least:
                raise ConfigError(f"{where}: {name} must be at least {least}, got {value}")
        try:
            FusionTable.of(1.0, 1.0, self.weight, self.threshold)
        except InputError as error:
            raise ConfigError(f"recipe '{self.source}', {error}") from None

    @classmethod
    def of(cls, values: Any, source: Path) -> CascadeTable:
        """The table as TOML has it; ConfigError where it makes no sense."""
        where = f"recipe '{source}', [cascade]"
        if not isinstance(values, dict):
            raise ConfigError(f"{where}: it is a table, got {values!r}; write it as [cascade]")
        for key in values:
            if key not in _TYPES:
                raise ConfigError(f"{where}: unknown key '{key}'; known: {', '.join(_TYPES)}")
        for key in _NEEDED:
            if key not in values:
                raise ConfigError(f"{where}: key '{key}' is missing; add it")
        require_types(f"{where}: ", values, _TYPES)
        return cls(**{**values, "crop": tuple(values["crop"])}, source=source)

    @property
    def settings(self) -> dict[str, int]:
        """Of ``TrainConfig``, for the stages that see crops."""
        return {"crop_height": self.crop[0], "crop_width": self.crop[1], "jitter": self.jitter}
