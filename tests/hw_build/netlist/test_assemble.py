"""Parts and what lies around them, put together: every border is checked, and the whole does what its sources say."""

import asyncio
import copy
import json

import pytest

from hw_build.netlist.assemble import assemble, check_borders
from hw_build.synth.yosys import SynthesisError, run_passes, synthesise
from tests.hw_build.netlist.designs import cell, elaborated, module
from tests.hw_build.netlist.proofs import prove_different, prove_equal

PARTS = {("first", "part_a"), ("second", "part_b")}


@pytest.fixture
def modules():
    """A top of two parts of an input and an output each, one after the other, and an inverter in Yosys' own cells."""
    parts = {
        "part_a": module({"a": [2, 3], "on": [4]}, {"y": [5, 6]}, {}),
        "part_b": module({"a": [2, 3]}, {"y": [4]}, {}),
    }
    cells = {
        "first": cell("part_a", {"a": [2, 3], "on": ["1"]}, {"y": [4, 5]}),
        "invert": cell("$not", {"A": [5]}, {"Y": [6]}),
        "second": cell("part_b", {"a": [4, 6]}, {"y": [7]}),
    }
    return {**parts, "top": module({"a": [2, 3]}, {"y": [7]}, cells)}


def test_parts_that_fit_are_taken(modules):
    check_borders(modules, PARTS)
    modules["top"]["cells"]["second"]["connections"]["y"] = []  # an output may hang
    check_borders(modules, PARTS)


def test_instances_of_one_name_are_checked_in_each_module(modules):
    modules["top"]["cells"]["inner"] = cell("inner", {"a": [2, 3]}, {})
    modules["inner"] = module({"a": [2, 3]}, {}, {"second": cell("part_a", {"a": [2, 3], "on": ["0"]}, {})})
    check_borders(modules, {*PARTS, ("second", "part_a")})
    modules["inner"]["cells"]["second"]["connections"]["on"] = ["0", "0"]
    with pytest.raises(SynthesisError, match="instance second: 2 wires at port on of 1 bits"):
        check_borders(modules, {*PARTS, ("second", "part_a")})


