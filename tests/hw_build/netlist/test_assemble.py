"""Parts and what lies around them, put together: no wire of a border is lost."""

import asyncio
import json

import pytest

from hw_build.netlist.assemble import assemble
from hw_build.synth.yosys import SynthesisError, run_passes, synthesise

PART = """
module adder #(parameter int WIDTH = 4) (
  input wire logic clk, input wire logic [WIDTH-1:0] a, output logic [WIDTH-1:0] y
);
  always_ff @(posedge clk) y <= a + WIDTH'(3);
endmodule
"""
TOP = """
module device (output logic [11:0] y);
  logic clk;
  logic [11:0] a;
  BUFG buffer (.I(y[11]), .O(clk));
  adder #(.WIDTH(12)) first (.clk(clk), .a(y), .y(a));
  adder #(.WIDTH(12)) second (.clk(clk), .a(a), .y(y));
endmodule
"""


def test_a_part_that_is_wider_than_its_module_by_default_keeps_all_its_wires(tmp_path):
    sources = tmp_path / "adder.sv", tmp_path / "device.sv"
    for path, text in zip(sources, (PART, TOP), strict=True):
        path.write_text(text)
    part = tmp_path / "part_wide.il"
    cells = synthesise("adder", sources[:1], {"WIDTH": "12"}, netlist=part)
    netlist = tmp_path / "netlist.json"
    assemble("device", sources, {("adder", "first"): part, ("adder", "second"): part}, netlist, data_dir=tmp_path)
    found = json.loads(netlist.read_text())["modules"]["device"]["cells"].values()
    assert cells["FDRE"] == 12 and sum(cell["type"] == "FDRE" for cell in found) == 24


def test_a_resized_port_is_an_error_wherever_yosys_tells_of_one(tmp_path):
    text = "module leaf (input [3:0] a, output [3:0] y); assign y = a; endmodule\n"
    text += "module top (input [7:0] a, output [7:0] y); leaf one (.a(a), .y(y)); endmodule\n"
    (tmp_path / "resized.v").write_text(text)
    passes = [["read_verilog", str(tmp_path / "resized.v")], ["hierarchy", "-top", "top"]]
    sentence = "top: an instance does not fit its module: Resizing cell port top.one.[ay] from 8 bits to 4 bits"
    with pytest.raises(SynthesisError, match=sentence):
        asyncio.run(run_passes("top", passes, tmp_path))
