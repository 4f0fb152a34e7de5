"""Libraries of kernels in C++: made once for a processor and a compiler, kept in the user's cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from quant.base.replace_file import replace_file

_OPTIONS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")


def compiled_library(name: str, *sources: Path) -> ctypes.CDLL | None:
    """The first of ``sources``, which includes the others, kept under ``name``; None where there is no g++, or it does
    not make it.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    try:
        kept = _cache_root() / name / f"{_key(compiler, sources)}.so"
        if not kept.is_file():
            replace_file(kept, lambda partial: _compile(compiler, sources[0], partial))
        return ctypes.CDLL(str(kept))
    except (OSError, subprocess.CalledProcessError):
        return None


def _cache_root() -> Path:
    configured = os.environ.get("EDGESEG_CACHE")
    return (
        Path(configured) if configured else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeseg"
    )


def _compile(compiler: str, source: Path, path: Path) -> None:
    subprocess.run([compiler, *_OPTIONS, str(source), "-o", str(path)], check=True, capture_output=True)


def _key(compiler: str, sources: tuple[Path, ...]) -> str:
    """Of sources, compiler, and what it makes of the options on this processor: a home may be shared by several."""
    digest = hashlib.sha256()
    for asked in (["--version"], [*_OPTIONS, "-Q", "--help=target"]):
        digest.update(subprocess.run([compiler, *asked], check=True, capture_output=True).stdout)
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:24]
