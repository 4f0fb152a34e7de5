"""One module through Yosys: cells that can be told beforehand, a netlist, and what is refused."""

import asyncio
from pathlib import Path

import pytest

from hw_build.base.errors import BuildError
from hw_build.implement.synth import yosys
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.yosys import Cells, SynthesisEndedError, SynthesisError, run_passes, synthesise

MODULES = """
module leaf #(parameter int WIDTH = 1) (input logic clk, input logic [WIDTH-1:0] a, output logic [WIDTH-1:0] y);
  always_ff @(posedge clk) y <= ~a;
endmodule
module pair #(parameter int WIDTH = 4) (input logic clk, input logic [WIDTH-1:0] a, b, output logic [2*WIDTH-1:0] y);
  leaf #(.WIDTH(WIDTH)) first (.clk, .a(a & b), .y(y[WIDTH-1:0]));
  leaf #(.WIDTH(WIDTH)) second (.clk, .a(a | b), .y(y[2*WIDTH-1:WIDTH]));
endmodule
module multiply (input logic clk, input logic signed [15:0] a, b, output logic signed [31:0] y);
  always_ff @(posedge clk) y <= a * b;
endmodule
"""

MEMORY = """
module memory (input logic clk, we, input logic [8:0] from, to, input logic [107:0] x, output logic [107:0] y);
  (* ram_style = "block" *) logic [107:0] words[512];
  always_ff @(posedge clk) y <= words[from];
  always_ff @(posedge clk) if (we) words[to] <= x;
endmodule
"""


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "modules.sv"
    path.write_text(MODULES)
    return path


def test_parameters_reach_the_module(source):
    wide = utilization(synthesise("pair", [source], {"WIDTH": "7"}))
    assert (wide.ffs, wide.logic_luts) == (14, 14)  # NAND and NOR, a bit each


def test_multiplier_becomes_a_dsp_and_its_netlist_says_so(source, tmp_path):
    cells = synthesise("multiply", [source], netlist=tmp_path / "netlist.v")
    assert utilization(cells).dsps == 1
    text = (tmp_path / "netlist.v").read_text()
    assert "module multiply" in text and "DSP48E1 #(" in text


def test_block_ram_of_ultrascale(tmp_path):
    """Whose ports Yosys' own map leaves to be cut."""
    (tmp_path / "memory.sv").write_text(MEMORY)
    assert utilization(synthesise("memory", [tmp_path / "memory.sv"], cells=Cells.XCUP)) == Utilization(bram18=3)


def test_refusal_is_one_sentence_with_yosys_reason(tmp_path):
    (tmp_path / "wrong.sv").write_text("module wrong (input logic a, output logic y); assign y = b; endmodule")
    with pytest.raises(SynthesisError, match="wrong: Yosys refuses it: .*undeclared identifier 'b'"):
        synthesise("wrong", [tmp_path / "wrong.sv"])


def test_yosys_that_was_ended_from_outside_is_no_refusal(source, monkeypatch, tmp_path):
    (tmp_path / "passes.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setattr(yosys, "PASSES", tmp_path / "passes.py")
    with pytest.raises(SynthesisEndedError, match="^pair: signal 9 ended Yosys, perhaps for lack of memory"):
        synthesise("pair", [source])


def test_sites():
    used = utilization({"LUT6": 5, "INV": 1, "RAM64M": 2, "SRL16E": 3, "FDRE": 9, "RAMB18E1": 3, "RAMB36E1": 1,
                        "DSP48E1": 2, "CARRY4": 7})  # fmt: skip
    assert used == Utilization(logic_luts=6, lutram=8, srl=3, ffs=9, bram18=5, dsps=2)
    assert (used.luts, used.bram36) == (17, 3)
    assert (used + used).luts == 34


def test_cell_of_unknown_size():
    with pytest.raises(BuildError, match="cells of unknown size: LUT7; add them"):
        utilization({"LUT6": 1, "LUT7": 1})


def test_processing_systems_and_their_clock_buffers_take_no_sites():
    assert utilization({"PS7": 1, "BUFG": 1, "PS8": 1, "BUFG_PS": 1}) == Utilization()


def test_a_limit_counts_processor_time_alone(tmp_path):
    (tmp_path / "product.v").write_text(
        "module product(input [31:0] a, b, output [63:0] y); assign y = a * b; endmodule"
    )
    once = [["design", "-reset"], ["read_verilog", "product.v"], ["synth", "-top", "product"]]
    with pytest.raises(SynthesisEndedError, match="^product: Yosys is not done after 1 s of processor time$"):
        asyncio.run(run_passes("product", once * 100, tmp_path, 0.9))
    asyncio.run(run_passes("pause", [["exec", "--", "sleep", "2"]], tmp_path, 2.0))
