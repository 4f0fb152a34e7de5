"""The shell step: a stitched accelerator and a board -> ``shell/``, all RTL that the accelerator lacks to a bitstream.

``shell/`` holds ``edgeseg_top.sv`` (no ports: the processing system has pads of its own), ``edgeseg_system.sv``, copies
of the shell's RTL and ``shell.json``, which lists them in compile order with their hashes, beside what software must
know. Whoever compiles, synthesises or hands on a shell takes these files, never those of the package.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from hw_build.base.board_config import Board, Family
from hw_build.base.errors import BuildError
from hw_build.base.records import record
from hw_build.base.step_engine import hash_file
from hw_build.implement.shell.around import Around
from hw_build.implement.shell.registers import WINDOW_BYTES
from hw_build.implement.shell.system import SYSTEM_MODULE, System
from hw_build.simulate.lint import RTL_DIR, lint
from hw_build.stitch.design import TOP_MODULE, Design

SHELL_TOP = "edgeseg_top"
FOLDER = "shell"
RECORD = "shell.json"
PROCESSOR_MODULES = {Family.ZYNQ_7000: "zynq7000_ps", Family.ZYNQ_ULTRASCALE: "zynqmp_ps"}
_STREAM_MODULES = ("stream_fifo.sv", "stream_width.sv")  # the stitcher brings them with every accelerator

_TOP = """\
// The whole device: processing system and edgeseg_system. It has no ports; the pads of the PS are dedicated.
`default_nettype none
module {top};

  logic              clk, rst_n, irq;
  axi_pkg::request_t control, memory;
  axi_pkg::reply_t   control_reply, memory_reply;

  {processor} ps (
    .clk         (clk),
    .rst_n       (rst_n),
    .m_ctrl      (control),
    .m_ctrl_reply(control_reply),
    .s_mem       (memory),
    .s_mem_reply (memory_reply),
    .irq         (irq)
  );

  /* verilator lint_off PINCONNECTEMPTY */ // busy serves simulations
  {system} system (
    .ap_clk      (clk),
    .ap_rst_n    (rst_n),
    .s_ctrl      (control),
    .s_ctrl_reply(control_reply),
    .m_mem       (memory),
    .m_mem_reply (memory_reply),
    .irq         (irq),
    .busy        ()
  );
  /* verilator lint_on PINCONNECTEMPTY */

endmodule
`default_nettype wire
"""


@record
class Shell(Around):
    """What ``shell.json`` says: one accelerator, its ``system``, behind a board's processor."""

    FOLDER = FOLDER
    RECORD = RECORD
    WRITTEN_BY = ("the shell step", "run the shell step")

    system: System

    @property
    def systems(self) -> tuple[System, ...]:
        return (self.system,)


def shell_sources() -> list[Path]:
    """The shell's RTL without the processing systems, packages first."""
    files = [path for path in (RTL_DIR / "shell").glob("*.sv") if path.stem not in PROCESSOR_MODULES.values()]
    return sorted(files, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def stream_sources() -> list[Path]:
    """The stream modules that the shell uses."""
    return [RTL_DIR / "stream" / name for name in _STREAM_MODULES]


def top_text(processor: str) -> str:
    """SystemVerilog of the module ``edgeseg_top`` with the processing system's module ``processor``."""
    return _TOP.format(top=SHELL_TOP, processor=processor, system=SYSTEM_MODULE)


def write_shell(design: Design, board: Board, folder: Path) -> Shell:
    """Write the shell of ``design`` on ``board`` into ``folder`` and lint all of it.

    Raises:
        BuildError: Verilator finds fault with the whole, which names the first complaint.
    """
    height, width, channels = design.image_shape
    system = System(
        core=TOP_MODULE, height=height, width=width, channels=channels, classes=design.classes,
        network_hash=design.network_hash, control_base=board.ps.control_base, address_bits=board.ps.address_bits,
        max_burst=board.ps.max_burst_beats, out_height=design.layout.out_height, out_width=design.layout.out_width,
    )  # fmt: skip
    processor = PROCESSOR_MODULES[board.ps.family]
    copied = [*shell_sources(), RTL_DIR / "shell" / f"{processor}.sv"]
    for path in copied:
        shutil.copyfile(path, folder / path.name)
    (folder / f"{SYSTEM_MODULE}.sv").write_text(system.text())
    (folder / f"{SHELL_TOP}.sv").write_text(top_text(processor))
    linted = [*copied, folder / f"{SYSTEM_MODULE}.sv", folder / f"{SHELL_TOP}.sv"]
    shell = Shell(
        top=SHELL_TOP,
        family=str(board.ps.family),
        part=board.part,
        fabric_mhz=board.clocks.fabric_mhz,
        window_bytes=WINDOW_BYTES,
        system=system,
        sources={path.name: hash_file(path) for path in linted},
    )
    lint_around_accelerator(design, SHELL_TOP, [*stream_sources(), *linted])
    (folder / RECORD).write_text(json.dumps(asdict(shell), indent=1) + "\n")
    return shell


def lint_around_accelerator(design: Design, top: str, sources: list[Path]) -> None:
    """Elaborates ``top`` around the accelerator's ports; what is behind them is the simulator's to compile.

    Raises:
        BuildError: Verilator finds fault, with its first complaint.
    """
    header, _, _ = (design.rtl_dir / "top.sv").read_text().partition(");\n")
    with tempfile.TemporaryDirectory(prefix="edgeseg-shell-") as work:
        ports = Path(work, "accelerator_ports.sv")
        ports.write_text(f"{header});\nendmodule\n`default_nettype wire\n")
        complaint = lint(top, [ports, *sources])
    if complaint:
        raise BuildError(f"{top} of {design.build_dir} does not lint: {complaint.splitlines()[0]}")
