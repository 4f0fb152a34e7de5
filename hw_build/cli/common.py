"""What several commands share: the arguments of a build, and how an export is read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import BuildError, ConfigError

if TYPE_CHECKING:
    import argparse

    from hw_build.base.export import Export
    from hw_build.flow.graph_steps import BuildConfig
    from hw_build.folding.config import FoldingConfig


def read_export(folder: Path) -> Export:
    """Reads an export like `hw_build.base.export.read_export`; if the network itself is at fault, the error says so.

    Raises:
        BuildError: a file is missing, cannot be read, or does not belong to the model.
        LoweringError: the network gives logits of another size, as of one that its poolings do not divide.
    """
    from hw_build.base import export
    from hw_build.flow.check import check, refuse

    try:
        return export.read_export(folder)
    except export.UnfitLogitsError as error:
        try:
            verdicts = check(error.model)
        except BuildError:  # no network at all: the golden file is what is to be told
            raise error from None
        refuse(verdicts)
        raise


def add_input_scale(parser: argparse.ArgumentParser) -> None:
    """Adds the argument that `input_scale` reads."""
    parser.add_argument(
        "--input-scale",
        metavar="S",
        help="what a code of the image is worth, as 1/255, where the file does not quantize it to 8 bits first",
    )


def input_scale(arguments: argparse.Namespace) -> float | None:
    """The value of ``--input-scale``.

    Raises:
        ConfigError: it is not a positive number.
    """
    text = arguments.input_scale
    if text is None:
        return None
    try:
        worth = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        worth = 0.0
    if worth <= 0:
        raise ConfigError(f"--input-scale must be a positive number, as 1/255 or 0.25, got '{text}'")
    return worth


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `build_config` reads."""
    parser.add_argument("--export", type=Path, required=True, help="folder written by `python -m quant export`")
    parser.add_argument("--board", required=True, help=f"{', '.join(board_names())}, or a TOML file")
    parser.add_argument("--out", type=Path, required=True, help="build directory")
    parser.add_argument("--folding", help="name, TOML file, or cycles per frame (default: default)")
    optimised = parser.add_argument_group("optimised folding, instead of --folding")
    optimised.add_argument("--target-fps", type=float, help="fewest LUTs at this rate; without it, the best rate")
    optimised.add_argument("--clock-mhz", type=float, help="clock that the rate is meant for (default 100)")
    for what in ("luts", "dsps", "brams"):
        optimised.add_argument(f"--max-{what}", type=int, help="at most so many (default: all that the board has)")
    optimised.add_argument(
        "--max-latency-frames", type=float, help="bound of the latency, first pixel to last result, in frame periods"
    )
    parser.add_argument("--frames", type=int, default=1, help="golden images for verification (default 1)")
    parser.add_argument(
        "--size-fifos", action="store_true", help="measure the FIFO depths that are needed, and build with them"
    )
    parser.add_argument("--synth", action="store_true", help="synthesise it too; refuse what the board cannot hold")
    parser.add_argument("--netlist", action="store_true", help="make the device netlist and simulate that, too")


def build_config(arguments: argparse.Namespace) -> BuildConfig:
    """The configuration that the arguments of `add_build_arguments` ask for."""
    from hw_build.flow.graph_steps import BuildConfig

    return BuildConfig(
        board=load_board(arguments.board),
        folding=_folding(arguments),
        export=read_export(arguments.export),
        out=arguments.out,
        frames=arguments.frames,
        size_fifos=arguments.size_fifos,
        synth=arguments.synth,
        netlist=arguments.netlist,
    )


def _folding(arguments: argparse.Namespace) -> FoldingConfig:
    from hw_build.folding.config import load_folding, make_folding

    asked = {
        "frames_per_second": arguments.target_fps,
        "clock_mhz": arguments.clock_mhz,
        "max_luts": arguments.max_luts,
        "max_dsps": arguments.max_dsps,
        "max_bram36": arguments.max_brams,
        "max_latency_frames": arguments.max_latency_frames,
    }
    if all(value is None for value in asked.values()):
        return load_folding(arguments.folding or "default")
    if arguments.folding:
        raise ConfigError("--folding and --target-fps, --clock-mhz, --max-... exclude each other: give one of them")
    return make_folding(**asked)
