"""The command ``hls``."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

from hw_build.bitstream.tools import MissingToolError
from hw_build.build import GRAPH
from hw_build.commands import tell
from hw_build.errors import BuildError
from hw_build.hls.finn_build import finn_build
from hw_build.hls.graph import hls_graph
from hw_build.hls.sources import write_sources
from hw_build.lowering.intake import load_graph
from hw_build.lowering.nodes import HLS_DOMAIN
from hw_build.report.data import REPORT_JSON, read_report
from hw_build.shell.generate import Shell
from hw_build.steps import locked
from hw_build.stitch import Design

FOLDER = "hls"
VITIS = ("vitis-run", "vitis_hls")  # since 2024.2, and before


def run_hls(build_dir: Path) -> int:
    """Writes the sources of every layer to ``build_dir/hls``, then runs FINN's build to a bitstream there.

    Raises:
        MissingToolError: there is no Vitis HLS or no Vivado to go on with.
        BuildError: the build has no lowered graph or no shell yet, FINN cannot generate a layer, or its build fails.
        LoweringError: FINN has no node for an operator.
    """
    lowered = build_dir / "steps" / "lower" / GRAPH
    if not lowered.is_file():
        raise BuildError(f"'{build_dir}' holds no lowered graph; run the build as far as its shell first")
    with locked(build_dir):
        design, shell = Design.load(build_dir), Shell.load(build_dir)
        model = hls_graph(load_graph(lowered), shell.part, design.expected_cycles_per_frame)
        write_sources(model, build_dir / FOLDER, shell.part, 1000.0 / shell.fabric_mhz)
    for kind, wanted in (("C++ for Vitis HLS", True), ("RTL, FINN has no C++ of it", False)):
        counts = Counter(node.op_type for node in model.graph.node if (node.domain == HLS_DOMAIN) == wanted)
        tell(f"{kind}: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}")
    folder = build_dir / FOLDER
    if lacking := _missing():
        raise MissingToolError(
            f"{'; '.join(lacking)}, so nothing was synthesised; the sources of every layer lie ready in '{folder}'"
        )
    board = read_report(build_dir / REPORT_JSON).board
    with locked(build_dir):
        made = finn_build(
            (folder / GRAPH).resolve(), (folder / "finn").resolve(), board=board, part=shell.part,
            clk_period_ns=1000.0 / shell.fabric_mhz,
        )  # fmt: skip
    tell(f"FINN's build: {made}")
    return 0


def _missing() -> list[str]:
    """What FINN's build needs and is not there, a clause each."""
    lacking = []
    if not any(shutil.which(name) for name in VITIS):
        lacking.append(f"neither {' nor '.join(VITIS)} is on PATH (AMD's Vitis HLS)")
    if not shutil.which("vivado"):
        lacking.append("vivado is not on PATH (AMD's Vivado ML Standard)")
    if not os.environ.get("XILINX_VIVADO"):
        lacking.append("XILINX_VIVADO is not set (Vivado's settings64.sh sets it)")
    return lacking
