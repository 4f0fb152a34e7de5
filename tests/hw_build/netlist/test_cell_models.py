"""The cells modelled here: LUTs and carry chains proved to be Yosys', block RAM that refuses what it does not model."""

import asyncio
import ctypes
import re
from pathlib import Path

import pytest

from hw_build.implement.netlist.cell_models import FAST_CELLS, cell_models
from hw_build.implement.synth.yosys import SynthesisError, run_passes
from hw_build.simulate.build import build_library
from hw_build.simulate.primitives import cell_library

CELLS = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "CARRY4")
FAST = FAST_CELLS.read_text()


def with_tables_as_inputs(text):
    """The modules in ``text``, their parameter INIT an input: a proof about it holds for all tables."""
    found = []
    for name in CELLS:
        (module,) = re.findall(rf"^module {name}\b.*?^endmodule$", text, re.MULTILINE | re.DOTALL)
        table = re.search(r"parameter (?:logic )?(\[\s*\d+:0\]) INIT = [^;\n]*;?", module)
        if table:
            rest = re.sub(r"#\(\s*\)", "", module.replace(table[0], ""))
            module = rest.replace("(", f"(input wire {table[1]} INIT, ", 1)
        found.append(module)
    return "\n\n".join(found)


def prove_cells_equal(fast, folder, cells=CELLS):
    """Each of ``cells`` in the text ``fast`` gives what Yosys' model gives, for all inputs and tables.

    Raises:
        SynthesisError: one does not.
    """
    passes = []
    for side, text in (("gold", cell_library("cells_sim.v").read_text()), ("gate", fast)):
        (folder / f"{side}.sv").write_text(with_tables_as_inputs(text))
        passes += [["read_verilog", "-sv", str(folder / f"{side}.sv")], ["proc"]]
        passes += [["rename", cell, f"{cell}_{side}"] for cell in CELLS]
    for cell in cells:
        passes.append(["miter", "-equiv", "-flatten", f"{cell}_gold", f"{cell}_gate", f"{cell}_both"])
        passes.append(["sat", "-verify", "-prove", "trigger", "0", f"{cell}_both"])
    asyncio.run(run_passes("cells", passes, folder))


def test_luts_of_any_table_and_carry_chains_are_those_of_yosys(tmp_path):
    prove_cells_equal(FAST, tmp_path)
    for side in ("gold", "gate"):  # what was compared is what the files say, with the table as an input
        text = (tmp_path / f"{side}.sv").read_text()
        assert "parameter" not in text and len(re.findall(r"\(input wire \[\s*\d+:0\] INIT, ", text)) == 6


WRONG = {
    "LUT2": ("INIT[{I1, I0}]", "INIT[{I0, I1}]"),
    "LUT6": ("{I5, I4, I3,", "{I5, I3, I4,"),
    "CARRY4": ("S[2] ? c2 : DI[2]", "S[2] ? c2 : DI[1]"),
}


@pytest.mark.parametrize("cell", WRONG)
def test_wrong_model_of_a_cell_is_found(cell, tmp_path):
    right, wrong = WRONG[cell]
    assert FAST.count(right) == 1
    with pytest.raises(SynthesisError, match="cells: Yosys refuses it: ERROR: Called with -verify and proof did fail!"):
        prove_cells_equal(FAST.replace(right, wrong), tmp_path, [cell])


INVERTIBLE = ("CLKARDCLK", "CLKBWRCLK", "ENARDEN", "ENBWREN", "RSTRAMARSTRAM", "RSTRAMB", "RSTREGARSTREG", "RSTREGB")
NOT_MODELLED = {
    **{f"output_register_{port}": f".DO{port}_REG(1)" for port in "AB"},
    **{f"cascade_{port}": f'.RAM_EXTENSION_{port}("UPPER")' for port in "AB"},
    **{f"inverted_{pin}": f".IS_{pin}_INVERTED(1'b1)" for pin in INVERTIBLE},
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Instance -> why it ends a simulation: block RAM of both sizes, sound and with one parameter that is not modelled.

    Compiled as a device netlist is, without assertions; the driver notes each $fatal and goes on.
    """
    folder = tmp_path_factory.mktemp("ramb")
    memories = "".join(
        f"  RAMB{kbits}E1 #({parameter}) k{kbits}_{name} (.CLKARDCLK(clk), .CLKBWRCLK(clk));\n"
        for kbits in (18, 36)
        for name, parameter in {"sound": ".READ_WIDTH_A(18)", **NOT_MODELLED}.items()
    )
    library = build_library(
        "ramb", cell_models(folder), folder, driver=Path(__file__).with_name("fatal_driver.cpp"), fast=True,
        generated={"sim_top.sv": f"module sim_top (input logic clk);\n{memories}endmodule\n"},
    )  # fmt: skip
    start = ctypes.CDLL(str(library)).what_it_says_at_start
    start.restype = ctypes.c_char_p
    said = start().decode()
    found = dict(re.findall(r"%Fatal: .*sim_top\.(\w+): (\w.*)\n\s*\[stop\]", said))
    assert said.count("%Fatal") == len(found)
    return found


@pytest.mark.parametrize("kbits", [18, 36])
@pytest.mark.parametrize("parameter", NOT_MODELLED)
def test_block_ram_with_what_is_not_modelled_ends_the_simulation(stopped, kbits, parameter):
    said = "output registers, cascades and inverted pins are not modelled"
    assert stopped[f"k{kbits}_{parameter}"] == said


def test_block_ram_without_it_does_not(stopped):
    assert len(stopped) == 2 * len(NOT_MODELLED) == 24 and not stopped.keys() & {"k18_sound", "k36_sound"}
