"""TOML files that users write, as tables; what is none is one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from quant.errors import ConfigError


def read_table(path: Path) -> dict[str, Any]:
    """The table of a TOML file, in UTF-8 with or without a byte-order mark.

    Raises:
        ConfigError: it is not UTF-8 or not TOML, or nested too deep or with numbers too long for Python.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # tomllib's own error and that of an encoding are ValueErrors
        raise ConfigError(f"'{path}' is not valid TOML: {error}; correct it") from None


def refuse_unknown(where: str, values: Any, known: set[str]) -> None:
    """ConfigError unless ``values``, which stands at ``where``, is a table that has keys of ``known`` alone."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where} must be a table, got {values!r}; give it keys of {', '.join(sorted(known))}")
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown key '{key}' in {where}; known: {', '.join(sorted(known))}")
