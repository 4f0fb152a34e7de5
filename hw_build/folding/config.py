"""Which folding a build uses: a target of cycles, and foldings that the user fixes for single nodes.

A folding file is TOML: ``cycles_per_frame`` or ``cycles_per_pixel`` (of the input image), and a table per node name::

    cycles_per_pixel = 32
    [MVAU_rtl_3]
    PE = 4
    SIMD = 12
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hw_build.errors import ConfigError

FOLDINGS = Path(__file__).resolve().parent
_TARGETS = ("cycles_per_frame", "cycles_per_pixel")


@dataclass(frozen=True, kw_only=True)
class FoldingConfig:
    """Exactly one of the two targets, and node name -> {PE, SIMD, parallel_window}."""

    cycles_per_frame: int | None = None
    cycles_per_pixel: int | None = None
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        targets = {name: getattr(self, name) for name in _TARGETS if getattr(self, name) is not None}
        if len(targets) != 1:
            raise ConfigError(f"a folding names exactly one of {' and '.join(_TARGETS)}, got {targets or 'neither'}")
        name, value = targets.popitem()
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{name} must be a positive integer, got {value!r}")
        for node, table in self.nodes.items():
            if not isinstance(table, dict):
                raise ConfigError(
                    f"'{node}' is neither a target ({', '.join(_TARGETS)}) nor a table; write [{node}] with PE and SIMD"
                )

    def target_cycles(self, size: tuple[int, int]) -> int:
        """Cycles per frame of an image of ``size`` (H, W)."""
        return self.cycles_per_frame or self.cycles_per_pixel * size[0] * size[1]


def load_folding(text: str) -> FoldingConfig:
    """The folding that a user names: a number of cycles per frame, a shipped name, or a TOML file.

    Raises:
        ConfigError: there is no such folding, or its file is wrong.
    """
    if text.isdecimal():
        return FoldingConfig(cycles_per_frame=int(text))
    path = Path(text) if text.endswith(".toml") else FOLDINGS / f"{text}.toml"
    if not path.is_file():
        known = ", ".join(sorted(entry.stem for entry in FOLDINGS.glob("*.toml")))
        raise ConfigError(
            f"unknown folding '{text}'; known: {known}, or give a TOML file or a number of cycles per frame"
        )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        targets = {name: tables.pop(name) for name in _TARGETS if name in tables}
        return FoldingConfig(**targets, nodes=tables)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"folding file '{path}' is not TOML ({error}); correct it") from None
    except ConfigError as error:
        raise ConfigError(f"folding file '{path}': {error}") from None
