"""Instances as they stand in the text of a top, and the files that each needs."""

import pytest

from hw_build.base.errors import BuildError
from hw_build.implement.synth.instances import Instance, read_instances, sources_of

TOP = """
module top #(
  parameter bit GAUGE = 1'b0
) (
  input  wire logic clk
);
  if (GAUGE) begin : g_now
    logic [31:0] now_q = '0;
  end
  stream_edge #(.WIDTH(24), .DEPTH(64), .BEATS_PER_FRAME(1024), .INDEX(3), .GAUGE(GAUGE)) edge_3 (
    .ap_clk(clk), .s_axis_tdata(p3_tdata)
  );
  zero_pad_axi #(
    .BEAT (6),
    .RAM_STYLE("block (of 18 Kbit)"),
    .WEIGHTS(8'hf0)
  ) ZeroPad_rtl_0 (
    .ap_clk(clk)
  );
  swg_3 swg_3 (
    .ap_clk(clk)
  );
endmodule
"""


def test_instances_of_every_form_with_the_parameters_that_reach_logic():
    assert read_instances(TOP, "top") == [
        Instance(name="edge_3", module="stream_edge", parent="top", parameters={"WIDTH": "24", "DEPTH": "64"}),
        Instance(
            name="ZeroPad_rtl_0",
            parent="top",
            module="zero_pad_axi",
            parameters={"BEAT": "6", "RAM_STYLE": '"block (of 18 Kbit)"', "WEIGHTS": "8'hf0"},
        ),
        Instance(name="swg_3", module="swg_3", parent="top", parameters={}),
    ]


def test_instance_that_cannot_be_read_is_not_passed_over():
    with pytest.raises(BuildError, match=r"top.sv opens 3 instances, 2 can be read"):
        read_instances(TOP.replace(".WEIGHTS(8'hf0)", ".WEIGHTS(f(8))"), "top")


@pytest.fixture
def files(tmp_path):
    texts = {
        "kinds_pkg.sv": "package kinds_pkg; typedef logic bit_t; endpackage",
        "leaf.sv": "module leaf (input kinds_pkg::bit_t a); endmodule",
        "other.sv": "module other; endmodule",
        "whole.sv": "// of leaves\nmodule whole (input a);\n  leaf one (.a);\nendmodule",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def test_sources_are_those_that_the_module_reaches_in_their_order(files):
    assert [path.name for path in sources_of("whole", files)] == ["kinds_pkg.sv", "leaf.sv", "whole.sv"]
    assert [path.name for path in sources_of("other", files)] == ["other.sv"]
    with pytest.raises(BuildError, match="module none is in none of the 4 sources"):
        sources_of("none", files)
