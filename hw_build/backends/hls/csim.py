"""C simulation of the program: compiled by g++ in parallel, each unit once for its content, and run on whole frames.

Three ways of running the same functions: layer by layer, with every stream recorded; the dataflow function as a whole;
and all functions beside each other with FIFOs of finite depths, which sizes them. finn-hlslib and Vitis' headers are
stood in for by ``csim/`` and by hls4ml's ap_int; or they are the real ones, which do not know the third.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from board.packing import bytes_per_beat, pack_stream, unpack_stream
from hw_build.backends.hls.main_program import DEPTHS, main_text
from hw_build.backends.hls.program import HEADER, SOURCE
from hw_build.base.cache import cache_root
from hw_build.base.errors import BuildError
from hw_build.base.step_engine import write_atomically
from hw_build.simulate.toolchain import compiler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw_build.backends.hls.network import Network, Stream
    from hw_build.base.progress import Meter

STAND_INS = Path(__file__).with_name("csim")
_OPTIONS = ("-std=c++17", "-O1", "-w", "-DEDGESEG_LAYERS_ELSEWHERE")
_LINKED = ("-Wl,-z,muldefs",)  # finn-hlslib defines functions in its headers, so that each unit has them
_OF_LINKER = re.compile("undefined reference|multiple definition|cannot find")
_NO_SPACE = "No space left on device"
_OF_VITIS = "INFO [HLS SIM]"  # what its hls::stream says of itself
_UNIT_LAYERS = 12  # a unit reads the headers once, some 2 s; units are compiled beside each other
_MAIN = "main.cpp"


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Where the headers come from that layers include: folders in the order of the search, and in words."""

    folders: tuple[Path, ...]
    name: str

    @property
    def ours(self) -> bool:
        """Whether they are the stand-ins."""
        return STAND_INS in self.folders


def find_headers(finn_hlslib: Path | None) -> Headers:
    """Our stand-ins, or with ``finn_hlslib`` that library and the headers of Vitis HLS at XILINX_HLS.

    Raises:
        BuildError: one of them is not there.
    """
    if finn_hlslib is None:
        found = importlib.util.find_spec("hls4ml")
        if found is None or found.origin is None:
            raise BuildError("the Python package 'hls4ml' is not installed, whose ap_int.h HLS needs: run make setup")
        ap_types = Path(found.origin).parent / "templates" / "vivado" / "ap_types"
        headers = Headers(folders=(STAND_INS, ap_types), name="stand-in headers")
    elif not (vitis := os.environ.get("XILINX_HLS")):
        raise BuildError(
            "--finn-hlslib needs the headers of Vitis HLS: set XILINX_HLS to its folder, or leave the option out"
        )
    else:
        headers = Headers(folders=(finn_hlslib, Path(vitis) / "include"), name=f"finn-hlslib in '{finn_hlslib}'")
    for folder, header in zip(headers.folders, ("bnn-library.h", "ap_int.h"), strict=True):
        if not (folder / header).is_file():
            raise BuildError(f"'{folder}' has no {header}; give the folder that has it, or leave --finn-hlslib out")
    return headers


