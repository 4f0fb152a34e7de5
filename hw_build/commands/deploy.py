"""The command ``deploy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.progress import tell
from hw_build.base.step_engine import locked_build
from hw_build.implement.deploy.archive import DeployConfig, write_deploy

if TYPE_CHECKING:
    from pathlib import Path


def run_deploy(config: DeployConfig, path: Path | None) -> int:
    """Writes the zip, by default into the build directory, and says what is in it."""
    path = path or config.build_dir / config.default_name
    with locked_build(config.build_dir):
        names = write_deploy(config, path)
    tell(f"{path}: {', '.join(name for name in names if 'board/' not in name)}, board/")
    if config.simulated:
        tell("its bitstream is the simulated board's: no FPGA can load it")
    elif config.bitstream is None:
        tell("it holds no bitstream: unpacked, it lacks edgeseg.bit; or give --bitstream FILE")
    return 0
