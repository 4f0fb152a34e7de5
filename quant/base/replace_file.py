"""A file appears under its name only when it is complete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quant.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def require_file(path: Path) -> None:
    """ConfigError where ``path`` is there and no file that may be replaced; before long work, too."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device"
        raise ConfigError(f"'{path}' is {kind}, which no file can replace; give the name of a file")


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a file beside ``path``, then moves it there: a reader sees the old one or the new one.

    Raises:
        ConfigError: ``path`` is a folder or a device, which is left alone.
        OSError: that failed; its ``filename`` is never empty.
    """
    require_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial{os.getpid()}")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk shows while writing, when the name is long forgotten
        raise
    finally:
        partial.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """``replace_file`` by ``text``, in UTF-8."""
    replace_file(path, lambda partial: partial.write_text(text, encoding="utf-8"))
