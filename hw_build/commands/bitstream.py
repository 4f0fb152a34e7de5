"""The command ``bitstream``: scripts, constraints and netlist of a build, then the installed place and route tool."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError, MismatchError
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import locked_build, write_atomically
from hw_build.flow.pipeline import pictures_of, publish
from hw_build.flow.routed_check import check_routed
from hw_build.implement.bitstream import openxc7, vivado
from hw_build.implement.bitstream.binary import write_binary
from hw_build.implement.bitstream.constraints import xdc_text
from hw_build.implement.bitstream.tools import MissingToolError, Toolchain, choose, missing, missing_any
from hw_build.implement.deploy.archive import HWH
from hw_build.implement.deploy.hwh import hwh_text
from hw_build.implement.netlist.device import make_netlist
from hw_build.implement.netlist.record import FOLDER as NETLIST_FOLDER
from hw_build.implement.netlist.record import NETLIST, NetlistRecord
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.joint import is_joint
from hw_build.report.data import REPORT_JSON, Implementation, read_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.base.export import Export
    from hw_build.implement.shell.around import Around
    from hw_build.implement.shell.device import Device

FOLDER = "bitstream"
XDC = "edgeseg.xdc"
BINARY = "edgeseg.bin"
LOG = "toolchain.log"
_NOT_COMPARED = "not compared with golden data"
_GUIDE = "docs/how-to/bitstream.md"


def run_bitstream(
    build_dir: Path,
    asked: Toolchain | None,
    *,
    jobs: int | None,
    seeds: int,
    unchecked: bool = False,
    inputs_only: bool = False,
    exports: Sequence[Export] = (),
) -> int:
    """Make the bitstream of a build that has reached its shell; all files are in ``build_dir/bitstream``.

    A netlist that was not exact in simulation is handed to no tool, unless ``unchecked``. With the
    ``exports`` of the build, the netlist after nextpnr's routing is simulated, too.

    Raises:
        MissingToolError: no place and route tool is installed; its inputs have been written.
        BuildError: the netlist was not compared, a tool failed, the clock is not met, or what nextpnr wrote cannot be
            read back or simulated.
        MismatchError: the bitstream, or the routed netlist, differs from what was asked for.
    """
    with locked_build(build_dir), BuildProgress("bitstream") as progress:
        device = load_device(build_dir)
        shell = device.around
        device.check_fits()
        if exports:
            device.check_models([(export.model, export.model_sha256) for export in exports])
        toolchain = choose(asked, Family(shell.family))
        folder = build_dir / FOLDER
        made = _write_inputs(device, folder, seeds)
        lacking = missing(toolchain) if asked else missing_any(toolchain, Family(shell.family))
        if toolchain is Toolchain.OPENXC7 or (lacking and asked is None and Family(shell.family) is Family.ZYNQ_7000):
            record = _netlist(device, progress, jobs)
            made.append(f"../{NETLIST_FOLDER}/{NETLIST}" + ("" if record.checked else f" ({_NOT_COMPARED})"))
            if not (lacking or record.checked or unchecked or inputs_only):
                raise BuildError(
                    f"no bitstream is made of the netlist in '{build_dir / NETLIST_FOLDER}', {_NOT_COMPARED}: run "
                    "`python -m hw_build netlist` first, or give --unchecked"
                )
        if inputs_only:
            tell(f"ready in '{folder}': {', '.join(made)}")
            return 0
        if lacking:
            raise MissingToolError(
                f"no bitstream was written: {'; '.join(lacking)}; ready in '{folder}': {', '.join(made)}; install the "
                f"tool and run the same command again, or copy '{build_dir}' to where it is ({_GUIDE})"
            )
        result = _implement(toolchain, shell, folder, progress, exports)
    if not is_joint(build_dir):  # which has no report
        _into_report(build_dir, result)
    tell(
        f"{folder / vivado.BITSTREAM}: {result.bitstream_bytes:,} bytes, {result.fmax_mhz:.1f} MHz, by {toolchain}; "
        f"{BINARY} and {HWH} beside it"
    )
    return 0


def _write_inputs(device: Device, folder: Path, seeds: int) -> list[str]:
    """Constraints, scripts and handoff file; returns their names."""
    folder.mkdir(exist_ok=True)
    shell = device.around
    texts = {XDC: xdc_text(shell), vivado.SCRIPT: vivado.script_text(device, folder, XDC), HWH: hwh_text(shell)}
    if Family(shell.family) is Family.ZYNQ_7000:
        texts["nextpnr.xdc"] = "# no ports, so no pins; the clock's frequency is an option of nextpnr\n"
        texts[openxc7.SCRIPT] = openxc7.script_text(shell, seeds)
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return list(texts)


def _netlist(device: Device, progress: BuildProgress, jobs: int | None) -> NetlistRecord:
    record = make_netlist(device, progress.meter, jobs)
    checked = "; ".join(record.checked) or _NOT_COMPARED
    progress.done("netlist", f"{', '.join(f'{count:,} {what}' for what, count in record.used.items())} · {checked}")
    return record


def _implement(
    toolchain: Toolchain, shell: Around, folder: Path, progress: BuildProgress, exports: Sequence[Export]
) -> Implementation:
    """Run the tool; the bitstream gets its final name only if everything succeeded."""
    bitstream = folder / vivado.BITSTREAM
    for name in (bitstream.name, BINARY, *openxc7.LEFT_BY_A_RUN):
        for stale in folder.glob(name):
            stale.unlink()
    if toolchain is Toolchain.OPENXC7:
        progress.start("DSPs and block RAMs get their sites")
        if placed := openxc7.place_hard_blocks(folder, shell):
            progress.done("floorplan", f"{placed} DSPs and block RAMs")
    progress.start(f"{toolchain} places and routes, what it says is in {folder / LOG}")
    if toolchain is Toolchain.VIVADO:
        command = ["vivado", "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", vivado.SCRIPT]
    else:
        command = ["bash", openxc7.SCRIPT]
    with (folder / LOG).open("wb") as log:
        status = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        raise BuildError(_failure(toolchain, status, folder, shell))
    if not bitstream.is_file():
        raise BuildError(f"{toolchain} ended well but wrote no '{bitstream}'; see '{folder / LOG}'")
    try:
        result = vivado.read_result(folder, shell) if toolchain is Toolchain.VIVADO else openxc7.read_result(folder)
    except BuildError:  # whether the clock is met nobody knows
        bitstream.rename(folder / f"{bitstream.stem}-unchecked.bit")
        raise
    if result.fmax_mhz < shell.fabric_mhz:
        bitstream.rename(folder / f"{bitstream.stem}-too-slow.bit")
        raise BuildError(_too_slow(result.fmax_mhz, shell))
    progress.done("place and route", f"{result.fmax_mhz:.1f} MHz")
    if toolchain is Toolchain.OPENXC7:
        result = _check(result, shell, folder, progress, exports)
    write_binary(bitstream, folder / BINARY)
    return result


def _check(
    result: Implementation, shell: Around, folder: Path, progress: BuildProgress, exports: Sequence[Export]
) -> Implementation:
    """Compare nextpnr's result with its input; a bitstream that differs or cannot be checked is renamed."""
    bitstream = folder / vivado.BITSTREAM
    try:
        progress.start("the bitstream is read back")
        result = replace(result, read_back=openxc7.check_bitstream(folder, shell.part))
        progress.done("read back", result.read_back)
        routed = "not simulated: give --export"
        if exports:
            progress.start("the routed netlist is simulated")
            tables = openxc7.check_tables(folder, shell.part)
            routed = check_routed(folder.parent, folder / openxc7.ROUTED, exports, progress.meter)
            routed = f"{routed}; {tables}"
        result = replace(result, routed_netlist=routed)
        progress.done("routed netlist", result.routed_netlist)
    except MismatchError:
        bitstream.rename(folder / f"{bitstream.stem}-differs.bit")
        raise
    except BuildError:
        bitstream.rename(folder / f"{bitstream.stem}-unchecked.bit")
        raise
    return result


