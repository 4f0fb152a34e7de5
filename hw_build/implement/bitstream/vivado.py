"""The Vivado flow: a script for its batch mode, without a project, and what its reports say.

The script names every file relative to itself, so that a build directory can be copied to the machine with Vivado. It
ends with an error when a path misses the clock, and writes the bitstream only when none does.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.implement.bitstream.constraints import period_ns
from hw_build.report.data import Implementation

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.implement.shell.around import Around
    from hw_build.implement.shell.device import Device

SCRIPT = "vivado.tcl"
BITSTREAM = "edgeseg.bit"
TIMING, UTILIZATION = "timing.txt", "utilization.rpt"
TIMING_NOT_MET = 4  # exit status of the script

_SCRIPT = """\
# vivado -mode batch -source {script}: {part}, from RTL to {bitstream}, beside this file. Generated.
set here [file dirname [file normalize [info script]]]
cd [file join $here {rtl_dir}]
set_part {part}
{reads}
read_xdc [file join $here {xdc}]
synth_design -top {top} -part {part}
write_checkpoint -force [file join $here synthesised.dcp]
opt_design
place_design
phys_opt_design
route_design
write_checkpoint -force [file join $here routed.dcp]
report_utilization -file [file join $here {utilization}]
report_timing_summary -file [file join $here timing.rpt]
report_drc -file [file join $here drc.rpt]
check_timing -file [file join $here check_timing.rpt]
set setup [get_property SLACK [get_timing_paths -delay_type max]]
set hold [get_property SLACK [get_timing_paths -delay_type min]]
set out [open [file join $here {timing}] w]
puts $out "setup_slack_ns $setup"
puts $out "hold_slack_ns $hold"
close $out
if {{$setup < 0 || $hold < 0}} {{
  puts "ERROR: timing is not met: setup slack $setup ns, hold slack $hold ns"
  exit {not_met}
}}
write_bitstream -force [file join $here {bitstream}]
exit 0
"""
_ROWS = {
    "luts": ("Slice LUTs", "CLB LUTs"),
    "ffs": ("Slice Registers", "CLB Registers"),
    "bram36": ("Block RAM Tile",),
    "dsps": ("DSPs",),
}


def script_text(device: Device, folder: Path, xdc: str) -> str:
    """The script as it lies in ``folder``, beside the constraints ``xdc``."""
    reads = "\n".join(f"read_verilog -sv [file join $here {os.path.relpath(path, folder)}]" for path in device.sources)
    return _SCRIPT.format(
        script=SCRIPT, part=device.around.part, top=device.around.top, bitstream=BITSTREAM, reads=reads, xdc=xdc,
        rtl_dir=os.path.relpath(device.designs[0].rtl_dir, folder), utilization=UTILIZATION, timing=TIMING,
        not_met=TIMING_NOT_MET,
    )  # fmt: skip


def read_result(folder: Path, shell: Around) -> Implementation:
    """What the reports in ``folder`` say.

    Raises:
        BuildError: a report is missing or has another form.
    """
    try:
        timing = dict(line.split() for line in (folder / TIMING).read_text().splitlines())
        report = (folder / UTILIZATION).read_text()
        fmax = 1000.0 / (period_ns(shell) - float(timing["setup_slack_ns"]))
        used = {key: _used(report, names) for key, names in _ROWS.items()}
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(
            f"the reports of Vivado in '{folder}' cannot be read ({error}); see vivado.log there"
        ) from None
    return Implementation(
        toolchain="vivado", fmax_mhz=round(fmax, 2), bitstream_bytes=(folder / BITSTREAM).stat().st_size,
        read_back="not read back: Vivado writes no FASM", routed_netlist="not simulated: Vivado writes its own",
        luts=used["luts"], ffs=used["ffs"], bram36=used["bram36"], dsps=used["dsps"],
    )  # fmt: skip


def _used(report: str, names: tuple[str, ...]) -> float:
    """The column "Used" of the first row that has one of ``names``; a RAMB18 alone counts half a tile."""
    for name in names:
        if match := re.search(rf"^\|\s*{re.escape(name)}\*?\s*\|\s*([\d.]+)\s*\|", report, re.MULTILINE):
            return float(match[1])
    raise ValueError(f"no row {' or '.join(names)} in {UTILIZATION}")
