"""Bench for one kernel as Yosys maps it: the xc7 netlist of its RTL, simulated with models of the cells.

Same node, same frames, same patterns as ``KernelBench``; what differs is that the simulator runs LUTs, carry chains,
DSP48E1 and memories instead of the sources. The models are Yosys' own; those that it lacks stand in ramb_model.sv.
"""

import hashlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path

from hw_build.kernels.base import RtlInstance
from hw_build.sim import build
from hw_build.sim.simulator import Simulator
from hw_build.synth.yosys import synthesise, yosys_version
from tests.rtl.kernel_bench import BUILD_DIR, KernelBench

RAMB_MODEL = Path(__file__).with_name("ramb_model.sv")
CELL_MODELS = Path(importlib.util.find_spec("pyosys").origin).parent / "share" / "xilinx" / "cells_sim.v"


class NetlistBench(KernelBench):
    """``KernelBench`` on the netlist of the kernel; for small instances, since a cell costs what a line of RTL does."""

    def simulator_of(self, rtl: RtlInstance) -> Simulator:
        """The simulator of ``self.netlist``; parameters are in it already."""
        self.netlist = netlist_of(rtl)
        files = [self.netlist, ramb_cells(), RAMB_MODEL, CELL_MODELS]  # the first definition of a module counts
        return build(rtl.module, files, BUILD_DIR, inputs=rtl.inputs, outputs=rtl.outputs)


def netlist_of(rtl: RtlInstance) -> Path:
    """The kernel's netlist, synthesised unless one of the same sources, parameters and Yosys is there."""
    digest = hashlib.sha256(json.dumps([yosys_version(), rtl.module, rtl.parameters]).encode())
    for path in rtl.files:
        digest.update(path.read_bytes())
    path = BUILD_DIR / "netlists" / f"{rtl.module}-{digest.hexdigest()[:16]}.v"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder, path.name)
            synthesise(rtl.module, rtl.files, rtl.parameters, netlist=partial)
            os.replace(partial, path)
    return path


def ramb_cells() -> Path:
    """RAMB18E1 and RAMB36E1 around ``ramb_model``: only names of parameters and pins, hence written here."""
    text = "`default_nettype none\n" + _ramb_cell(18, 16, 64) + _ramb_cell(36, 32, 128) + "`default_nettype wire\n"
    path = BUILD_DIR / "netlists" / f"ramb_cells-{hashlib.sha256(text.encode()).hexdigest()[:16]}.sv"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(text)
        os.replace(partial, path)
    return path


def _ramb_cell(kbits: int, half: int, lines: int) -> str:
    """A RAMB18E1 or RAMB36E1; in simple dual-port mode both halves of the pins serve one port."""
    data, parity = ([f"{prefix}_{i:02X}" for i in range(n)] for prefix, n in (("INIT", lines), ("INITP", lines // 8)))
    address = 14 + kbits // 36  # bits that count; RAMB36E1 has one more, for cascades
    flags = half // 8
    parameters = [f"parameter [255:0] {name} = 256'h0" for name in data + parity]
    parameters += [
        f"parameter [{half + flags - 1}:0] {name} = 0" for name in ("INIT_A", "INIT_B", "SRVAL_A", "SRVAL_B")
    ]
    parameters += [f'parameter WRITE_MODE_{port} = "WRITE_FIRST"' for port in "AB"]
    parameters += [f"parameter integer {mode}_WIDTH_{port} = 0" for mode in ("READ", "WRITE") for port in "AB"]
    parameters += [f"parameter integer DO{port}_REG = 0" for port in "AB"]
    parameters += ['parameter RAM_MODE = "TDP"', *(f'parameter RAM_EXTENSION_{port} = "NONE"' for port in "AB")]
    inverted = ("CLKARDCLK", "CLKBWRCLK", "ENARDEN", "ENBWREN", "RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB")
    parameters += [f"parameter [0:0] IS_{pin}_INVERTED = 1'b0" for pin in inverted]
    pins = [f"input wire {pin}" for pin in (*inverted, "REGCEAREGCE", "REGCEB")]
    pins += [f"input wire [{address + kbits // 36 - 1}:0] {pin}" for pin in ("ADDRARDADDR", "ADDRBWRADDR")]
    pins += [f"input wire [{half - 1}:0] {pin}" for pin in ("DIADI", "DIBDI")]
    pins += [f"input wire [{flags - 1}:0] {pin}" for pin in ("DIPADIP", "DIPBDIP", "WEA")]
    pins += [f"input wire [{2 * flags - 1}:0] WEBWE"]
    pins += [f"output wire [{half - 1}:0] {pin}" for pin in ("DOADO", "DOBDO")]
    pins += [f"output wire [{flags - 1}:0] {pin}" for pin in ("DOPADOP", "DOPBDOP")]
    wide = 2 * (half + flags)
    return f"""module RAMB{kbits}E1 #(
  {", ".join(parameters)}
) (
  {", ".join(pins)}
);
  wire [{2 * half - 1}:0] q_a, q_b;
  wire [{2 * flags - 1}:0] qp_a, qp_b;
  ramb_model #(
    .ADDRESS_BITS({address}), .HALF({half}),
    .RESET_A({{SRVAL_B[{half - 1}:0], SRVAL_A[{half - 1}:0]}}), .RESET_B({2 * half}'(SRVAL_B[{half - 1}:0])),
    .RESET_PARITY_A({{SRVAL_B[{half + flags - 1}:{half}], SRVAL_A[{half + flags - 1}:{half}]}}),
    .RESET_PARITY_B({2 * flags}'(SRVAL_B[{half + flags - 1}:{half}])),
    .DATA({{{", ".join(reversed(data))}}}), .PARITY({{{", ".join(reversed(parity))}}}),
    .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B), .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
    .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B)
  ) memory (
    .clk(CLKARDCLK), .en_a(ENARDEN), .en_b(ENBWREN), .reset_a(RSTRAMARSTRAM), .reset_b(RSTRAMB),
    .we_a({2 * flags}'(WEA)), .we_b(WEBWE),
    .addr_a(ADDRARDADDR[{address - 1}:0]), .addr_b(ADDRBWRADDR[{address - 1}:0]),
    .data_a({2 * half}'(DIADI)), .parity_a({2 * flags}'(DIPADIP)),
    .data_b(WRITE_WIDTH_B == {wide} ? {{DIBDI, DIADI}} : {2 * half}'(DIBDI)),
    .parity_b(WRITE_WIDTH_B == {wide} ? {{DIPBDIP, DIPADIP}} : {2 * flags}'(DIPBDIP)),
    .q_a(q_a), .q_b(q_b), .qp_a(qp_a), .qp_b(qp_b)
  );
  assign DOADO = q_a[{half - 1}:0];
  assign DOPADOP = qp_a[{flags - 1}:0];
  assign DOBDO = READ_WIDTH_A == {wide} ? q_a[{2 * half - 1}:{half}] : q_b[{half - 1}:0];
  assign DOPBDOP = READ_WIDTH_A == {wide} ? qp_a[{2 * flags - 1}:{flags}] : qp_b[{flags - 1}:0];
endmodule
"""
