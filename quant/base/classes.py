"""How many classes labels may have."""

from __future__ import annotations

from board.io_spec import MAX_CLASSES
from quant.base.errors import ConfigError


def require_classes(classes: int) -> None:
    """ConfigError unless labels of so many ``classes`` fit a byte."""
    if not 1 <= classes <= MAX_CLASSES:
        raise ConfigError(f"--classes must be 1 to {MAX_CLASSES}, got {classes}")
