"""A file appears under its name only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a file beside ``path``, then moves it there: a reader sees the old one or the new one.

    Raises:
        OSError: that failed; its ``filename`` is never empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial{os.getpid()}")
    try:
        write(partial)
        os.replace(partial, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk shows while writing, when the name is long forgotten
        raise
    finally:
        partial.unlink(missing_ok=True)
