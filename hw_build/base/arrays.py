"""A file of numpy arrays, whole or not there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.step_engine import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Writes ``arrays`` to the compressed .npz file ``path``, its folder made; BuildError as of `write_atomically`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # numpy declares names as its own switches
    write_atomically(path, packed.getvalue())
