"""FINN's own build, from the generated sources of every layer to a bitstream, by Vitis HLS and Vivado.

Run as a process of its own (`python -m hw_build.backends.hls.finn_build`): FINN keeps settings in the environment and
takes over the output. Its steps are unchanged: Vitis HLS per layer, FIFOs sized by simulation, stitching, FINN's
shell with its DMA, Vivado. What comes out goes with FINN's driver, not with this project's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from finn.builder.build_dataflow_config import DataflowBuildConfig

PLATFORMS = {"pynq-z1": "Pynq-Z1", "pynq-z2": "Pynq-Z2", "zcu104": "ZCU104", "kv260": "KV260_SOM"}  # ours -> FINN's
LOG = "finn.log"
_SYNTHESISED = "synthesised.onnx"  # the graph after Vitis HLS
_TO_STITCHED = ("step_set_fifo_depths", "step_create_stitched_ip")
_TO_BITSTREAM = (*_TO_STITCHED, "step_synthesize_bitfile")


def finn_build(graph: Path, folder: Path, *, board: str, part: str, clk_period_ns: float) -> str:
    """Run FINN's steps on ``graph``, whose nodes know their sources; everything lies in ``folder``.

    Returns what was made: a bitstream, or the stitched core where FINN does not know the board.

    Raises:
        BuildError: a step of FINN failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = {"FINN_SETTINGS": str(folder / "settings.yaml"), "FINN_BUILD_DIR": str(folder / "work")}
    environment = {**own, **{name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}}
    platform = PLATFORMS.get(board)
    arguments = ["--graph", str(graph), "--out", str(folder), "--part", part, "--clk-period-ns", f"{clk_period_ns:.3f}"]
    if platform is not None:
        arguments += ["--platform", platform]
    with (folder / LOG).open("wb") as log:
        command = [sys.executable, "-m", "hw_build.backends.hls.finn_build", *arguments]
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        lines = (folder / LOG).read_text(errors="replace").splitlines()
        first = next((line.strip() for line in lines if "ERROR" in line), lines[-1].strip() if lines else "no output")
        raise BuildError(f"FINN's build ended with an error: {first}; see '{folder / LOG}'")
    return f"bitstream in {folder / 'bitfile'}" if platform else f"stitched core in {folder / 'stitched_ip'}"


def main() -> int:
    """One run of FINN's builder."""
    parser = argparse.ArgumentParser(
        prog="python -m hw_build.backends.hls.finn_build", description="FINN's build of a graph"
    )
    parser.add_argument("--graph", type=Path, required=True, help="graph of FINN's nodes")
    parser.add_argument("--out", type=Path, required=True, help="folder for FINN's output")
    parser.add_argument("--part", required=True, help="FPGA part")
    parser.add_argument("--platform", help="FINN's name of the board (default: stop at the stitched core)")
    parser.add_argument("--clk-period-ns", type=float, required=True, help="period of the clock")
    arguments = parser.parse_args()

    from finn.transformation.fpgadataflow.hlssynth_ip import HLSSynthIP
    from finn.util.settings import initialize_dummy_settings
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.kernels import load_hls_nodes

    load_hls_nodes()
    initialize_dummy_settings()
    synthesised = arguments.out / _SYNTHESISED
    ModelWrapper(str(arguments.graph)).transform(HLSSynthIP(arguments.part)).save(str(synthesised))

    from finn.builder.build_dataflow import build_dataflow_cfg  # builds FINN's bridge to Vivado's simulator, if need be

    config = build_config(arguments.out, arguments.part, arguments.platform, arguments.clk_period_ns)
    return build_dataflow_cfg(str(synthesised), config)


def build_config(out: Path, part: str, platform: str | None, clk_period_ns: float) -> DataflowBuildConfig:
    """What FINN's builder is told; without ``platform`` it stops at the stitched core."""
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType, ShellFlowType

    outputs = [DataflowOutputType.STITCHED_IP]
    if platform is not None:
        outputs.append(DataflowOutputType.BITFILE)
    return DataflowBuildConfig(
        output_dir=str(out),
        synth_clk_period_ns=clk_period_ns,
        generate_outputs=outputs,
        board=platform,
        fpga_part=part,
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        steps=list(_TO_STITCHED if platform is None else _TO_BITSTREAM),
    )


if __name__ == "__main__":
    sys.exit(main())
