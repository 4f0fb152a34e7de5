"""One module through Yosys: SystemVerilog sources -> the xc7 cells it becomes, and on demand their netlist.

What comes out is Yosys' mapping before placement: no packing of two LUTs into one, no retiming, no routing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from hw_build.errors import BuildError

RTL_SUFFIXES = (".sv", ".v")
READ_OPTIONS = (
    "--allow-use-before-declare",  # FINN's RTL
    "--ignore-assertions",
    *("--max-constexpr-steps", "100000000"),  # tables are computed from packed parameters
    *("--unroll-limit", "1000000"),
)
SYNTHESIS = ("synth_xilinx", "-family", "xc7", "-flatten", "-noiopad", "-noclkbuf")


class SynthesisError(BuildError):
    """Yosys refused a module: names the module and gives Yosys' sentence."""


def yosys_version() -> str:
    """Text that changes whenever Yosys or the passes run here do."""
    return json.dumps([version("pyosys"), READ_OPTIONS, SYNTHESIS])


def synthesise(
    top: str,
    files: Sequence[Path],
    parameters: Mapping[str, str] | None = None,
    *,
    data_dir: Path | None = None,
    netlist: Path | None = None,
) -> dict[str, int]:
    """Cells by type that module ``top`` becomes on xc7.

    ``files`` are read in the given order, packages first; others than .sv and .v are left to $readmemh, relative to
    ``data_dir``. ``parameters`` map names to SystemVerilog literals as text. ``netlist`` receives the
    mapped design as Verilog, to be simulated with Yosys' models of the cells.

    Raises:
        SynthesisError: Yosys refuses it.
    """
    sources = [str(Path(file).resolve()) for file in files if Path(file).suffix in RTL_SUFFIXES]
    overrides = [part for name, value in (parameters or {}).items() for part in ("-G", f"{name}={value}")]
    with tempfile.TemporaryDirectory(prefix="edgeseg-synth-") as folder:
        statistics, mapped = Path(folder, "stat.json"), Path(folder, "netlist.v")
        passes = [
            ["read_slang", *READ_OPTIONS, "--top", top, *overrides, *sources],
            [*SYNTHESIS, "-top", top],
            ["tee", "-q", "-o", str(statistics), "stat", "-json"],
        ]
        if netlist is not None:
            passes.append(["write_verilog", "-noattr", str(mapped)])
        _run(top, passes, data_dir or Path(folder))
        counts = json.loads(statistics.read_text())["modules"]
        if netlist is not None:
            shutil.move(mapped, netlist)
    (found,) = [module for name, module in counts.items() if name.lstrip("\\").partition("$")[0] == top]
    return {cell.lstrip("\\"): count for cell, count in found["num_cells_by_type"].items() if cell != "$scopeinfo"}


def _run(top: str, passes: list[list[str]], work_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("passes.py"))],
        input=json.dumps(passes), cwd=work_dir, capture_output=True, check=False, encoding="utf-8",
        errors="replace",
    )  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        first = next((line for line in lines if re.search(r"\b(ERROR|error):", line)), None)
        detail = first or (lines[-1] if lines else f"exit status {done.returncode}")
        raise SynthesisError(f"{top}: Yosys refuses it: {detail.strip()}")