def _too_slow(reached_mhz: float, shell: Around) -> str:
    return (
        f"routed for {reached_mhz:.1f} MHz, the board's clock is {shell.fabric_mhz:g} MHz: lower fabric_mhz in "
        "a board file of your own, or fold for fewer frames per second"
    )


def _failure(toolchain: Toolchain, status: int, folder: Path, shell: Around) -> str:
    if toolchain is Toolchain.OPENXC7 and (reached_mhz := openxc7.missed_mhz(folder)) is not None:
        return _too_slow(reached_mhz, shell)
    if toolchain is Toolchain.VIVADO and status == vivado.TIMING_NOT_MET:
        return (
            f"the clock is not met ({folder / 'timing.rpt'}): lower fabric_mhz in a board file of your own, or fold "
            "for fewer frames per second"
        )
    lines = (folder / LOG).read_text(errors="replace").splitlines()
    first = next((line.strip() for line in lines if "ERROR" in line), lines[-1].strip() if lines else "no output")
    return f"{toolchain} ended with status {status}: {first}; see '{folder / LOG}'"


def _into_report(build_dir: Path, result: Implementation) -> None:
    """Add what the tool measured to the build's report."""
    report = read_report(build_dir / REPORT_JSON)
    cycles = report.totals.cycles_per_frame
    fps = None if cycles is None else result.fmax_mhz * 1e6 / cycles
    totals = replace(report.totals, fmax_mhz=result.fmax_mhz, fps_at_fmax=fps)
    report = replace(report, totals=totals, implementation=result)
    publish(build_dir, report, pictures_of(build_dir, report))
