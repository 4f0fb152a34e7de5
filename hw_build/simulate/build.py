"""RTL sources -> a shared library that simulates them, cached by the hash of all that goes into it.

The library is built in a temporary folder and renamed when complete, so an interrupted build leaves nothing behind
under the final name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.simulate import toolchain
from hw_build.simulate.simulator import Simulator
from hw_build.simulate.wrapper import ProbePort, ports_inc, sim_top

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.kernels.base import StreamPort

DRIVER = Path(__file__).with_name("driver.cpp")
MESSAGES = Path(__file__).with_name("messages.h")
LIBRARY = "libsim.so"
CHECKED_FLAGS = ("--assert", "--x-assign", "unique", "--x-initial", "unique")
FAST_FLAGS = ("--no-assert", "--x-assign", "fast", "--x-initial", "fast")
LITERAL_BITS = (1 << 24) - 1  # of one constant, as of a layer's weights; as many as Yosys' front end takes
CHUNK_BYTES = 1_500_000  # of generated C++ that one g++ call compiles
_SMALL = "-O1"  # optimisation of small simulators
WHOLE_BYTES = 250_000  # of generated C++ that one g++ call compiles with the driver: Verilator's headers are read once


def build(
    top_module: str,
    files: Sequence[Path],
    build_dir: Path,
    *,
    parameters: dict[str, str] | None = None,
    inputs: Sequence[StreamPort],
    outputs: Sequence[StreamPort],
    clock: str = "ap_clk",
    reset_n: str = "ap_rst_n",
    include_dirs: Sequence[Path] = (),
    pins: dict[str, int] | None = None,
    probe: ProbePort | None = None,
    fast: bool = False,
) -> Simulator:
    """Build (or find in the cache) the simulator of ``top_module``.

    ``files`` are compiled in the given order, packages first. ``parameters`` map names to SystemVerilog literals as
    text. ``pins`` are further inputs, name -> width in bits, set per run. ``fast`` drops assertions and the random
    power-up state and optimises: for whole designs; without it registers that no reset or initial value defines start
    at random.
    """
    parameters = {name: str(value) for name, value in (parameters or {}).items()}
    pins = dict(pins or {})
    sources = list(dict.fromkeys(Path(f).resolve() for f in files))
    for path in sources:
        if not path.is_file():
            raise BuildError(f"{top_module}: RTL source {path} does not exist")
    wrapper = sim_top(
        top_module, parameters=parameters, inputs=list(inputs), outputs=list(outputs), pins=pins, probe=probe,
        clock=clock, reset_n=reset_n,
    )  # fmt: skip
    binding = ports_inc(list(inputs), list(outputs), pins, probe)
    library = build_library(
        top_module, sources, build_dir, driver=DRIVER, generated={"sim_top.sv": wrapper, "ports.inc": binding},
        include_dirs=include_dirs, fast=fast,
    )  # fmt: skip
    return Simulator(top_module, library, list(inputs), list(outputs), pins, probe)


def build_library(
    name: str,
    sources: Sequence[Path],
    build_dir: Path,
    *,
    driver: Path,
    generated: dict[str, str],
    include_dirs: Sequence[Path] = (),
    fast: bool = False,
) -> Path:
    """Build (or find in the cache) the shared library of a C++ ``driver`` and the module ``sim_top`` that it drives.

    ``generated`` holds, by file name, ``sim_top.sv`` and what the driver includes. Returns the library's path, in a
    folder of its own below ``build_dir``.
    """
    sources, include_dirs = ([Path(path).resolve() for path in paths] for paths in (sources, include_dirs))
    key = _cache_key(generated, sources, include_dirs, driver, fast)
    folder = Path(build_dir).resolve() / f"{name}-{key}"
    if not (folder / LIBRARY).is_file():
        partial = _temporary_folder(folder)
        try:
            for file_name, text in generated.items():
                (partial / file_name).write_text(text)
            _verilate(sources, include_dirs, partial, fast)
            for file_name in set(generated) - {"sim_top.sv"}:
                shutil.copyfile(partial / file_name, partial / "cpp" / file_name)
            _compile(partial, driver, fast)
            toolchain.publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder / LIBRARY


def _temporary_folder(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    except OSError as error:
        raise BuildError(
            f"build directory {folder.parent} cannot be written ({error.strerror}): choose another"
        ) from error


def _cache_key(
    generated: dict[str, str], sources: Sequence[Path], include_dirs: Sequence[Path], driver: Path, fast: bool
) -> str:
    digest = hashlib.sha256()
    headers = [h for d in include_dirs for h in sorted(Path(d).glob("*")) if h.suffix in (".svh", ".vh", ".h")]
    how = str((fast, CHUNK_BYTES, WHOLE_BYTES))
    tools = (how, toolchain.toolchain_version(), MESSAGES.read_text(), driver.read_text())
    for text in (*generated.values(), *tools):
        digest.update(text.encode() + b"\0")
    for path in [*sources, *headers]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _verilate(sources: Sequence[Path], include_dirs: Sequence[Path], partial: Path, fast: bool) -> None:
    arguments = ["--cc", "--prefix", "Vsim", "--top-module", "sim_top", "--Mdir", "cpp", "-O3", "--no-timing"]
    arguments += ["-Wno-lint", "-Wno-fatal", "--max-num-width", str(LITERAL_BITS)]
    arguments += [
        "--output-split",
        "3000",
        "--output-split-cfuncs",
        "300",
    ]  # g++ takes more than linear time per function
    arguments += FAST_FLAGS if fast else CHECKED_FLAGS
    arguments += [f"-I{Path(d).resolve()}" for d in include_dirs]
    toolchain.verilate([*arguments, *map(str, sources), "sim_top.sv"], partial)


def _compile(partial: Path, driver: Path, fast: bool) -> None:
    """Compile the generated C++ and link it."""
    cpp = partial / "cpp"
    shutil.copyfile(driver, cpp / "driver.cpp")
    shutil.copyfile(MESSAGES, cpp / MESSAGES.name)
    generated = sorted(cpp.glob("Vsim*.cpp"))
    small = not fast and sum(path.stat().st_size for path in generated) <= WHOLE_BYTES
    runtime = toolchain.runtime_objects()
    if small:  # one file that includes all
        jobs = [(_including(cpp / "whole.cpp", [*generated, cpp / "driver.cpp"]), _SMALL)]
        toolchain.compile_object(jobs[0][0], jobs[0][0].with_suffix(".o"), _SMALL, toolchain.common_header(_SMALL))
    else:
        jobs = _in_chunks(cpp, generated, fast)
        with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
            list(pool.map(lambda job: toolchain.compile_object(job[0], job[0].with_suffix(".o"), job[1]), jobs))
    toolchain.link_library([*(path.with_suffix(".o") for path, _ in jobs), *runtime], partial / LIBRARY)
    shutil.rmtree(cpp)


def _in_chunks(cpp: Path, generated: list[Path], fast: bool) -> list[tuple[Path, str]]:
    """The driver and files that include several each, with their optimisation; what takes longest first."""
    jobs = [(cpp / "driver.cpp", "-O2")]
    for slow in (False, True):
        optimisation = "-O0" if slow else "-O2" if fast else "-O1"
        for index, chunk in enumerate(_chunks([path for path in generated if _is_slow(path) == slow])):
            jobs.append((_including(cpp / f"chunk_{'slow' if slow else 'fast'}_{index}.cpp", chunk), optimisation))
    return sorted(jobs, key=lambda job: job[1], reverse=True)


def _including(path: Path, parts: list[Path]) -> Path:
    path.write_text("".join(f'#include "{part.name}"\n' for part in parts))
    return path


def _is_slow(path: Path) -> bool:
    return bool(re.search(r"__Slow|__Syms|__ConstPool", path.name))


def _chunks(paths: list[Path]) -> list[list[Path]]:
    chunks: list[list[Path]] = []
    filled = CHUNK_BYTES
    for path in paths:
        if filled + path.stat().st_size > CHUNK_BYTES:
            chunks.append([])
            filled = 0
        chunks[-1].append(path)
        filled += path.stat().st_size
    return chunks
