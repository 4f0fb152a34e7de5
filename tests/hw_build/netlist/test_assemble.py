"""Parts and what lies around them: borders that do not fit end the assembly, those that do give one exact netlist."""

import asyncio
import json

import pytest

from hw_build.netlist.assemble import assemble, check_borders
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


def borders(**pins):
    """A design of one instance ``one`` of a part with ports clk, a (2 bits) and y (2 bits)."""
    directions = {"clk": "input", "a": "input", "y": "output"}
    widths = {"clk": [2], "a": [3, 4], "y": [5, 6]}
    of_part = {name: {"direction": directions[name], "bits": bits} for name, bits in widths.items()}
    connections = {"clk": [2], "a": [2, "0"], "y": [7, 8], **pins}
    cell = {
        "type": "part_x",
        "connections": {name: bits for name, bits in connections.items() if bits is not None},
        "port_directions": {name: directions.get(name, "input") for name in connections},
    }
    top = {"ports": {"c": {"direction": "input", "bits": [2]}}, "cells": {"one": cell}}
    return {"part_x": {"ports": of_part, "cells": {}}, "device": top}


def test_an_output_that_nobody_needs_may_be_open():
    check_borders(borders(), {("one", "part_x")})
    check_borders(borders(y=None), {("one", "part_x")})


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        ({"a": [2]}, "instance one: 1 wires at port a of 2 bits"),
        ({"y": [7, 8, 9]}, "instance one: 3 wires at port y of 2 bits"),
        ({"a": None}, "instance one: nothing is connected to its input a"),
        ({"a": [2, 99]}, "instance one: nobody drives all bits of its input a"),
        ({"a": [2, "x"]}, "instance one: nobody drives all bits of its input a"),
        ({"b": [2]}, "instance one connects b, which its part does not have"),
    ],
)
def test_a_border_that_does_not_fit_names_instance_and_port(pins, sentence):
    with pytest.raises(SynthesisError) as raised:
        check_borders(borders(**pins), {("one", "part_x")})
    assert str(raised.value) == sentence


def test_a_part_without_its_instance_is_named():
    with pytest.raises(SynthesisError, match="no instance of the part of two: stitch it again"):
        check_borders(borders(), {("one", "part_x"), ("two", "part_x")})


def test_a_resized_port_is_an_error_wherever_yosys_tells_of_one(tmp_path):
    text = "module leaf (input [3:0] a, output [3:0] y); assign y = a; endmodule\n"
    text += "module top (input [7:0] a, output [7:0] y); leaf one (.a(a), .y(y)); endmodule\n"
    (tmp_path / "resized.v").write_text(text)
    passes = [["read_verilog", str(tmp_path / "resized.v")], ["hierarchy", "-top", "top"]]
    with pytest.raises(SynthesisError, match="top: an instance does not fit its module: Resizing cell port top.one.[ay] from 8 bits to 4"):
        asyncio.run(run_passes("top", passes, tmp_path))
