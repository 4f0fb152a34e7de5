"""The deploy zip of a build: bitstream, .hwh, io_spec.json, golden frames, the driver, a wheel of it, a notebook.

Of a joint build it holds both networks, each in a folder, and the README and notebook of a cascade. The bitstream is
whatever file is given. Without one the zip is whole but for it, which its name, the README in it and the command say; a
simulated one says so in its own header and in the zip's name.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import board
from board.bitfile import read_header
from board.cascade_spec import STAGES
from board.deploy import BITFILE, GOLDEN, IO_SPEC
from board.errors import BoardError
from board.io_spec import IoSpec, read_io_spec
from board.volume_spec import VolumeSpec
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.step_engine import write_atomically
from hw_build.implement.board_sim.joint import build_any_board
from hw_build.implement.deploy.hwh import hwh_text
from hw_build.implement.deploy.simulated import DESIGN, simulated_bitstream
from hw_build.implement.shell.device import load_device

if TYPE_CHECKING:
    from hw_build.base.export import Export
    from hw_build.implement.shell.around import Around
    from hw_build.implement.shell.system import System

FILES = Path(__file__).with_name("files")
HWH = "edgeseg.hwh"
DRIVER = Path(board.__file__).parent
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content makes equal zips
_DRIVER_SUFFIXES = (".py", ".h")


@dataclass(frozen=True, kw_only=True)
class DeployConfig:
    """What goes into the zip: the build, its export (of a joint build both), and a real bitstream, the simulated one,
    or none.
    """

    build_dir: Path
    exports: tuple[Export, ...]
    bitstream: Path | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.simulated and self.bitstream is not None:
            raise ConfigError("--simulated and --bitstream exclude each other; give one of them")

    @property
    def default_name(self) -> str:
        """File name of the zip; tells what kind of bitstream is in it."""
        if self.simulated:
            return "edgeseg-deploy-SIMULATED.zip"
        return "edgeseg-deploy.zip" if self.bitstream else "edgeseg-deploy-no-bitstream.zip"


def write_deploy(config: DeployConfig, path: Path) -> list[str]:
    """Writes the zip to ``path``; returns the names of the files in it.

    That of a joint build has a folder for each network, as a cascade's folder on the board, and is unpacked into that.

    Raises:
        BuildError: the build has no shell, golden frames or bitstream are not of it, or the wheel cannot be made.
        ConfigError: there is no .hwh for the processing system.
    """
    device = load_device(config.build_dir)
    joint = len(device.designs) > 1
    content: dict[str, bytes] = {}
    each = zip(STAGES, device.designs, device.around.systems, config.exports, strict=False)
    for stage, design, system, export in each:
        folder = f"{stage}/" if joint else ""
        content[f"{folder}{IO_SPEC}"] = _io_spec(design.build_dir, export, system)
        content[f"{folder}{GOLDEN}"] = export.golden.read_bytes()
    device.check_models([(export.model, export.model_sha256) for export in config.exports])
    if not config.simulated:
        device.check_fits()
    content |= {**_bitstream(config, device.around), HWH: hwh_text(device.around).encode(), **_wheel()}
    content |= {f"{STAGES[0]}/{name}" if joint else name: data for name, data in driver_files().items()}
    guides = FILES / "joint" if joint else FILES
    content |= {name: (guides / name).read_bytes() for name in ("README.md", "edgeseg.ipynb")}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, packed.getvalue())
    return sorted(content)


def driver_files() -> dict[str, bytes]:
    """The package ``board`` as files of the zip."""
    paths = [path for path in DRIVER.rglob("*") if path.suffix in _DRIVER_SUFFIXES]
    return {f"board/{path.relative_to(DRIVER).as_posix()}": path.read_bytes() for path in paths}


def _io_spec(build_dir: Path, export: Export, system: System) -> bytes:
    path = build_dir / IO_SPEC
    try:
        spec = read_io_spec(path)
    except BoardError as error:
        raise BuildError(str(error)) from None
    if spec.network_hash != system.network_hash:
        raise BuildError(f"'{path}' and the shell of '{build_dir}' are of different accelerators; build again")
    if export.codes.shape[1:] != (spec.height, spec.width, spec.channels):
        raise BuildError(
            f"golden frames of '{export.folder}' are {export.codes.shape[1:]}, the accelerator takes "
            f"{(spec.height, spec.width, spec.channels)}; give the export that was built"
        )
    if (volume := export.manifest.get("volume")) is None:
        return path.read_bytes()
    return IoSpec(**{**vars(spec), "volume": VolumeSpec.from_dict(volume)}).text().encode()


def _bitstream(config: DeployConfig, around: Around) -> dict[str, bytes]:
    if config.simulated:
        bases = [system.control_base for system in around.systems]
        return {BITFILE: simulated_bitstream(build_any_board(config.build_dir), bases)}
    return {BITFILE: _real_bitstream(config.bitstream, around)} if config.bitstream is not None else {}


def _real_bitstream(path: Path, shell: Around) -> bytes:
    try:
        header = read_header(path)
    except BoardError as error:
        raise BuildError(str(error)) from None
    if header.get("design") == DESIGN:
        raise BuildError(f"'{path}' is the simulated board's bitstream, for no FPGA; use --simulated")
    part = header.get("part", "")
    if not part or part not in shell.part:
        raise BuildError(f"'{path}' is for part '{part}', the build is for '{shell.part}'; give its own bitstream")
    return path.read_bytes()


def _wheel() -> dict[str, bytes]:
    """A wheel of the driver alone, made offline by pip and setuptools."""
    with tempfile.TemporaryDirectory(prefix="edgeseg-wheel-") as work:
        source, out = Path(work, "source"), Path(work, "out")
        for name, data in driver_files().items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        shutil.copyfile(FILES / "pyproject.toml", source / "pyproject.toml")
        made = subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
             "--disable-pip-version-check", "--wheel-dir", str(out), str(source)],
            capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "315532800"},
        )  # fmt: skip
        wheels = sorted(out.glob("*.whl"))
        if made.returncode or len(wheels) != 1:
            said = made.stderr.strip().splitlines()
            raise BuildError(f"pip cannot make the driver's wheel ({said[-1] if said else 'no reason given'})")
        return {wheels[0].name: wheels[0].read_bytes()}
