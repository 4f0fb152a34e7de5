"""Verilog that simulates the cells of a netlist: Yosys' models, and one of ours for block RAM, which has none there."""

from __future__ import annotations

from pathlib import Path

from hw_build.base.step_engine import write_atomically
from hw_build.simulate.primitives import cell_library

FAST_CELLS = Path(__file__).with_name("fast_cells.sv")
RAMB_MODEL = Path(__file__).with_name("ramb_model.sv")


def cell_models(folder: Path) -> list[Path]:
    """Files to compile after a netlist, the first definition of a module counts; some are written into ``folder``."""
    text = "`default_nettype none\n" + _ramb_cell(18, 16, 64) + _ramb_cell(36, 32, 128) + "`default_nettype wire\n"
    path = folder / "ramb_cells.sv"
    if not path.is_file() or path.read_text() != text:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    return [FAST_CELLS, path, RAMB_MODEL, cell_library("cells_sim.v")]


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
    not_modelled = " || ".join(
        [f'DO{port}_REG != 0 || RAM_EXTENSION_{port} != "NONE"' for port in "AB"]
        + [f"IS_{pin}_INVERTED" for pin in inverted]
    )
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
  initial if ({not_modelled}) $fatal(1, "%m: output registers, cascades and inverted pins are not modelled");
  assign DOADO = q_a[{half - 1}:0];
  assign DOPADOP = qp_a[{flags - 1}:0];
  assign DOBDO = READ_WIDTH_A == {wide} ? q_a[{2 * half - 1}:{half}] : q_b[{half - 1}:0];
  assign DOPBDOP = READ_WIDTH_A == {wide} ? qp_a[{2 * flags - 1}:{flags}] : qp_b[{flags - 1}:0];
endmodule
"""