WRONG = {
    "instance second: 1 wires at port a of 2 bits": lambda pins: pins.update(a=[4]),
    "instance second: 3 wires at port a of 2 bits": lambda pins: pins.update(a=[4, 6, 6]),
    "instance second: 2 wires at port y of 1 bits": lambda pins: pins.update(y=[7, 8]),
    "instance second: nothing is connected to its input a$": lambda pins: pins.pop("a"),
    "instance second: nothing is connected to its input a": lambda pins: pins.update(a=[]),
    "instance second: nobody drives all bits of its input a$": lambda pins: pins.update(a=[4, 9]),
    "instance second: nobody drives all bits of its input a": lambda pins: pins.update(a=[4, "x"]),
    "instance second connects b, c, which its part does not have": lambda pins: pins.update(c=[4], b=[4]),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_part_that_does_not_fit_is_refused(modules, sentence):
    second = modules["top"]["cells"]["second"]
    WRONG[sentence](second["connections"])
    for pin in second["connections"].keys() - second["port_directions"].keys():
        second["port_directions"][pin] = "output"  # as Yosys says of a pin that the module does not have
    with pytest.raises(SynthesisError, match=sentence):
        check_borders(modules, PARTS)


def test_output_of_a_part_drives_nothing_beyond_its_own_width(modules):
    modules["top"]["cells"]["first"]["connections"]["y"] = [4]
    with pytest.raises(SynthesisError, match="instance first: 1 wires at port y of 2 bits"):
        check_borders(modules, PARTS)


def test_missing_instances_are_named(modules):
    with pytest.raises(SynthesisError, match="no instance of the part of second, third: stitch it again"):
        check_borders(modules, {("first", "part_a"), ("second", "part_a"), ("third", "part_b")})


def test_instance_of_a_module_that_is_nowhere_is_refused(modules):
    modules["top"]["cells"]["other"] = {"type": "part_c", "parameters": {}, "connections": {"a": [2]}}
    with pytest.raises(SynthesisError, match="instance other is of part_c, which is neither a part nor a module of"):
        check_borders(modules, PARTS)


LEAF = """
module leaf #(parameter int WIDTH = 4, parameter int STEP = 1) (
  input logic clk, enable, input logic [WIDTH-1:0] a, output logic [WIDTH-1:0] y
);
  initial y = WIDTH'(5);
  always_ff @(posedge clk) if (enable) y <= a + WIDTH'(STEP);
endmodule
"""
# each register of the leaves is an output, so that equal outputs are equal states
TOP = """
module top (input logic clk, enable, input logic [11:0] a, output logic [11:0] middle, y);
  leaf #(.WIDTH(12), .STEP(3)) first (.clk, .enable, .a, .y(middle));
  leaf #(.WIDTH(12), .STEP(3)) second (.clk, .enable(enable ^ a[0]), .a(~middle), .y);
endmodule
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Folder of leaf.sv, top.sv and the mapped leaf that the top asks for, of other widths than the leaf's own."""
    folder = tmp_path_factory.mktemp("assemble")
    (folder / "leaf.sv").write_text(LEAF)
    (folder / "top.sv").write_text(TOP)
    synthesise("leaf", [folder / "leaf.sv"], {"WIDTH": "12", "STEP": "3"}, netlist=folder / "part_wide.il")
    return folder


def assembled(folder, *names, top="top"):
    """The module ``top`` that is put together from the mapped leaf, for the instances ``names``."""
    parts = {("leaf", name): folder / "part_wide.il" for name in names}
    assemble("top", [folder / "leaf.sv", folder / f"{top}.sv"], parts, folder / "whole.json", data_dir=folder)
    return json.loads((folder / "whole.json").read_text())["modules"]["top"]


def test_parts_of_other_widths_than_their_defaults_are_assembled_right(sources, tmp_path):
    whole = assembled(sources, "first", "second")
    kinds = [each["type"] for each in whole["cells"].values()]
    assert kinds.count("FDRE") + kinds.count("FDSE") == 24 and "leaf" not in kinds
    gold = elaborated("top", LEAF + TOP, tmp_path)
    prove_equal(gold, whole, tmp_path)
    cut = copy.deepcopy(whole)  # as if the wires above the default width were lost on their way
    cut["ports"]["y"]["bits"][4:] = ["0"] * 8
    with pytest.raises(SynthesisError, match="proof: Yosys refuses it: ERROR: Called with -verify and proof did fail!"):
        prove_equal(gold, cut, tmp_path)
    prove_different(gold, cut, tmp_path, edges=2)


def test_part_of_another_width_than_its_instance_asks_for_is_refused(sources):
    narrow = TOP.replace("#(.WIDTH(12), .STEP(3)) second", "second").replace(".y);", ".y(y[3:0]));")
    (sources / "narrow.sv").write_text(narrow)
    with pytest.raises(SynthesisError, match="instance second: 4 wires at port a of 12 bits"):
        assembled(sources, "first", "second", top="narrow")


def test_instances_must_be_those_of_the_sources(sources):
    with pytest.raises(SynthesisError, match="no instance of the part of third: stitch it again"):
        assembled(sources, "first", "second", "third")
    with pytest.raises(SynthesisError, match="instance second is of leaf, which is neither a part nor a module of the"):
        assembled(sources, "first")


INSTANCE = """
module inner (input [3:0] a, output [3:0] y); assign y = ~a; endmodule
module outer (input [5:0] a, output [5:0] y); inner i (.a(a[{high}:0]), .y(y[{high}:0])); endmodule
"""


@pytest.mark.parametrize("high", [2, 3, 4])
def test_port_that_hierarchy_resizes_is_an_error(tmp_path, high):
    (tmp_path / "both.v").write_text(INSTANCE.format(high=high))
    passes = [["read_verilog", str(tmp_path / "both.v")], ["hierarchy", "-top", "outer"]]
    if high == 3:
        asyncio.run(run_passes("outer", passes, tmp_path))
        return
    resized = rf"Resizing cell port outer\.i\.\w from {high + 1} bits to 4 bits"
    with pytest.raises(SynthesisError, match=rf"outer: an instance does not fit its module: {resized}"):
        asyncio.run(run_passes("outer", passes, tmp_path))
