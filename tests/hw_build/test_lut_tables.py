"""Tables of LUTs in FASM and in the routed netlist, on a tile grid of two tiles."""

import json
from pathlib import Path

import numpy as np
import pytest

from hw_build.base.errors import BuildError, MismatchError
from hw_build.implement.bitstream.fasm import set_features
from hw_build.implement.bitstream.lut_tables import compare_tables, read_slices
from hw_build.implement.netlist.routed_luts import Site

SLICES = {
    "SLICE_X8Y4": "CLBLL_L_X3Y4.SLICEL_X0", "SLICE_X9Y4": "CLBLL_L_X3Y4.SLICEL_X1",
    "SLICE_X10Y4": "CLBLM_R_X4Y4.SLICEM_X0", "SLICE_X11Y4": "CLBLM_R_X4Y4.SLICEL_X1",
}  # fmt: skip


def site(slice_name, letter, init):
    """A site with a LUT6 of table ``init``, its inputs as they are."""
    attributes = {"X_ORIG_TYPE": "LUT6", **{f"X_ORIG_PORT_A{place + 1}": f"I{place}" for place in range(6)}}
    cell = {"type": "SLICE_LUTX", "attributes": attributes, "parameters": {"INIT": f"{init:064b}"}, "connections": {}}
    return Site(slice_name, letter, {"O6": ("lut", cell)})


def test_slices_have_the_names_of_fasm(tmp_path):
    grid = {
        "CLBLM_R_X4Y4": {"type": "CLBLM_R", "sites": {"SLICE_X11Y4": "SLICEL", "SLICE_X10Y4": "SLICEM"}},
        "CLBLL_L_X3Y4": {"type": "CLBLL_L", "sites": {"SLICE_X9Y4": "SLICEL", "SLICE_X8Y4": "SLICEL"}},
        "BRAM_L_X0Y0": {"type": "BRAM_L", "sites": {"RAMB18_X0Y0": "RAMB18E1"}},
    }
    (tmp_path / "xc7z020").mkdir()
    (tmp_path / "xc7z020" / "tilegrid.json").write_text(json.dumps(grid))
    assert read_slices(tmp_path, "xc7z020clg400-1") == SLICES
    with pytest.raises(BuildError, match=r"Project X-Ray's tile grid '.*xc7z010.tilegrid.json' cannot be read \(.*\)"):
        read_slices(tmp_path, "xc7z010clg225-1")


def compare(lines):
    table = int("".join(np.random.default_rng(5).choice(["0", "1"], 64)), 2)
    sites = [site("SLICE_X10Y4", "C", table), site("SLICE_X9Y4", "A", 0)]
    asked = set_features([line.format(table=table, other=table ^ 2) for line in lines], "edgeseg.fasm")
    return compare_tables(sites, asked, SLICES, Path("edgeseg.fasm"))


def test_equal_tables_are_counted_with_those_of_zeros():
    assert compare(["CLBLM_R_X4Y4.SLICEM_X0.CLUT.INIT[63:0] = 64'd{table}", "CLBLM_R_X4Y4.SLICEM_X0.CLUT.RAM"]) == 2


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["CLBLM_R_X4Y4.SLICEM_X0.CLUT.INIT[63:0] = 64'd{other}"], "CLBLM_R_X4Y4.SLICEM_X0.CLUT.INIT is 64'h.{16} in"),
        ([], "CLBLM_R_X4Y4.SLICEM_X0.CLUT.INIT is 64'h0{16} in 'edgeseg.fasm' and 64'h.{16} in the routed netlist"),
        (
            ["CLBLM_R_X4Y4.SLICEM_X0.CLUT.INIT[63:0] = 64'd{table}", "CLBLM_R_X4Y4.SLICEL_X1.DLUT.INIT[4]"],
            "CLBLM_R_X4Y4.SLICEL_X1.DLUT.INIT is 64'h0{14}10 in 'edgeseg.fasm' and 64'h0{16} in the routed netlist",
        ),
    ],
)
def test_first_table_that_differs_is_named(lines, sentence):
    with pytest.raises(MismatchError, match=sentence):
        compare(lines)
