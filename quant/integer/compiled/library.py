"""The compiled kernels as a library."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.compiled_library import compiled_library

if TYPE_CHECKING:
    import ctypes

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernels.cpp", "simd.hpp"))


@cache
def library() -> ctypes.CDLL | None:
    """The kernels; None where they cannot be made: onnxruntime serves then."""
    return compiled_library("integer", *_SOURCES)
