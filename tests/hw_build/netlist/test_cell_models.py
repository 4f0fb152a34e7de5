"""Models of cells that stand before Yosys' own: proved to be of the same function."""

import asyncio

import numpy as np
import pytest

from hw_build.netlist.cell_models import FAST_CELLS, cell_models
from hw_build.sim import build
from hw_build.synth.primitives import cell_library
from hw_build.synth.yosys import SynthesisError, run_passes

LUT_SIZES = range(1, 7)


def prove(cell, folder, *, init="", fast=FAST_CELLS):
    """The model of ``cell`` in ``fast`` is that of Yosys; SynthesisError where it is not."""
    setting = [["chparam", "-set", "INIT", init, cell]] if init else []
    passes = []
    for name, read in (("gold", ["read_verilog", str(cell_library("cells_sim.v"))]),
                       ("gate", ["read_verilog", "-sv", str(fast)])):  # fmt: skip
        passes += [read, *setting, ["hierarchy", "-top", cell], ["proc"], ["opt_clean"], ["rename", "-top", name]]
        passes += [["design", "-stash", name]]
    passes += [["design", "-copy-from", name, "-as", name, name] for name in ("gold", "gate")]
    passes += [["miter", "-equiv", "-flatten", "gold", "gate", "proof"]]
    passes += [["sat", "-verify", "-prove", "trigger", "0", "proof"]]
    asyncio.run(run_passes(cell, passes, folder))


@pytest.mark.parametrize("inputs", LUT_SIZES)
def test_lut_of_any_table_is_that_of_yosys(inputs, tmp_path):
    rng = np.random.default_rng(inputs)
    table = "".join(rng.choice(["0", "1"], 1 << inputs))
    prove(f"LUT{inputs}", tmp_path, init=f"{1 << inputs}'b{table}")


def test_carry_chain_is_that_of_yosys(tmp_path):
    prove("CARRY4", tmp_path)


@pytest.mark.parametrize(
    ("cell", "init", "right", "wrong"),
    [
        ("LUT3", "8'b01101001", "{I2, I1, I0}", "{I1, I2, I0}"),
        ("LUT3", "8'b01100010", "{I2, I1, I0}", "{I1, I2, I0}"),
        ("CARRY4", "", "S[2] ? c2", "S[2] ? c1"),
    ],
)
def test_a_wrong_model_is_found_unless_its_table_hides_it(cell, init, right, wrong, tmp_path):
    text = FAST_CELLS.read_text()
    assert right in text
    broken = tmp_path / "broken.sv"
    broken.write_text(text.replace(right, wrong))
    if init == "8'b01101001":  # the same whatever the order of inputs
        prove(cell, tmp_path, init=init, fast=broken)
    else:
        with pytest.raises(SynthesisError, match="proof did fail"):
            prove(cell, tmp_path, init=init, fast=broken)


@pytest.mark.parametrize("parameter", ["DOA_REG(1)", 'RAM_EXTENSION_B("UPPER")', "IS_ENBWREN_INVERTED(1'b1)"])
def test_block_ram_that_is_not_modelled_stops_the_simulation(parameter, tmp_path):
    top = tmp_path / "ram_top.sv"
    top.write_text(f"module ram_top (input ap_clk, input ap_rst_n);\n  RAMB18E1 #(.{parameter}) ram ();\nendmodule\n")
    simulator = build("ram_top", [top, *cell_models(tmp_path)], tmp_path, inputs=[], outputs=[])
    with pytest.raises(Exception, match="output registers, cascades and inverted pins are not modelled"):
        simulator.run([], [])
