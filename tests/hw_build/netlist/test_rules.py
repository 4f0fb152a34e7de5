"""What a netlist must be before it is handed on: each rule is broken on purpose and names cell and pin."""

import copy

import pytest

from hw_build.errors import BuildError
from hw_build.netlist.rules import check_netlist


def ports(**pins):
    """Ports of a module: a name that begins with ``out`` or Q, O or DO is an output; values are widths."""
    return {
        "ports": {
            name: {"direction": "output" if name[0] in "OQ" or name[:2] == "DO" else "input", "bits": [0] * width}
            for name, width in pins.items()
        }
    }


LIBRARY = {
    "LUT2": ports(I0=1, I1=1, O=1),
    "FDRE": ports(C=1, CE=1, D=1, R=1, Q=1),
    "DSP48E1": ports(A=2, CEA1=1, CEA2=1, CED=1, CEAD=1, RSTD=1, CECTRL=1, CARRYCASCIN=1, CARRYINSEL=3, O=1),
    "RAM32M": ports(DIA=2, DID=2, DOA=2, DOD=2, WE=1),
    "RAMB36E1": ports(CASCADEINA=1, INJECTSBITERR=1, ENARDEN=1, O=1),
    "PS7": ports(MAXIGP0ARREADY=1, SAXIHP1ARVALID=1, IRQF2P=2, O=1),
}


def cell(kind, parameters=None, **pins):
    directions = {name: port["direction"] for name, port in LIBRARY.get(kind, {"ports": {}})["ports"].items()}
    return {
        "type": kind,
        "parameters": parameters or {},
        "connections": pins,
        "port_directions": {name: directions.get(name, "input") for name in pins},
    }


def modules(**cells):
    """A module ``top`` with input wires 2 and 3 and output wire 9."""
    own = {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [9]}}
    return {**copy.deepcopy(LIBRARY), "top": {"ports": own, "cells": cells}}


WHOLE = {"lut": cell("LUT2", I0=[2], I1=["1"], O=[9])}


def test_whole_netlists_pass():
    check_netlist(modules(**WHOLE), "top")
    register = cell("FDRE", C=[2], CE=["1"], D=[9], R=["0"], Q=[4])
    check_netlist(modules(lut=cell("LUT2", I0=[4], I1=[3], O=[9]), register=register), "top")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"lut": cell("LUT2", I0=[2], I1=[8], O=[9])}, "LUT2 'lut': nobody drives all bits of its input I1"),
        ({"lut": cell("LUT2", I0=[2], I1=["x"], O=[9])}, "LUT2 'lut': nobody drives all bits of its input I1"),
        ({"lut": cell("LUT2", I0=[2], O=[9])}, "LUT2 'lut': nothing is connected to its input I1"),
        ({"lut": cell("LUT2", I0=[2, 3], I1=[3], O=[9])}, "LUT2 'lut': 2 wires at pin I0 of 1 bits"),
        ({"lut": cell("LUT2", I0=[2], I1=[3], I7=[3], O=[9])}, "LUT2 'lut': it has no pin I7"),
        ({"odd": cell("LUT9", I0=[2], O=[9])}, "LUT9 'odd': no such cell is known"),
        ({**WHOLE, "twin": cell("LUT2", I0=[2], I1=[3], O=[9])}, "LUT2 'lut': 2 cells drive a wire at its pin O"),
    ],
)
def test_each_rule_names_cell_and_pin(cells, sentence):
    with pytest.raises(BuildError) as raised:
        check_netlist(modules(**cells), "top")
    assert str(raised.value) == f"the netlist of top is not whole: {sentence}"


ZERO = dict.fromkeys(("AREG", "DREG", "ADREG", "OPMODEREG", "CARRYINSELREG"), "0")
DSP = {"A": [2, 3], "CARRYINSEL": ["0", "0", "0"], "O": [9]}
MEMORY = {"DOA": [4, 5], "DOD": [6, 7], "WE": ["1"]}


@pytest.mark.parametrize(
    ("blind", "looking", "pin"),
    [
        (cell("DSP48E1", ZERO, **DSP), cell("DSP48E1", {**ZERO, "AREG": "1"}, CEA1=["0"], **DSP), "CEA2"),
        (cell("DSP48E1", ZERO, **DSP), cell("DSP48E1", {**ZERO, "DREG": "1"}, **DSP), "CED"),
        (cell("DSP48E1", ZERO, **DSP), cell("DSP48E1", {**ZERO, "ADREG": "1"}, CED=["0"], **DSP), "CEAD"),
        (cell("DSP48E1", ZERO, **DSP), cell("DSP48E1", {**ZERO, "OPMODEREG": "1"}, **DSP), "CECTRL"),
        (cell("DSP48E1", ZERO, **DSP), cell("DSP48E1", ZERO, **{**DSP, "CARRYINSEL": ["0", 2, "0"]}), "CARRYCASCIN"),
        (
            cell("RAMB36E1", ENARDEN=["1"], O=[9]),
            cell("RAMB36E1", {"RAM_EXTENSION_A": "UPPER"}, ENARDEN=["1"], O=[9]),
            "CASCADEINA",
        ),
        (
            cell("PS7", MAXIGP0ARREADY=["1"], IRQF2P=["0", 2], O=[9]),
            cell("PS7", MAXIGP0ARREADY=["1"], O=[9]),
            "IRQF2P",
        ),
    ],
)
def test_open_inputs_only_where_the_cell_does_not_look(blind, looking, pin):
    check_netlist(modules(cell=blind), "top")
    with pytest.raises(BuildError, match=f"'cell': nothing is connected to its input {pin}"):
        check_netlist(modules(cell=looking), "top")


def test_bits_of_a_memory_that_nobody_reads_may_be_unknown():
    unread = cell("RAM32M", DIA=[2, "x"], **MEMORY)
    reader = cell("LUT2", I0=[4], I1=["0"], O=[9])
    check_netlist(modules(ram=unread, lut=reader), "top")
    with pytest.raises(BuildError, match="RAM32M 'ram': nobody drives all bits of its input DIA"):
        check_netlist(modules(ram=unread, lut=cell("LUT2", I0=[5], I1=["0"], O=[9])), "top")
    with pytest.raises(BuildError, match="RAM32M 'ram': nothing is connected to its input DIA"):
        check_netlist(modules(ram=cell("RAM32M", **MEMORY), lut=reader), "top")
