"""Two accelerators, each in its own shell, around one processing system: ``joint/`` of a folder with both builds.

The builds lie in folders named as the stages of a cascade, and so begin the names of their modules. Each keeps
registers, interrupt and memory port (HP0 and HP1) of its own. ``control_split`` routes the processor's
control port by one bit of the address, which is not set in the first one's. ``joint/`` holds all RTL of the device, and
``joint.json`` lists it as ``shell.json`` does.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from board.cascade_spec import STAGES
from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError
from hw_build.base.records import record
from hw_build.base.step_engine import hash_file
from hw_build.implement.shell.around import Around
from hw_build.implement.shell.generate import SHELL_TOP, shell_sources, stream_sources
from hw_build.implement.shell.second_port import PROCESSOR, TWO_PORTS, two_ports
from hw_build.implement.shell.system import SYSTEM_MODULE, System
from hw_build.simulate.lint import RTL_DIR, lint
from hw_build.stitch.design import TOP_MODULE
from hw_build.stitch.renaming import own_name, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.implement.shell.generate import Shell
    from hw_build.stitch.design import Design

SPLITTER = "control_split"
_LOWEST_BIT = 16  # windows lie 64 KiB apart, as Vivado places them
_CONTROL_PORT = range(0x4000_0000, 0x8000_0000)  # the addresses of GP0

_TOP = """\
// The whole device: processing system, and two accelerators each in its shell. It has no ports.
`default_nettype none
module {top};

  logic              clk, rst_n;
  logic [1:0]        irq;
  axi_pkg::request_t control, control_first, control_second, memory_first, memory_second;
  axi_pkg::reply_t   control_reply, control_first_reply, control_second_reply, memory_first_reply, memory_second_reply;

  {processor} ps (
    .clk         (clk),
    .rst_n       (rst_n),
    .m_ctrl      (control),
    .m_ctrl_reply(control_reply),
    .s_mem       (memory_first),
    .s_mem_reply (memory_first_reply),
    .s_mem2      (memory_second),
    .s_mem2_reply(memory_second_reply),
    .irq         (irq)
  );

  {splitter} #(
    .BIT({bit})
  ) split (
    .ap_clk        (clk),
    .ap_rst_n      (rst_n),
    .s_axi         (control),
    .s_axi_reply   (control_reply),
    .m_first       (control_first),
    .m_first_reply (control_first_reply),
    .m_second      (control_second),
    .m_second_reply(control_second_reply)
  );
{systems}
endmodule
`default_nettype wire
"""
_INSTANCE = """
  /* verilator lint_off PINCONNECTEMPTY */ // busy serves simulations
  {module} {stage} (
    .ap_clk      (clk),
    .ap_rst_n    (rst_n),
    .s_ctrl      (control_{stage}),
    .s_ctrl_reply(control_{stage}_reply),
    .m_mem       (memory_{stage}),
    .m_mem_reply (memory_{stage}_reply),
    .irq         (irq[{number}]),
    .busy        ()
  );
  /* verilator lint_on PINCONNECTEMPTY */
