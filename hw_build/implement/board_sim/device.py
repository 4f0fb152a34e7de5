"""The whole device on the simulated board: ``edgeseg_top`` with a model of the processing system's primitive in it.

The model of PS7 or PS8 is Yosys' declaration of it. Its pins are tied to the ports of ``sim_top`` from outside, each to
the one that AXI calls the same; what is narrower at the primitive is cut there, as in the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.implement.board_sim.build import DRIVER, SIM_TOP, generated
from hw_build.implement.board_sim.library import AXI3, AXI4
from hw_build.implement.shell.generate import SHELL_TOP
from hw_build.simulate.build import build_library
from hw_build.simulate.primitives import declarations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A processing system: its primitive, clock buffer, memory ports, pins, and the AXI that its ports speak."""

    primitive: str
    buffer: str
    memories: tuple[str, ...]
    clock: str
    reset: str
    reset_bits: int
    interrupt: str
    protocol: int


PROCESSORS = {
    Family.ZYNQ_7000: Processor(
        primitive="PS7", buffer="BUFG", memories=("SAXIHP0", "SAXIHP1"), clock="FCLKCLK", reset="FCLKRESETN",
        reset_bits=4, interrupt="IRQF2P", protocol=AXI3,
    ),
    Family.ZYNQ_ULTRASCALE: Processor(
        primitive="PS8", buffer="BUFG_PS", memories=("SAXIGP2",), clock="PLCLK", reset="EMIOGPIOO", reset_bits=96,
        interrupt="PLPSIRQ0", protocol=AXI4,
    ),
}  # fmt: skip
_REQUEST = (
    *("awvalid", "awid", "awaddr", "awlen", "awsize", "awburst", "wvalid", "wdata", "wstrb", "wlast", "bready"),
    *("arvalid", "arid", "araddr", "arlen", "arsize", "arburst", "rready"),
)
_REPLY = ("awready", "wready", "bvalid", "bid", "bresp", "arready", "rvalid", "rid", "rdata", "rresp", "rlast")
NEVER_IDLE = "'1"  # for `busy`: what is gone from a netlist; its jobs end with an interrupt


def build_device(
    family: Family, sources: Sequence[Path], build_dir: Path, *, texts: Sequence[str] = (), instance: str = "ps.ps",
    busy: str = "dut.system.busy", accelerators: int = 1, fast: bool = False, name: str = SHELL_TOP,
) -> Path:  # fmt: skip
    """Compile the device (or find it compiled) below ``build_dir``; the path of the library for `SimulatedBoard`.

    ``sources`` and ``texts`` define ``edgeseg_top`` without the primitives of the processing system, of which
    ``instance`` is the path below it; ``busy`` is what tells that a job runs, of ``accelerators`` accelerators.
    """
    processor = PROCESSORS[family]
    sim_top = device_sim_top(processor, f"dut.{instance}.", busy, accelerators)
    texts = [declarations((processor.primitive,)), _buffer(processor), *texts, sim_top]
    return build_library(
        name, sources, build_dir, driver=DRIVER, generated=generated("".join(texts), _prefixes(accelerators)), fast=fast
    )


def _prefixes(accelerators: int) -> list[str]:
    """Of the memory ports of ``sim_top``."""
    return ["m", *(f"m{number}" for number in range(1, accelerators))]


def device_sim_top(processor: Processor, pin: str, busy: str, accelerators: int = 1) -> str:
    """SystemVerilog of ``sim_top`` around the device; ``pin`` is what stands before the name of a primitive's pin."""
    wid = ["wid"] if processor.protocol == AXI3 else []  # AXI4 has none
    request = [*_REQUEST, *wid]
    lines = [
        f"{SHELL_TOP} dut ();",
        f"assign {pin}{processor.clock} = {{4{{clk}}}};",
        f"assign {pin}{processor.reset} = {{{processor.reset_bits}{{rst_n}}}};",
        f"assign irq = {pin}{processor.interrupt}[{accelerators - 1}:0];",
        f"assign busy = {busy};",
        *(f"assign {pin}MAXIGP0{name.upper()} = c_{name};" for name in request),
        *(f"assign c_{name} = {pin}MAXIGP0{name.upper()};" for name in _REPLY),
    ]
    ports, _, _ = SIM_TOP.read_text().partition(");\n")
    of_memory = "".join(re.findall(r"^.*\bm_\w+,?\n", ports, re.MULTILINE))
    for prefix, memory in zip(_prefixes(accelerators), processor.memories, strict=False):
        lines += [f"assign {prefix}_{name} = {pin}{memory}{name.upper()};" for name in request]
        lines += [f"assign {pin}{memory}{name.upper()} = {prefix}_{name};" for name in _REPLY]
        if prefix != "m":
            ports = f"{ports.rstrip()},\n{re.sub(r'm_(?=[a-z])', f'{prefix}_', of_memory)}"
    ports = re.sub(r"logic( +)(irq|busy),", rf"logic [{accelerators - 1}:0]\1\2,", ports)
    return "\n  ".join([f"{ports});", *lines]) + "\nendmodule\n`default_nettype wire\n"


def _buffer(processor: Processor) -> str:
    """The clock buffer with its parameters, as a netlist sets them, though none changes what it does here."""
    return declarations((processor.buffer,)).replace("endmodule", "assign O = I;\nendmodule")
