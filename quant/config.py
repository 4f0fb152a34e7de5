"""How many bits each kind of layer gets, from a TOML file; single layers may be overridden by name.

Whatever the bits: weights are signed and narrow-range, activations unsigned after ReLU, scales are powers of two.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from quant.errors import ConfigError
from quant.toml_file import read_table, refuse_unknown

_SHIPPED = Path(__file__).parent / "configs"
_BITS_RANGE = range(2, 9)


def _refuse_width(where: str, value: Any) -> None:
    if not isinstance(value, int) or value not in _BITS_RANGE:
        raise ConfigError(f"{where} must be {_BITS_RANGE.start} to {_BITS_RANGE.stop - 1}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Bits by kind of tensor. ``first_weight`` and ``last_weight`` go to the first and the last convolution."""

    input: int = 8
    first_weight: int = 8
    last_weight: int = 8
    dense_weight: int = 4
    depthwise_weight: int = 4
    pointwise_weight: int = 4
    activation: int = 4
    sum: int = 4
    upsample: int = 4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _refuse_width(f"bits.{name}", value)
        if self.input != 8:
            raise ConfigError(f"bits.input must be 8, one code a pixel and channel, got {self.input}")


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """A named quantization: bits by kind, and ``layers``: {layer name: {"weight": bits, "activation": bits}}."""

    name: str
    bits: Bits = Bits()
    layers: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(f"name of the quantization must be a text, got {self.name!r}")
        if not isinstance(self.layers, dict):
            raise ConfigError(f"layers must be a table with a table for each layer, got {self.layers!r}")
        for layer, overrides in self.layers.items():
            refuse_unknown(f"layers.{layer}", overrides, {"weight", "activation"})
            for key, value in overrides.items():
                _refuse_width(f"layers.{layer}.{key}", value)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_toml(self) -> str:
        """The text of a TOML file that ``read`` takes."""
        lines = [f"name = {json.dumps(self.name)}", "", "[bits]"]
        lines += [f"{kind} = {bits}" for kind, bits in asdict(self.bits).items()]
        for layer, overrides in self.layers.items():
            lines += ["", f"[layers.{json.dumps(layer)}]", *(f"{key} = {bits}" for key, bits in overrides.items())]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> QuantConfig:
        refuse_unknown("quantization", values, {entry.name for entry in fields(cls)})
        bits = values.get("bits", {})
        refuse_unknown("bits", bits, {entry.name for entry in fields(Bits)})
        if "name" not in values:
            raise ConfigError('the quantization has no name; add `name = "..."`')
        return cls(name=values["name"], bits=Bits(**bits), layers=values.get("layers", {}))

    @classmethod
    def read(cls, name_or_path: str) -> QuantConfig:
        """Reads a shipped configuration by name (``w4a4``) or a TOML file by path."""
        path = _SHIPPED / f"{name_or_path}.toml"
        if not path.is_file():
            path = Path(name_or_path)
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in _SHIPPED.glob("*.toml")))
            raise ConfigError(f"unknown quantization '{name_or_path}'; known: {known}, or the path of a TOML file")
        return cls.from_dict(read_table(path))