"""


@record
class Joint(Around):
    """What ``joint.json`` says. ``apart``: modules whose instances are mapped one by one -> file in ``joint/``.

    ``simulation_only``: nobody has looked whether both fit the board.
    """

    FOLDER = "joint"
    RECORD = "joint.json"
    WRITTEN_BY = ("`hw_build join`", "join the builds")

    first: System
    second: System
    apart: dict[str, str]
    simulation_only: bool

    @property
    def systems(self) -> tuple[System, ...]:
        return self.first, self.second


def is_joint(build_dir: Path) -> bool:
    """Whether a folder is one that `hw_build join` wrote."""
    return (build_dir / Joint.FOLDER / Joint.RECORD).is_file()


def refuse_joint(build_dir: Path, command: str) -> None:
    """BuildError where ``command``, which takes a build of one accelerator, was given a joint one."""
    if is_joint(build_dir):
        raise BuildError(
            f"'{build_dir}' holds two joined accelerators, `hw_build {command}` takes a build of one: give one of the "
            "builds that were joined"
        )


def second_base(first_base: int) -> tuple[int, int]:
    """(bit, address) of the second accelerator's registers: the first's address with one bit set that it lacks.

    Raises:
        BuildError: the control port has no such address.
    """
    bits = (bit for bit in range(_LOWEST_BIT, 30) if not first_base >> bit & 1)
    bit = next(bits, None)
    if bit is None or first_base not in _CONTROL_PORT:
        raise BuildError(
            f"control_base 0x{first_base:08x} leaves no second address on the processor's control port: give the "
            "board file another, as 0x43c00000"
        )
    return bit, first_base | 1 << bit


def check_pair(shells: Sequence[Shell], folders: Sequence[Path]) -> None:
    """BuildError unless both were built for one Zynq-7000 at one clock, by one version of the shell."""
    first, second = shells
    for shell, folder in zip(shells, folders, strict=True):
        if Family(shell.family) is not Family.ZYNQ_7000:
            raise BuildError(
                f"'{folder}' is built for {shell.family}: only accelerators for Zynq-7000 are joined; deploy both "
                "builds, whose bitstreams are loaded one after the other"
            )
    pairs = (("part", first.part, second.part), ("clock in MHz", first.fabric_mhz, second.fabric_mhz))
    for what, one, other in pairs:
        if one != other:
            raise BuildError(
                f"'{folders[0]}' and '{folders[1]}' are built for another {what}, {one} and {other}: build both for "
                "one board"
            )
    ports = {(each.system.control_base, each.system.max_burst, each.system.address_bits) for each in shells}
    if len(ports) > 1:
        raise BuildError(
            f"'{folders[0]}' and '{folders[1]}' are built for other ports of the processing system: build both for "
            "one board"
        )
    names = [path.name for path in shell_sources()] + [f"{PROCESSOR}.sv"]
    if any(first.sources.get(name) != second.sources.get(name) for name in names):
        raise BuildError(
            f"'{folders[0]}' and '{folders[1]}' have shells of different versions: run the shell step of both again"
        )


def write_joint(designs: Sequence[Design], shells: Sequence[Shell], folder: Path, *, simulation_only: bool) -> Joint:
    """Write the RTL of the device into ``folder`` and lint all that is around the accelerators.

    Raises:
        BuildError: they do not fit together, or Verilator finds fault, with its first complaint.
    """
    check_pair(shells, [design.build_dir for design in designs])
    texts = {
        stage: {source.path: (design.rtl_dir / source.path).read_text() for source in design.sources}
        for stage, design in zip(STAGES, designs, strict=True)
    }
    accelerators, renamed = side_by_side(texts, always=(TOP_MODULE,))
    shell_folder = designs[0].build_dir / shells[0].FOLDER
    around = {path.name: (shell_folder / path.name).read_text() for path in shell_sources()}
    if used := sorted(path.stem for path in stream_sources() if path.stem in renamed):
        raise BuildError(f"the accelerators have different versions of {', '.join(used)}: build both again")
    bit, base = second_base(shells[0].system.control_base)
    systems = [
        replace(shell.system, core=own_name(stage, TOP_MODULE), control_base=address)
        for stage, shell, address in zip(STAGES, shells, (shells[0].system.control_base, base), strict=True)
    ]
    around[f"{SPLITTER}.sv"] = (RTL_DIR / "joint" / f"{SPLITTER}.sv").read_text()
    around[f"{TWO_PORTS}.sv"] = two_ports((shell_folder / f"{PROCESSOR}.sv").read_text())
    for stage, system in zip(STAGES, systems, strict=True):
        module = own_name(stage, SYSTEM_MODULE)
        around[f"{module}.sv"] = system.text(module)
    around[f"{SHELL_TOP}.sv"] = _top_text(bit)
    files = accelerators | around
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    _lint(designs, folder, accelerators, around)
    apart = {own_name(stage, TOP_MODULE): f"{stage}/top.sv" for stage in STAGES}
    apart |= {own_name(stage, SYSTEM_MODULE): f"{own_name(stage, SYSTEM_MODULE)}.sv" for stage in STAGES}
    joint = Joint(
        top=SHELL_TOP, family=shells[0].family, part=shells[0].part, fabric_mhz=shells[0].fabric_mhz,
        window_bytes=shells[0].window_bytes, sources={name: hash_file(folder / name) for name in files},
        first=systems[0], second=systems[1], apart=apart, simulation_only=simulation_only,
    )  # fmt: skip
    (folder / Joint.RECORD).write_text(json.dumps(asdict(joint), indent=1) + "\n")
    return joint


def _top_text(bit: int) -> str:
    instances = [
        _INSTANCE.format(module=own_name(stage, SYSTEM_MODULE), stage=stage, number=number)
        for number, stage in enumerate(STAGES)
    ]
    return _TOP.format(top=SHELL_TOP, processor=TWO_PORTS, splitter=SPLITTER, bit=bit, systems="".join(instances))


def _lint(designs: Sequence[Design], folder: Path, accelerators: dict[str, str], around: dict[str, str]) -> None:
    """Elaborates the top around the accelerators' ports; what is behind them is the simulator's to compile."""
    ports = folder / "accelerator_ports.sv"
    headers = [accelerators[f"{stage}/top.sv"].partition(");\n")[0] for stage in STAGES]
    ports.write_text("".join(f"{header});\nendmodule\n`default_nettype wire\n" for header in headers))
    of_shell = {path.name for path in stream_sources()}
    shared = [folder / name for name in accelerators if name.rpartition("/")[2] in of_shell]
    complaint = lint(SHELL_TOP, [ports, *shared, *(folder / name for name in around)])
    ports.unlink()
    if complaint:
        raise BuildError(
            f"'{designs[0].build_dir}' and '{designs[1].build_dir}' joined do not lint: {complaint.splitlines()[0]}"
        )


def copy_build(build_dir: Path, folder: Path) -> None:
    """What of a build a joint one keeps: records, RTL and shell, as they are, to be checked by their hashes."""
    folder.mkdir()
    for name in ("design.json", "io_spec.json"):
        shutil.copyfile(build_dir / name, folder / name)
    for name in ("rtl", "shell"):
        shutil.copytree(build_dir / name, folder / name)
