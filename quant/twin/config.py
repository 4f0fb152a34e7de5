"""How many bits each kind of layer gets, from a TOML file; single layers may be overridden by name.

Whatever the bits: weights are signed and narrow-range, activations unsigned after ReLU, scales are powers of two.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from quant.base.errors import ConfigError
from quant.base.toml_file import read_toml, require_type, shipped_or_path

_SHIPPED = Path(__file__).parents[1] / "configs"
_BITS_RANGE = range(2, 9)


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Bits by kind of tensor. ``first_weight`` and ``last_weight`` go to the first and the last convolution, ``table``
    to what an activation that becomes a table reads.
    """

    input: int = 8
    first_weight: int = 8
    last_weight: int = 8
    dense_weight: int = 4
    depthwise_weight: int = 4
    pointwise_weight: int = 4
    activation: int = 4
    sum: int = 4
    upsample: int = 4
    table: int = 8

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require_type(f"bits.{name}", value, int)
            if value not in _BITS_RANGE:
                raise ConfigError(f"bits.{name} must be {_BITS_RANGE.start} to {_BITS_RANGE.stop - 1}, got {value}")
        if self.input != 8:
            raise ConfigError(f"bits.input must be 8, one code per pixel and channel, got {self.input}")


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """A named quantization: bits by kind, and ``layers``: {layer name: {"weight": bits, "activation": bits}}."""

    name: str
    bits: Bits = Bits()
    layers: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_type("name of the quantization", self.name, str)
        for layer, overrides in self.layers.items():
            require_type(f"layers.{layer}", overrides, dict)
            for key, value in overrides.items():
                if key not in ("weight", "activation"):
                    raise ConfigError(f"layers.{layer}.{key} is unknown; known: weight, activation")
                require_type(f"layers.{layer}.{key}", value, int)
                if value not in _BITS_RANGE:
                    raise ConfigError(f"layers.{layer}.{key} must be 2 to 8 bits, got {value}")

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
        require_type("a quantization", values, dict)
        _refuse_unknown("quantization", values, {entry.name for entry in fields(cls)})
        bits, layers = values.get("bits", {}), values.get("layers", {})
        require_type("bits", bits, dict)
        require_type("layers", layers, dict)
        _refuse_unknown("bits", bits, {entry.name for entry in fields(Bits)})
        if "name" not in values:
            raise ConfigError('the quantization has no name; add `name = "..."`')
        return cls(name=values["name"], bits=Bits(**bits), layers=dict(layers))

    @classmethod
    def read(cls, name_or_path: str) -> QuantConfig:
        """Reads a shipped configuration by name (``w4a4``) or a TOML file by path."""
        path = shipped_or_path("quantization", _SHIPPED, name_or_path)
        return cls.from_dict(read_toml(path))


def _refuse_unknown(where: str, values: dict[str, Any], known: set[str]) -> None:
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown key '{key}' in {where}; known: {', '.join(sorted(known))}")
