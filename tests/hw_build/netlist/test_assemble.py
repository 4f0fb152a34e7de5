"""Parts and what lies around them, put together: the whole does what its sources say; what does not fit is refused."""

import asyncio
import copy
import json

import pytest

from hw_build.implement.netlist.assemble import assemble
from hw_build.implement.synth.yosys import SynthesisError, run_passes, synthesise
from tests.hw_build.netlist.designs import elaborated
from tests.hw_build.netlist.proofs import prove_equal

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
    parts = {("top", "leaf", name): folder / "part_wide.il" for name in names}
    assemble("top", [folder / "leaf.sv", folder / f"{top}.sv"], parts, folder / "whole.json")
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
        prove_equal(gold, cut, tmp_path, after_edges=2)


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
