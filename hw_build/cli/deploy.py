"""``python -m hw_build deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    deploy = commands.add_parser("deploy", help="pack all that a PYNQ board needs of a build into one zip")
    deploy.add_argument(
        "--export", type=Path, nargs="+", required=True, help="the export that was built; of a joint build both"
    )
    deploy.add_argument("--out", type=Path, required=True, help="directory of the build")
    deploy.add_argument("--bitstream", type=Path, help="its .bit file (default: none, to be added later)")
    deploy.add_argument("--simulated", action="store_true", help="the simulated board's instead; no FPGA can load it")
    deploy.add_argument("--zip", type=Path, help="file to write (default: in the build directory)")
    deploy.set_defaults(run=_deploy)


def _deploy(arguments: argparse.Namespace) -> int:
    from hw_build.commands.deploy import run_deploy
    from hw_build.implement.deploy.archive import DeployConfig

    config = DeployConfig(
        build_dir=arguments.out,
        exports=tuple(read_export(folder) for folder in arguments.export),
        bitstream=arguments.bitstream,
        simulated=arguments.simulated,
    )
    return run_deploy(config, arguments.zip)
