"""TOML files that users write, as tables; what is none is one sentence."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_table(path: Path, what: str) -> dict[str, Any]:
    """The table of the TOML file ``path``, in UTF-8 with or without a byte-order mark; ``what`` it is, for the message.

    Raises:
        ConfigError: it is not UTF-8 or not TOML, or nested too deep or with numbers too long for Python.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # tomllib's own error and that of an encoding are ValueErrors
        raise ConfigError(f"{what} '{path}' is not TOML ({error}); correct it") from None
