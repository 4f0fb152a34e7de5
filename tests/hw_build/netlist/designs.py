"""Small designs for tests of netlists, as modules of Yosys' JSON: wires are numbers, constants text.

One is mapped by Yosys as a device is, in parts; others are written cell by cell.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from hw_build.implement.synth.yosys import JOIN, READ_OPTIONS, mapping, run_passes
from hw_build.simulate.primitives import cell_library, declarations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Parts are mapped apart, then joined, as those of a device are: only then do constants at their borders reach LUTs.
# Each of them reads the register of the shell.
_PORTS = "input logic clk, enable, reset, input logic [11:0] a, b"
_MODULES = f"""
(* keep_hierarchy *)
module shell (input logic clk, enable, reset, output logic reset_q = 1'b1);
  always_ff @(posedge clk) if (enable) reset_q <= reset;
endmodule

(* keep_hierarchy *)
module shift #(parameter int LENGTH = 3) ({_PORTS}, output logic [11:0] y);
  logic [LENGTH-1:0] word_q = LENGTH'(16'hb3c5);
  always_ff @(posedge clk) if (enable) word_q <= {{word_q[LENGTH-2:0], a[0] ^ reset}};
  assign y = 12'(word_q[LENGTH-1] ^ b[0]);
endmodule

(* keep_hierarchy *)
module multiply ({_PORTS}, output logic [11:0] y);
  logic [23:0] product_q = '0;
  always_ff @(posedge clk) if (reset) product_q <= '0; else if (enable) product_q <= 24'(a * b);
  assign y = product_q[23:12];
endmodule

