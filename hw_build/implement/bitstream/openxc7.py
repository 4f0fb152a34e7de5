"""The open flow: nextpnr places and routes, the tools of Project X-Ray write the bitstream; what their output says.

Both kinds of nextpnr with support for 7-series are served: ``nextpnr-himbaechel`` (upstream) and ``nextpnr-xilinx``
(openXC7), whichever is found. The chip database and X-Ray's are large and belong to the tools, so environment variables
name them.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.implement.bitstream.fasm import read_fasm
from hw_build.implement.bitstream.floorplan import floorplan
from hw_build.implement.bitstream.lut_tables import compare_tables, read_slices
from hw_build.implement.bitstream.readback import read_back
from hw_build.implement.netlist.record import FOLDER as NETLIST_FOLDER
from hw_build.implement.netlist.record import NETLIST
from hw_build.implement.netlist.routed import read_routed
from hw_build.implement.netlist.routed_luts import sites
from hw_build.report.data import Implementation

if TYPE_CHECKING:
    from hw_build.implement.shell.around import Around

SCRIPT = "openxc7.sh"
BITSTREAM = "edgeseg.bit"
ROUTE_LOG = "nextpnr.log"
FASM, FRAMES, ROUTED = "edgeseg.fasm", "edgeseg.frames", "routed.json"
PLACED = "floorplan.json"
SEED_LOGS = "nextpnr-seed*.log"  # of seeds whose clock was too slow
LEFT_BY_A_RUN = (ROUTE_LOG, ROUTED, PLACED, SEED_LOGS)  # and not of this netlist, if it is another
CHIPDB, XRAY = "EDGESEG_CHIPDB", "PRJXRAY_DB_DIR"
NEXTPNR = ("nextpnr-xilinx", "nextpnr-himbaechel")
XRAY_TOOLS = ("fasm2frames", "xc7frames2bit")

_SCRIPT = """\
#!/usr/bin/env bash
# {part}: {netlist} placed, routed and written to {bitstream}, beside this file. Generated.
# {chipdb}: chip database of nextpnr for this part. {xray}: database of Project X-Ray, holding zynq7/.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
database="${xray}/zynq7"
place_and_route() {{ # place_and_route SEED: what it says is left in {log}
  if command -v nextpnr-xilinx >/dev/null; then
    netlist={netlist}
    if [ -f {placed} ]; then netlist={placed}; fi # the same, with the sites of DSPs and block RAMs
    nextpnr-xilinx --chipdb "${chipdb}" --xdc nextpnr.xdc --json "$netlist" --fasm {fasm} --freq {mhz:g} \\
      --seed "$1" --write {routed} 2>&1 | tee {log}
  else
    nextpnr-himbaechel --device {part} --chipdb "${chipdb}" -o xdc=nextpnr.xdc --json {netlist} \\
      -o fasm={fasm} --freq {mhz:g} --seed "$1" --write {routed} 2>&1 | tee {log}
  fi
}}
seed=1
until place_and_route "$seed"; do
  grep -q '{missed}' {log} || exit 1 # another seed would not help
  [ "$seed" -lt {seeds} ] || exit 1
  mv {log} nextpnr-seed"$seed".log
  seed=$((seed + 1))
done
fasm2frames --part {part} --db-root "$database" {fasm} >{frames}
xc7frames2bit --part_file "$database/{part}/part.yaml" --part_name {part} --frm_file {frames} \\
  --output_file {bitstream}.partial