class CSimulation:
    """The compiled program of ``network``, whose files lie in ``folder``."""

    def __init__(self, network: Network, folder: Path, executable: Path) -> None:
        self.network, self.folder, self.executable = network, folder, executable

    def run_layers(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """Layer by layer: frames (N, H, W, C) -> stream name -> integers (N, beats, elements).

        Raises:
            BuildError: a layer reads more than there is, or leaves something.
        """
        streams = [self.network.source, *self.network.streams, self.network.sink]
        return self._run("layers", frames, lambda folder: {s.name: _read(folder, s, len(frames)) for s in streams})

    def run_whole(self, frames: np.ndarray) -> np.ndarray:
        """The dataflow function, called once a frame: frames (N, H, W, C) -> integers (N, beats, elements) that left.

        Raises:
            BuildError: it reads more than there is, or leaves something.
        """
        return self._run("whole", frames, lambda folder: _read(folder, self.network.sink, len(frames)))

    def run_sized(self, frames: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
        """All functions beside each other, FIFOs doubled from `SHALLOW` on until the frames (N, H, W, C) get through.

        Returns what left, integers (N, beats, elements), and the depths in beats by stream. With our headers alone.

        Raises:
            BuildError: a function waits for a beat that never comes, or leaves something.
        """

        def read(folder: Path) -> tuple[np.ndarray, dict[str, int]]:
            lines = [line.split() for line in (folder / DEPTHS).read_text().splitlines()]
            return _read(folder, self.network.sink, len(frames)), {name: int(depth) for name, depth in lines}

        return self._run("sized", frames, read)

    def _run(self, mode: str, frames: np.ndarray, read: Callable[[Path], Any]) -> Any:
        """Runs the program and gives ``read`` the folder in which it left a file a stream."""
        source = self.network.source.beats
        beats = pack_stream(frames.reshape(-1, source.elements), source.elements, source.data_type.bitwidth())
        with tempfile.TemporaryDirectory() as results:
            command = [str(self.executable), mode, str(len(frames)), results]
            done = subprocess.run(command, input=beats.tobytes(), capture_output=True, check=False)
            said = (done.stderr + done.stdout).decode(errors="replace").splitlines()
            said = [line.strip() for line in said if line.strip() and not line.startswith(_OF_VITIS)]
            if done.returncode or said:
                first = said[0] if said else f"it ended with status {done.returncode}"
                raise BuildError(f"the C simulation of '{self.folder}' failed: {first}")
            return read(Path(results))


def _read(folder: Path, stream: Stream, frames: int) -> np.ndarray:
    beats, bits = stream.beats, stream.beats.data_type.bitwidth()
    raw = np.fromfile(folder / stream.name, np.uint8).reshape(-1, bytes_per_beat(beats.elements, bits))
    if len(raw) != frames * beats.count:
        raise BuildError(f"stream {stream.name} carried {len(raw)} beats instead of {frames * beats.count}")
    shape = (frames, beats.count, beats.elements)
    return unpack_stream(raw, shape, beats.elements, bits, beats.data_type.signed())


def compile_program(
    network: Network, folder: Path, headers: Headers, meter: Meter = lambda description, total: lambda done: None
) -> CSimulation:
    """Compiles the program in ``folder``, units beside each other on all cores, shown by ``meter``.

    Raises:
        BuildError: no g++; a layer does not compile: which, and where.
    """
    texts = {SOURCE: (folder / SOURCE).read_text(), _MAIN: main_text(network)}
    names = [layer.name for layer in network.layers]
    for start in range(0, len(names), _UNIT_LAYERS):
        unit = names[start : start + _UNIT_LAYERS]
        texts[f"unit{start // _UNIT_LAYERS}.cpp"] = "".join(f'#include "{name}.cpp"\n' for name in unit)
    common = _digest_of(folder, headers)
    done: list[str] = []
    show = meter("C++ compiled", len(texts))

    def build(item: tuple[str, str]) -> Path:
        unit = _compile(*item, folder, headers, common, network)
        done.append(item[0])
        show(len(done))
        return unit

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(build, texts.items()))
    digest = hashlib.sha256("\n".join(path.name for path in objects).encode()).hexdigest()[:24]
    with _cache() as cache:
        executable = cache / digest
        if not executable.is_file():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                linked = Path(work) / "program"
                _link(objects, linked, folder)
                linked.replace(executable)
    return CSimulation(network, folder, executable)


def _link(objects: list[Path], target: Path, folder: Path) -> None:
    command = [compiler(), *_LINKED, "-o", str(target), *map(str, objects)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or ["no output"]
        first = next((line for line in said if _OF_LINKER.search(line)), said[0])
        raise BuildError(_no_space(ran.stderr) or f"the C simulation of '{folder}' cannot be linked: {first}")


def _no_space(said: str) -> str | None:
    """A sentence where g++ or its linker ran out of space."""
    if _NO_SPACE not in said:
        return None
    temporary, cache = tempfile.gettempdir(), cache_root()
    return f"g++ has no space left in '{temporary}' or '{cache}': free some, or set TMPDIR or EDGESEG_CACHE elsewhere"


@contextmanager
def _cache() -> Iterator[Path]:
    """The folder of compiled units, to write to."""
    folder = cache_root() / "hls"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        raise BuildError(f"cache folder {folder} cannot be written ({error.strerror}): set EDGESEG_CACHE") from None


def _digest_of(folder: Path, headers: Headers) -> str:
    """Of what every unit depends on: compiler, options and headers."""
    version = subprocess.run([compiler(), "--version"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(version + " ".join(_OPTIONS).encode())
    files = [folder / HEADER, *sorted(folder.glob("*.hpp"))]
    for library in headers.folders:
        files += sorted(path for path in library.iterdir() if path.suffix in (".h", ".hpp"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _compile(name: str, text: str, folder: Path, headers: Headers, common: str, network: Network) -> Path:
    parts = [common, text, *(path.read_text() for part in _INCLUDED.findall(text) if (path := folder / part).is_file())]
    with _cache() as cache:
        target = cache / f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.o"
        if target.is_file():
            return target
    with tempfile.TemporaryDirectory() as work:
        source, built = Path(work) / name, Path(work) / "unit.o"
        source.write_text(text)
        includes = [f"-I{folder}", *(f"-isystem{library}" for library in headers.folders)]
        command = [compiler(), *_OPTIONS, *includes, "-c", str(source), "-o", str(built)]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ran.returncode:
            raise BuildError(_no_space(ran.stderr) or _failure(ran.stderr, network, folder))
        with _cache():
            write_atomically(target, built.read_bytes())
    return target


_INCLUDED = re.compile(r'#include "([^"]+\.cpp)"')


def _failure(said: str, network: Network, folder: Path) -> str:
    """A sentence with the layer and the file that g++ complains of."""
    lines = said.splitlines()
    first = next((line for line in lines if "error:" in line), lines[-1] if lines else "no output")
    what = first.split("error:")[-1].strip()
    missing = re.search(r"fatal error: (\S+): No such file", said)
    if missing and missing[1] in network.includes:
        layer = network.includes[missing[1]]
        return f"layer {layer} includes {missing[1]}, which is missing: give a --finn-hlslib that has it, or none"
    layers = {layer.name for layer in network.layers}
    places = [place for place in re.finditer(r"(\w+)\.cpp:(\d+)", said) if place[1] in layers]
    if not places:
        return f"the C++ in '{folder}' does not compile: {first.strip()}"
    layer, line = places[0].groups()
    return f"layer {layer} does not compile: {what} ('{folder / layer}.cpp' line {line})"