(* keep_hierarchy *)
module select ({_PORTS}, output logic [11:0] y);
  logic bit_q = 1'b1;
  always_ff @(posedge clk)
    if (reset) bit_q <= 1'b0; else if (enable) bit_q <= (b[0] & a[0]) ^ (b[1] | a[1] & ~a[2]) ^ bit_q;
  assign y = {{bit_q, 11'(a[4] & b[4] ^ b[5])}};
endmodule

(* keep_hierarchy *)
module stall ({_PORTS}, output logic [11:0] y);
  logic go_q = 1'b0;
  logic [21:0][11:0] words_q = '0;
  always_ff @(posedge clk) if (reset) go_q <= 1'b0; else go_q <= enable;
  always_ff @(posedge clk)
    if (go_q) for (int i = 0; i < 22; i++) words_q[i] <= (i == 0) ? a : words_q[(i + 21) % 22] ^ b;
  assign y = words_q[21];
endmodule

(* keep_hierarchy *)
module table_of (input logic clk, enable, reset, input logic [3:0] x, output logic [3:0] y);
  parameter logic [63:0] WORDS = '0;
  logic [3:0] x_q = '0;
  always_ff @(posedge clk) if (enable) x_q <= reset ? '0 : x;
  assign y = WORDS[x_q*4+:4];
endmodule

(* keep_hierarchy *)
module tables ({_PORTS}, output logic [11:0] y);
  table_of #(.WORDS(64'h0123_4567_89ab_cdef)) one (.clk, .enable, .reset, .x(a[3:0]), .y(y[3:0]));
  table_of #(.WORDS(64'h26ae_159d_48c0_37bf)) two (.clk, .enable, .reset, .x(a[3:0]), .y(y[7:4]));
  assign y[11:8] = b[3:0] ^ y[3:0];
endmodule
"""
_SHIFTS = ("shift #(.LENGTH(3))", "shift #(.LENGTH(9))", "shift #(.LENGTH(16))")
_PARTS = (*_SHIFTS, *["multiply"] * 3, *["select"] * 2, "stall", "tables")


def device_source() -> str:
    """SystemVerilog of ``device``, of which every rewrite finds something to do once it is mapped."""
    parts = "".join(
        f"  {part} part_{i} (.clk, .enable, .reset, .a({{a[{i}:0], a[11:{i + 1}]}}), .b({{b[11:2], 2'd{i % 4}}}), "
        f".y(y[{i}]));\n"
        for i, part in enumerate(_PARTS)
    )
    result = f"output logic [{len(_PARTS) - 1}:0][11:0] y"
    return f"""{_MODULES}
module core ({_PORTS}, {result});
{parts}endmodule
module system ({_PORTS}, {result});
  logic reset_q;
  shell shell (.clk, .enable, .reset, .reset_q);
  core core (.clk, .enable, .reset(reset_q), .a, .b, .y);
endmodule
module device ({_PORTS}, {result});
  system system (.clk, .enable, .reset, .a, .b, .y);
endmodule
"""


def mapped(top: str, text: str, folder: Path) -> dict[str, Any]:
    """``text`` (SystemVerilog) as `hw_build.implement.synth.yosys.synthesise` maps it, with its ports."""
    passes = [*mapping(top), *map(list, JOIN), ["opt_clean", "-purge"], ["delete", "t:$scopeinfo"]]
    return _read(top, text, passes, folder)


def elaborated(top: str, text: str, folder: Path) -> dict[str, Any]:
    """``text`` (SystemVerilog), flat, in Yosys' own operators and registers: what it says, before any mapping."""
    return _read(top, text, [["hierarchy", "-top", top], ["proc"], ["flatten"], ["opt_clean", "-purge"]], folder)


def _read(top: str, text: str, passes: list[list[str]], folder: Path) -> dict[str, Any]:
    source, netlist = folder / f"{top}.sv", folder / f"{top}.json"
    source.write_text(text)
    passes = [["read_slang", *READ_OPTIONS, "--top", top, str(source)], *passes, ["write_json", str(netlist)]]
    asyncio.run(run_passes(top, passes, folder))
    return json.loads(netlist.read_text())["modules"][top]


def library(folder: Path) -> dict[str, Any]:
    """Declarations of the cells of the xc7 family, beside PS7: modules of Yosys' JSON."""
    processor, path = folder / "processor.v", folder / "library.json"
    processor.write_text(declarations(["PS7"]))
    passes = [
        ["read_verilog", str(cell_library("cells_sim.v"))],
        ["blackbox", "*"],
        ["read_verilog", "-lib", str(processor)],
        ["write_json", str(path)],
    ]
    asyncio.run(run_passes("library", passes, folder))
    return json.loads(path.read_text())["modules"]


def module(inputs: Mapping[str, list[Any]], outputs: Mapping[str, list[Any]], cells: dict[str, Any]) -> dict[str, Any]:
    """A module of ``cells``; ports name -> wires."""
    ports = {name: {"direction": "input", "bits": bits} for name, bits in inputs.items()}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in outputs.items()}
    return {"ports": ports, "netnames": {name: {"bits": port["bits"]} for name, port in ports.items()}, "cells": cells}


def cell(
    kind: str, inputs: Mapping[str, list[Any]], outputs: Mapping[str, list[Any]], **parameters: str
) -> dict[str, Any]:
    """A cell of ``kind``; pins name -> wires."""
    directions = {**dict.fromkeys(inputs, "input"), **dict.fromkeys(outputs, "output")}
    return {
        "type": kind, "parameters": parameters, "port_directions": directions, "connections": {**inputs, **outputs},
    }  # fmt: skip


def lut(init: str, pins: list[Any], output: int) -> dict[str, Any]:
    """A LUT of as many inputs as ``pins``; ``init`` is its table, highest index first."""
    return cell(f"LUT{len(pins)}", {f"I{i}": [bit] for i, bit in enumerate(pins)}, {"O": [output]}, INIT=init)


def shift_register(init: str, address: list[Any], d: Any, q: int, **parameters: str) -> dict[str, Any]:
    """An SRL16E on clock 2 with enable 7; ``address`` is A0 first."""
    pins = {"CE": [7], "CLK": [2], "D": [d], **{f"A{place}": [bit] for place, bit in enumerate(address)}}
    return cell("SRL16E", pins, {"Q": [q]}, INIT=init, **parameters)