mv {bitstream}.partial {bitstream}
"""
_MISSED = "^ERROR: Max frequency for clock"
# the table of used sites has a row for each of these, used or not; nextpnr-himbaechel writes RAMB36E1 twice, with _
_SITES = {
    "luts": "SLICE_LUTX", "ffs": "SLICE_FFX", "bram36": "RAMB36E1", "bram18": "RAMB18E1", "dsps": "DSP48E1"
}  # fmt: skip


def script_text(shell: Around, seeds: int) -> str:
    """The script, to lie beside the netlist; up to ``seeds`` placements are tried until the clock is met."""
    return _SCRIPT.format(
        part=shell.part, netlist=f"../{NETLIST_FOLDER}/{NETLIST}", bitstream=BITSTREAM, chipdb=CHIPDB, xray=XRAY,
        mhz=shell.fabric_mhz, log=ROUTE_LOG, fasm=FASM, frames=FRAMES, routed=ROUTED, placed=PLACED,
        missed=_MISSED, seeds=seeds,
    )  # fmt: skip


def _database() -> Path:
    return Path(os.environ[XRAY], "zynq7")


def place_hard_blocks(folder: Path, shell: Around) -> int | None:
    """Write `PLACED` for nextpnr-xilinx, which alone reads it; how many cells have a site, None for another nextpnr."""
    if not shutil.which("nextpnr-xilinx"):
        return None
    return floorplan(folder.parent / NETLIST_FOLDER / NETLIST, folder / PLACED, _database(), shell.part)


def missing_settings() -> list[str]:
    """What the environment does not say, or says of a file that is not there; a sentence each."""
    absent = []
    for name, meaning in ((CHIPDB, "nextpnr's chip database"), (XRAY, "Project X-Ray's database")):
        value = os.environ.get(name)
        if not value:
            absent.append(f"{name} is not set ({meaning})")
        elif not Path(value).exists():
            absent.append(f"{name}={value} is not there ({meaning})")
    return absent


def missed_mhz(folder: Path) -> float | None:
    """The best clock that a seed reached, where nextpnr's log in ``folder`` says that the last one's is too slow."""
    try:
        log = (folder / ROUTE_LOG).read_text(errors="replace")
        others = [path.read_text(errors="replace") for path in folder.glob(SEED_LOGS)]
    except OSError:
        return None
    return max(map(_fmax, [log, *others])) if re.search(_MISSED, log, re.MULTILINE) else None


def check_bitstream(folder: Path, part: str) -> str:
    """The bitstream in ``folder`` taken apart and compared with nextpnr's FASM. Returns and raises as `read_back`."""
    return read_back(folder / BITSTREAM, folder / FASM, folder / FRAMES, _database(), part)


def check_tables(folder: Path, part: str) -> str:
    """The LUTs of the routed netlist in ``folder`` compared with nextpnr's FASM; returns what to report.

    Raises:
        MismatchError: a table differs; names it.
        BuildError: a file is missing or broken, or a LUT is of a kind that is not known.
    """
    cells = read_routed(folder / ROUTED)["cells"]
    slices = read_slices(_database(), part)
    count = compare_tables(sites(cells), read_fasm(folder / FASM), slices, folder / FASM)
    return f"{count:,} tables of LUTs as in FASM"


def read_result(folder: Path) -> Implementation:
    """What nextpnr's log in ``folder`` says; the bitstream is not looked at.

    Raises:
        BuildError: it is missing or has another form.
    """
    try:
        log = (folder / ROUTE_LOG).read_text(errors="replace")
        used = {kind: _used(log, name) for kind, name in _SITES.items()}
        fmax = _fmax(log)
    except (OSError, ValueError) as error:
        raise BuildError(f"nextpnr's log in '{folder}' cannot be read ({error}); run the flow again") from None
    blocks = used.pop("bram36") + used.pop("bram18") / 2
    return Implementation(
        toolchain="openxc7", bram36=blocks, fmax_mhz=fmax, bitstream_bytes=(folder / BITSTREAM).stat().st_size,
        read_back="not read back", routed_netlist="not simulated", seed=1 + len(list(folder.glob(SEED_LOGS))), **used,
    )  # fmt: skip


def _used(log: str, name: str) -> float:
    """Of the last table: ``Info:   NAME:  USED/ AVAILABLE``."""
    rows = re.findall(rf"^Info:\s+(?:{name}_)?{name}:\s+(\d+)\s*/", log, re.MULTILINE)
    if not rows:
        raise ValueError(f"no count of {name}")
    return float(rows[-1])


def _fmax(log: str) -> float:
    """The last estimate of the slowest clock, after routing."""
    found = re.findall(r"Max frequency for clock\s+'([^']+)':\s+([\d.]+) MHz", log)
    if not found:
        raise ValueError("no estimate of a clock's frequency")
    last = dict(found)  # later lines replace earlier ones
    return min(float(mhz) for mhz in last.values())
