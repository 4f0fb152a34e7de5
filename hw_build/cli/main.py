"""The command line of ``hw_build``. A user's mistake is one line on stderr and status 2, an interruption status 130.

Commands import what they need when they run: FINN takes seconds to import, and ``boards`` needs none of it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from board.boundary import USER_ERROR, add_debug, run_command
from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import ConfigError, explain
from hw_build.cli.bench import add_bench_commands
from hw_build.cli.scale import add_scale_arguments

if TYPE_CHECKING:
    from hw_build.flow.graph_steps import BuildConfig
    from hw_build.folding.config import FoldingConfig

_INTERRUPTED = "interrupted; the same command goes on from the last finished step"


def main(argv: list[str] | None = None) -> int:
    return run_command(_parser().parse_args(argv), explain, _INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hw_build", description="an exported network to RTL, proved exact")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="an export to RTL and its simulator, each step verified")
    _build_arguments(build)
    build.add_argument("--stop-after", metavar="STEP", help="last step to run")
    build.add_argument("--start-from", metavar="STEP", help="redo from this step on; those before must be saved")
    build.set_defaults(run=_build)

    demo = commands.add_parser("demo", help="build, then one image through the whole accelerator, every logit compared")
    _build_arguments(demo)
    demo.add_argument("--image", type=Path, required=True, help="8-bit image of the network's size")
    demo.add_argument("--mask", type=Path, help="its true mask, for the IoU")
    demo.add_argument("--netlist-export", type=Path, help="the same network, small: its device netlist is simulated")
    demo.set_defaults(run=_demo)

    simulate = commands.add_parser("simulate", help="golden images through a built accelerator, compared")
    simulate.add_argument("--export", type=Path, required=True, help="the export that was built")
    simulate.add_argument("--out", type=Path, required=True, help="directory of the build")
    simulate.add_argument("--frames", type=int, default=2, help="golden images, back to back (default 2)")
    simulate.add_argument("--idle", type=float, default=0.0, help="probability that the source idles in a cycle")
    simulate.add_argument("--stall", type=float, default=0.0, help="probability that the sink stalls in a cycle")
    simulate.add_argument("--seed", type=int, default=1, help="seed of idling and stalling")
    simulate.add_argument("--pace", type=int, help="cycles a frame at the source (default: as fast as taken)")
    simulate.set_defaults(run=_simulate)

    synth = commands.add_parser("synth", help="what a built accelerator takes of the board, by Yosys, node by node")
    synth.add_argument("--out", type=Path, required=True, help="directory of the build")
    synth.add_argument("--board", help="board whose budget counts (default: that of the build)")
    synth.add_argument("--node", metavar="NAME", help="this instance alone")
    synth.add_argument("--jobs", type=int, help="Yosys processes at a time (default: one a core)")
    synth.add_argument("--json", action="store_true", help="print JSON instead of a table")
    synth.add_argument("--report-only", action="store_true", help="status 0 even where the board has too little")
    synth.set_defaults(run=_synth)

    netlist = commands.add_parser("netlist", help="the device netlist of a build, simulated whole, every byte compared")
    netlist.add_argument("--export", type=Path, required=True, help="the export that was built")
    netlist.add_argument("--out", type=Path, required=True, help="directory of the build")
    netlist.add_argument("--frames", type=int, help="golden images in one job (default: what `build --netlist` checks)")
    netlist.add_argument("--mask", action="store_true", help="packed masks instead of logits; with --frames")
    netlist.add_argument("--stall", type=float, default=0.0, help="probability that the memory stalls; with --frames")
    netlist.add_argument("--seed", type=int, default=1, help="seed of the stalls")
    netlist.set_defaults(run=_netlist)

    deploy = commands.add_parser("deploy", help="all that a PYNQ board needs of a build, as one zip")
    deploy.add_argument("--export", type=Path, required=True, help="the export that was built")
    deploy.add_argument("--out", type=Path, required=True, help="directory of the build")
    deploy.add_argument("--bitstream", type=Path, help="its .bit file (default: none, to be added later)")
    deploy.add_argument("--simulated", action="store_true", help="the simulated board's instead; no FPGA can load it")
    deploy.add_argument("--zip", type=Path, help="file to write (default: in the build directory)")
    deploy.set_defaults(run=_deploy)

    ip = commands.add_parser("ip", help="the accelerator of a build as an IP-XACT core for a block design of one's own")
    ip.add_argument("--out", type=Path, required=True, help="directory of the build")
    ip.add_argument("--ip", type=Path, help="folder to write (default: ip/ in the build directory)")
    ip.set_defaults(run=_ip)

    bitstream = commands.add_parser(
        "bitstream", help="a build to a bitstream, or all that comes before the vendor tool"
    )
    bitstream.add_argument("--out", type=Path, required=True, help="directory of the build")
    bitstream.add_argument("--export", type=Path, help="the export that was built, to simulate what nextpnr routed")
    bitstream.add_argument("--toolchain", help="vivado or openxc7 (default: whichever is on PATH)")
    bitstream.add_argument("--jobs", type=int, help="Yosys processes at a time (default: one a core)")
    bitstream.add_argument(
        "--unchecked", action="store_true", help="place and route even a netlist that was not simulated and exact"
    )
    bitstream.set_defaults(run=_bitstream)

    hls = commands.add_parser("hls", help="C++ of every layer of a build for Vitis HLS, by FINN, executed and compared")
    hls.add_argument("--out", type=Path, required=True, help="directory of the build")
    hls.add_argument("--export", type=Path, help="the export that was built, whose golden images are executed")
    hls.add_argument("--image", type=Path, help="8-bit image of the network's size to execute instead")
    hls.add_argument("--mask", type=Path, help="its true mask, for the IoU")
    hls.add_argument("--finn-hlslib", type=Path, metavar="DIR", help="execute with it and with Vitis' headers")
    hls.add_argument("--no-synthesis", action="store_true", help="end after the execution, without vendor tools")
    hls.set_defaults(run=_hls)

    baseline = commands.add_parser("baseline", help="stock FINN's estimates for the same network, beside a build")
    baseline.add_argument("--out", type=Path, required=True, help="directory of the build")
    baseline.add_argument("--backend", choices=("rtl", "hls"), default="rtl", help="hls: of the HLS accelerator")
    baseline.add_argument("--json", action="store_true", help="print JSON instead of a table")
    baseline.set_defaults(run=_baseline)

    add_bench_commands(commands)
    scale = commands.add_parser("scale", help="which size and rate fits which board, by the models, as table and plot")
    add_scale_arguments(scale)

    report = commands.add_parser("report", help="the page of a finished build again")
    report.add_argument("--out", type=Path, required=True, help="directory of the build")
    report.set_defaults(run=_report)

    check = commands.add_parser("check", help="node by node: which kernel serves it, or why none does")
    check.add_argument("model", type=Path, metavar="MODEL", help="a QONNX file")
    check.add_argument("--backend", choices=("rtl", "hls"), default="rtl", help="hls: which layer of FINN's HLS")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.set_defaults(run=_check)

    adopt = commands.add_parser("adopt", help="an ONNX file from elsewhere to an export that build takes")
    adopt.add_argument("model", type=Path, metavar="MODEL", help="a QONNX or QCDQ file")
    adopt.add_argument("--out", type=Path, required=True, help="folder of the export")
    adopt.add_argument("--images", type=Path, metavar="DIR", help="golden images, scaled (default: random codes)")
    adopt.add_argument("--count", type=int, default=2, help="golden images (default 2)")
    adopt.set_defaults(run=_adopt)

    boards = commands.add_parser("boards", help="the known boards")
    boards.add_argument("--json", action="store_true", help="print JSON instead of a table")
    boards.set_defaults(run=_boards)
    add_debug(commands)
    return parser


def _build_arguments(parser: argparse.ArgumentParser) -> None:
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
        "--max-latency-frames", type=float, help="frame times from a frame's first pixel to its last result, at most"
    )
    parser.add_argument("--frames", type=int, default=1, help="golden images for verification (default 1)")
    parser.add_argument("--size-fifos", action="store_true", help="measure what FIFOs hold, then build with just that")
    parser.add_argument("--synth", action="store_true", help="synthesise it too; refuse what the board cannot hold")
    parser.add_argument("--netlist", action="store_true", help="make the device netlist and simulate that, too")


def _build_config(arguments: argparse.Namespace) -> BuildConfig:
    from hw_build.base.export import read_export
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
    from hw_build.folding.config import FoldingConfig, load_folding

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
    return FoldingConfig(**asked)


def _build(arguments: argparse.Namespace) -> int:
    from hw_build.flow.pipeline import run_build

    return run_build(_build_config(arguments), start_from=arguments.start_from, stop_after=arguments.stop_after)


def _demo(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.commands.demo import run_demo

    small = read_export(arguments.netlist_export) if arguments.netlist_export else None
    return run_demo(_build_config(arguments), image=arguments.image, mask=arguments.mask, small=small)


def _simulate(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.flow.pipeline import run_simulate

    return run_simulate(
        arguments.out,
        read_export(arguments.export),
        frames=arguments.frames,
        idle=arguments.idle,
        stall=arguments.stall,
        seed=arguments.seed,
        pace=arguments.pace,
    )


def _synth(arguments: argparse.Namespace) -> int:
    from hw_build.commands.synth import run_synth, run_synth_node

    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {arguments.jobs}")
    if arguments.node is not None:
        return run_synth_node(arguments.out, arguments.node, as_json=arguments.json)
    board = load_board(arguments.board) if arguments.board is not None else None
    return run_synth(
        arguments.out, board, jobs=arguments.jobs, as_json=arguments.json, report_only=arguments.report_only
    )


def _netlist(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.commands.netlist import run_netlist

    return run_netlist(
        arguments.out,
        read_export(arguments.export),
        frames=arguments.frames,
        mask=arguments.mask,
        stall=arguments.stall,
        seed=arguments.seed,
    )


def _deploy(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.commands.deploy import run_deploy
    from hw_build.implement.deploy.archive import DeployConfig

    config = DeployConfig(
        build_dir=arguments.out,
        export=read_export(arguments.export),
        bitstream=arguments.bitstream,
        simulated=arguments.simulated,
    )
    return run_deploy(config, arguments.zip)


def _ip(arguments: argparse.Namespace) -> int:
    from hw_build.commands.ip import run_ip

    return run_ip(arguments.out, arguments.ip)


def _bitstream(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.commands.bitstream import run_bitstream
    from hw_build.implement.bitstream.tools import parse_toolchain

    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {arguments.jobs}")
    return run_bitstream(
        arguments.out,
        parse_toolchain(arguments.toolchain),
        jobs=arguments.jobs,
        unchecked=arguments.unchecked,
        export=read_export(arguments.export) if arguments.export else None,
    )


def _hls(arguments: argparse.Namespace) -> int:
    from hw_build.base.export import read_export
    from hw_build.commands.hls import HlsConfig, run_hls

    config = HlsConfig(
        out=arguments.out,
        export=read_export(arguments.export) if arguments.export else None,
        image=arguments.image,
        mask=arguments.mask,
        finn_hlslib=arguments.finn_hlslib,
        synthesis=not arguments.no_synthesis,
    )
    return run_hls(config)


def _baseline(arguments: argparse.Namespace) -> int:
    from hw_build.flow.pipeline import run_baseline

    return run_baseline(arguments.out, as_json=arguments.json, hls=arguments.backend == "hls")


def _report(arguments: argparse.Namespace) -> int:
    from hw_build.flow.pipeline import run_report

    return run_report(arguments.out)


def _check(arguments: argparse.Namespace) -> int:
    from hw_build.flow.check import check, lowers

    if arguments.backend == "hls":
        from hw_build.backends.hls.check import check_hls

        verdicts = check_hls(arguments.model)
    else:
        verdicts = check(arguments.model)
    if arguments.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=2))
    else:
        table = Table(title=f"{arguments.model}: {'lowers' if lowers(verdicts) else 'does NOT lower'}")
        for heading in ("node", "operator", "becomes", "why not"):
            table.add_column(heading, overflow="fold")
        for verdict in verdicts:
            table.add_row(verdict.node, verdict.operator, verdict.kernel or "-", verdict.reason)
        Console(width=160).print(table)
    return 0 if lowers(verdicts) else USER_ERROR


def _adopt(arguments: argparse.Namespace) -> None:
    from hw_build.flow.adopt import AdoptConfig, adopt

    config = AdoptConfig(model=arguments.model, out=arguments.out, images=arguments.images, count=arguments.count)
    checked = adopt(config)["verification"]
    print(
        f"{config.out}: {checked['logits_compared']:,} golden logits of {', '.join(checked['images'])}; as floats they "
        f"lie within {checked['largest_rounding_in_steps']:.2g} of a step of their integers"
    )


def _boards(arguments: argparse.Namespace) -> None:
    boards = [load_board(name) for name in board_names()]
    if arguments.json:
        print(json.dumps([asdict(board) for board in boards], indent=2))
        return
    table = Table(title="boards")
    for heading in ("name", "part", "LUT", "FF", "BRAM36", "DSP", "clock"):
        table.add_column(heading, no_wrap=True)
    for board in boards:
        has = board.resources
        counts = (f"{count:,}" for count in (has.luts, has.ffs, has.bram36, has.dsps))
        table.add_row(board.name, board.part, *counts, f"{board.clocks.fabric_mhz:g} MHz")
    Console(width=100).print(table)
