"""What nextpnr leaves after routing, told as primitives again: recorded cells of each kind, LUTs packed at random.

``routed_cells.json`` holds cells of a small device: ``routed`` as nextpnr-xilinx wrote them, less some of their ports,
``given`` as it was given them, wires numbered alike where nextpnr kept their names; and the ports of their primitives.
"""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.implement.netlist.routed import primitive, read_routed, unpack
from hw_build.implement.netlist.routed_luts import luts, memories, sites
from hw_build.implement.netlist.routed_pins import Ties

RECORDED = json.loads(Path(__file__).with_name("routed_cells.json").read_text())
GND, VCC = 1000, 1001
TIES = Ties({GND: "0", VCC: "1"})


def declared(kind):
    """The declaration of a primitive as Yosys' JSON has it."""
    ports = RECORDED["declared"].get(kind, {})
    return {"ports": {name: {"direction": way, "bits": [0] * width} for name, (way, width) in ports.items()}}


def packed(kind, bel, pins, outputs=(), parameters=None, original=None, **attributes):
    """A cell of nextpnr's JSON: ``pins`` name -> wire; ``original`` name -> port of the primitive."""
    attributes |= {f"X_ORIG_PORT_{pin}": port for pin, port in (original or {}).items()}
    return {
        "type": kind, "parameters": parameters or {}, "attributes": {"NEXTPNR_BEL": bel, **attributes},
        "port_directions": {pin: "output" if pin in outputs else "input" for pin in pins},
        "connections": {pin: [] if wire is None else [wire] for pin, wire in pins.items()},
    }  # fmt: skip


def lut(bel, pins, output, init, inputs):
    """A packed LUT; ``inputs`` pin -> input of the original."""
    port = "O6" if bel.endswith("6LUT") else "O5"
    original = {**dict(inputs.items()), port: "O"}
    return packed("SLICE_LUTX", bel, {**pins, port: output}, (port,), {"INIT": init}, original,
                  X_ORIG_TYPE=f"LUT{len(set(inputs.values()))}")  # fmt: skip


def function(cell, values):
    """What a LUT in Yosys' JSON gives where wire w has value values[w]."""
    pins = [cell["connections"][f"I{index}"][0] for index in range(int(cell["type"][-1]))]
    index = sum((int(bit) if bit in ("0", "1") else values[bit]) << place for place, bit in enumerate(pins))
    return cell["parameters"]["INIT"][::-1][index]


@pytest.mark.parametrize("seed", range(40))
def test_permuted_luts_of_a_site_keep_their_functions(seed):
    rng = np.random.default_rng(seed)
    pins = [f"A{place}" for place in range(1, 7)]
    two = bool(rng.integers(2))
    sizes = (int(rng.integers(1, 6)), int(rng.integers(1, 6))) if two else (int(rng.integers(1, 7)),)
    wires = dict(zip(pins, rng.choice([2, 3, 4, 5, 6, 7, GND, VCC], 6, replace=False).tolist(), strict=True))
    if two:
        wires["A6"] = VCC
    cells, originals = {}, {}
    for bel, size, target in zip(("B6LUT", "B5LUT"), sizes, (20, 21), strict=False):
        taken = rng.permutation(pins[: 5 if two else 6])[:size].tolist()
        init = "".join(rng.choice(["0", "1"], 1 << size))
        at = {pin: wires[pin] for pin in taken} | ({"A6": VCC} if two else {})
        cells[bel] = lut(f"SLICE_X2Y3/{bel}", at, target, init, {pin: f"I{place}" for place, pin in enumerate(taken)})
        originals[bel] = (init, [wires[pin] for pin in taken])
    made = luts(sites(cells), TIES)
    assert made.keys() == cells.keys()
    free = (2, 3, 4, 5, 6, 7)
    for bits in itertools.product((0, 1), repeat=6):
        values = {**dict(zip(free, bits, strict=True)), GND: 0, VCC: 1}
        for bel, (init, inputs) in originals.items():
            index = sum(values[wire] << place for place, wire in enumerate(inputs))
            assert function(made[bel], values) == init[::-1][index], f"seed {seed}"
    for bel, cell in made.items():
        assert cell["connections"]["O"] == [20 if bel == "B6LUT" else 21]
        assert set(itertools.chain(*cell["connections"].values())) - {"0", 20, 21} <= {*originals[bel][1]} & {*free}


def test_two_inputs_at_one_pin_unknown_bits_and_open_outputs():
    both = lut("SLICE_X0Y0/A6LUT", {"A1": 2, "A3": 3}, 9, "1x00", {"A1": "I0", "A3": "I1"})  # and
    joined = lut("SLICE_X0Y1/A6LUT", {"A2": 2, "A4": None}, 9, "0110", {"A2": "I0"})
    joined["attributes"] |= {"X_ORIG_PORT_A2": "I0 I1", "X_ORIG_TYPE": "LUT2"}
    unread = lut("SLICE_X0Y2/A6LUT", {"A1": 2}, None, "01", {"A1": "I0"})
    made = luts(sites({"both": both, "joined": joined, "unread": unread}), TIES)
    assert made.keys() == {"both", "joined"}
    assert (made["both"]["type"], made["both"]["parameters"]["INIT"]) == ("LUT2", "1000")
    assert (made["joined"]["type"], made["joined"]["parameters"]["INIT"]) == ("LUT1", "00")  # 2 xor 2


def fault(name, cell, kind, text):
    return re.escape(f"the routed netlist cannot be simulated: {kind} '{name}': {text}")


@pytest.mark.parametrize(
    ("attributes", "wires", "text"),
    [
        ({"X_ORIG_TYPE": "SRL16E"}, {}, "no rule leads back from what nextpnr makes of such a cell"),
        (
            {"NEXTPNR_BEL": "RAMB18_X0Y0/RAMB18E1"},
            {},
            "it lies at 'RAMB18_X0Y0/RAMB18E1', which is not a place of a LUT",
        ),
        ({"X_ORIG_PORT_A1": "I0I1 "}, {}, "pin A1 stands for 'I0I1', which is not an input of it"),
        ({}, {"A6": [7]}, "pin A6 is not high, and another cell shares its site"),
        ({}, {"A1": [7]}, "it and the other cell of its site have different wires at pin A1"),
    ],
)
def test_luts_that_cannot_be_told_are_named(attributes, wires, text):
    a = lut("SLICE_X0Y0/C6LUT", {"A1": 2, "A6": VCC}, 8, "10", {"A1": "I0"})
    b = lut("SLICE_X0Y0/C5LUT", {"A1": 2}, 9, "10", {"A1": "I0"})
    a["attributes"] |= attributes
    a["connections"] |= wires
    with pytest.raises(BuildError, match=fault("a", a, a["attributes"]["X_ORIG_TYPE"], text)):
        luts(sites({"a": a, "b": b}), TIES)


def ram(bel, data, output, init=None, kind="RAMD64E"):
    """A LUT that is a memory, written at wires 30.., read at 40..; that of place D is read where it is written."""
    bits = 6 if kind == "RAMD64E" else 5
    read = 30 if "/D" in bel else 40
    port, into = ("O5", "DI1") if bel.endswith("5LUT") else ("O6", "DI1" if bits == 6 else "DI2")
    pins = {f"A{place + 1}": read + place for place in range(bits)}
    pins |= {f"WA{place + 1}": 30 + place for place in range(bits)}
    original = {f"A{place + 1}": f"RADR{place}" for place in range(bits)} | {port: "O", into: "I"}
    parameters = {"IS_WCLK_INVERTED": "0"} | ({} if init is None else {"INIT": init})
    pins |= {into: data, "CLK": 2, "WE": 3, "WA7": None, port: output}
    return packed("SLICE_LUTX", bel, pins, (port,), parameters, original, X_ORIG_TYPE=kind)


def test_memories_are_dual_port_rams_of_what_is_read():
    cells = {
        "a": ram("SLICE_X0Y0/A6LUT", 50, 60, "1" + "x" * 63), "b": ram("SLICE_X0Y0/B6LUT", 51, 61),
        "unread": ram("SLICE_X0Y0/C6LUT", None, 62), "d": ram("SLICE_X0Y0/D6LUT", 53, 63),
        "half": ram("SLICE_X2Y0/A5LUT", 54, 64, "01" * 16, "RAMD32"),
        "other": ram("SLICE_X2Y0/A6LUT", 55, 65, kind="RAMD32"),
    }  # fmt: skip
    made = memories(sites(cells), TIES, {60, 61, 63, 64, 65})
    assert {name: cell["type"] for name, cell in made.items()} == {
        "a": "RAM64X1D", "b": "RAM64X1D", "d": "RAM64X1D", "half": "RAM32X1D", "other": "RAM32X1D"
    }  # fmt: skip
    assert made["a"]["parameters"]["INIT"] == "1" + "0" * 63 and made["half"]["parameters"]["INIT"] == "01" * 16
    assert made["b"]["parameters"]["INIT"] == "0" * 64
    pins = made["b"]["connections"]
    assert pins == {
        "D": [51], "WCLK": [2], "WE": [3], "DPO": [61], **{f"A{place}": [30 + place] for place in range(6)},
        **{f"DPRA{place}": [40 + place] for place in range(6)},
    }  # fmt: skip
    assert made["d"]["connections"]["DPRA5"] == [35] and made["other"]["connections"]["D"] == [55]
    assert luts(sites(cells), TIES) == {}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a["parameters"].update(IS_WCLK_INVERTED="1"), "its clock is inverted, which nextpnr does not write"),
        (lambda a: a["connections"].update(WA7=[9]), "it is a part of a deeper memory"),
        (lambda a: a["connections"].update(WA2=[9]), "its slice's D LUT does not have its write address"),
        (lambda a: a["connections"].update(DI1=[]), "one of its pins is open, and it is read"),
        (lambda a: a["attributes"].update(X_ORIG_PORT_A2="RADR0"), "pin A2 is not bit 1 of its address"),
    ],
)
def test_memories_that_cannot_be_told_are_named(change, text):
    cells = {"a": ram("SLICE_X0Y0/A6LUT", 50, 60), "d": ram("SLICE_X0Y0/D6LUT", 53, 63)}
    change(cells["a"])
    with pytest.raises(BuildError, match=fault("a", cells["a"], "RAMD64E", text)):
        memories(sites(cells), TIES, {60, 63})


@pytest.mark.parametrize("name", sorted(RECORDED["cells"]))
def test_recorded_cells_are_what_nextpnr_was_given(name):
    routed, given = RECORDED["cells"][name]["routed"], RECORDED["cells"][name]["given"]
    made = primitive(name, routed, TIES, {given["type"]: declared(given["type"])}, itertools.count(5000))
    assert made["type"] == given["type"]
    for port, wires in given["connections"].items():
        inward = made["port_directions"].get(port) == "input"
        for place, bit in enumerate(wires):
            if bit is None or (bit == "x" and inward):  # None: an output that nobody reads; x: nobody looks at it
                continue
            assert made["connections"][port][place] == bit, f"{port}[{place}]"
    for key, value in given["parameters"].items():
        same = made["parameters"].get(key, "0")
        if re.fullmatch("[01x]+", value):
            value, same = value.replace("x", "0").lstrip("0"), same.lstrip("0")
        assert same == value, key


def flip_flop(**parameters):
    pins = {"CK": 2, "CE": None, "SR": None, "D": 3, "Q": 4}
    original = {"CK": "C", "CE": "CE", "SR": "R", "D": "D", "Q": "Q"}
    return packed("SLICE_FFX", "SLICE_X0Y0/AFF", pins, ("Q",), parameters, original, X_ORIG_TYPE="FDRE")


def carry(pins, **more):
    """A packed CARRY4 with these pins: name of nextpnr -> wire."""
    original = {pin: "CI" if pin == "CIN" else re.sub(r"(\d)$", r"[\1]", pin) for pin in pins}
    outputs = [pin for pin in pins if re.fullmatch(r"C?O\d", pin)]
    return packed("CARRY4", "SLICE_X0Y0/CARRY4", pins, outputs, more, original, X_ORIG_TYPE="CARRY4")


def buffer(**more):
    pins = {"I0": 5, "O": 6, "CE0": VCC, "S0": VCC, "IGNORE0": VCC, "S1": VCC, "CE1": VCC} | more
    inverted = {"IS_S1_INVERTED": "0001", "IS_CE1_INVERTED": "01"}
    return packed("BUFGCTRL", "BUFGCTRL_X0Y0/BUFGCTRL", pins, ("O",), inverted)


def told(cell):
    kind = cell["attributes"].get("X_ORIG_TYPE", cell["type"])
    return primitive("c", cell, TIES, {kind: declared(kind)}, itertools.count(5000))


def test_flip_flop_without_enable_reset_or_start_value():
    made = told(flip_flop(INIT="x", IS_C_INVERTED="0"))
    assert made["connections"] == {"C": [2], "CE": ["1"], "R": ["0"], "D": [3], "Q": [4]}
    assert made["parameters"] == {"INIT": "0"} and told(flip_flop())["parameters"] == {"INIT": "0"}
    assert told(flip_flop(INIT="1"))["parameters"] == {"INIT": "1"}


def test_clock_buffer_that_always_runs():
    assert told(buffer())["connections"] == {"I": [5], "O": [6]}


def test_open_top_of_a_carry_chain_is_low():
    made = told(carry({"CIN": 7, "S0": 10, "DI0": 20, "O0": 30, "CO0": None, "S1": 11, "O1": 31}))
    assert made["connections"]["S"] == [10, 11, "0", "0"] and made["connections"]["DI"] == [20, "0", "0", "0"]
    assert made["connections"]["CI"] == [7] and made["connections"]["CYINIT"] == ["0"]
    assert made["connections"]["O"][:2] == [30, 31]


def block(kind, pins, **parameters):
    original = {pin: re.sub(r"(\d+)$", r"[\1]", pin) for pin in pins}
    return packed(f"{kind}_{kind}", "X0Y0", pins, (), parameters, original, X_ORIG_TYPE=kind)


def test_inversions_of_constants_are_in_them_and_those_of_wires_stay():
    modes = {f"OPMODE{place}": VCC for place in range(6)} | {"OPMODE6": 9, "CLK": 8}
    cell = block("DSP48E1", modes, **{"IS_OPMODE[1]_INVERTED": "01", "IS_OPMODE[6]_INVERTED": "1", "PREG": "1"})
    cell["attributes"] |= {"DSP_GND_PINS": " D0", "DSP_VCC_PINS": " CED "}
    cell["attributes"] |= {f"X_ORIG_PORT_D{place}": f"D[{place}]" for place in range(25)} | {"X_ORIG_PORT_CED": "CED"}
    cell["connections"] |= {f"D{place}": [40 + place] if place else [] for place in range(25)} | {"CED": []}
    made = told(cell)
    assert made["connections"]["OPMODE"] == ["1", "0", "1", "1", "1", "1", 9]
    assert made["parameters"]["IS_OPMODE_INVERTED"] == "1000000" and made["parameters"]["PREG"] == "1"
    assert made["connections"]["D"] == ["0", *range(41, 65)] and made["connections"]["CED"] == ["1"]
    assert made["connections"]["ACIN"] == ["0"] * 30 and made["parameters"]["MREG"] == "0"  # as nextpnr writes it


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (packed("IDDR", "X0Y0/A", {}, X_ORIG_TYPE="IDDR"), "no rule leads back from what nextpnr makes of such a cell"),
        (flip_flop(IS_C_INVERTED="01"), "IS_C_INVERTED is set, which nextpnr does not write"),
        (buffer(S0=9), "S0 is not a constant: only a buffer that always runs is known"),
        (buffer(CE0=GND), "it does not let I0 through for good"),
        (carry({"S0": 10, "O0": 30, "O1": 31, "S1": 11}), "DI[0] is open, and an output that it reaches is used"),
        (carry({"S0": 10, "DI0": 20, "O3": 30}), "S[1] is open, and an output that it reaches is used"),
        (block("RAMB18E1", {}, INIT_A="0001"), "INIT_A is not zero, which nextpnr does not write"),
        (block("RAMB18E1", {"RSTRAM0": 9}), "it has no port RSTRAM"),
        (block("RAMB36E1", {"ADDRARDADDR3": 9}), "nothing is connected to its input ADDRARDADDR[0]"),
        (packed("PS7_PS7", "PS7_X0Y0/PS7", {"NEW": 9}, X_ORIG_TYPE="PS7"), "a wire at pin NEW, which nextpnr added"),
        (
            packed("RAMB36E1_RAMB36E1", "X0Y0", {"AL": 8, "AU": 9}, X_ORIG_TYPE="RAMB36E1",
                   original={"AL": "ADDRARDADDR[2]", "AU": "ADDRARDADDR[2]"}),
            "pins of ADDRARDADDR[2] have different wires",
        ),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_told_are_named(cell, text):
    kind = cell["attributes"].get("X_ORIG_TYPE", cell["type"])
    with pytest.raises(BuildError, match=fault("c", cell, kind, text)):
        primitive("c", cell, TIES, {kind: declared(kind)} if kind != "IDDR" else {}, itertools.count(5000))


def device(**more):
    """A toggling flip-flop behind an inverter, whose clock is a tie: whole, and of no use."""
    tie = {"attributes": {}, "parameters": {}, "port_directions": {"Y": "output"}}
    cells = {
        "q": flip_flop(INIT="1"), "n": lut("SLICE_X0Y0/A6LUT", {"A4": 4, "A6": VCC}, 3, "01", {"A4": "I0"}),
        "gnd": {"type": "PSEUDO_GND", "connections": {"Y": [GND]}, **tie},
        "vcc": {"type": "PSEUDO_VCC", "connections": {"Y": [VCC]}, **tie}, **more,
    }  # fmt: skip
    cells["q"]["connections"]["CK"] = [VCC]
    return {"cells": cells, "netnames": {}, "ports": {}}


def given():
    inverter = {"ports": {"I0": {"direction": "input", "bits": [1]}, "O": {"direction": "output", "bits": [2]}}}
    return {"modules": {"FDRE": declared("FDRE"), "LUT1": inverter}}


def test_a_whole_device_is_a_netlist_again():
    modules = unpack(device(), given(), "edgeseg_top")["modules"]
    assert modules.keys() == {"FDRE", "LUT1", "edgeseg_top"}
    cells = modules["edgeseg_top"]["cells"]
    assert {name: cell["type"] for name, cell in cells.items()} == {"q": "FDRE", "n": "LUT1"}
    assert cells["n"]["connections"] == {"I0": [4], "O": [3]} and cells["q"]["connections"]["C"] == ["1"]


def test_a_device_that_is_not_whole_is_refused():
    routed = device()
    routed["cells"]["n"]["connections"]["O6"] = [77]
    with pytest.raises(BuildError, match="the netlist of t is not whole: FDRE 'q': nobody drives all"):
        unpack(routed, given(), "t")


@pytest.mark.parametrize("text", [None, "{", "{}", '{"modules": {"a": {}, "b": {}}}'])
def test_netlist_that_nextpnr_did_not_write_whole_is_named(tmp_path, text):
    path = tmp_path / "routed.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BuildError, match=r"nextpnr's netlist '.*routed.json' cannot be read \(.*\): run the flow"):
        read_routed(path)
    path.write_text(json.dumps({"modules": {"top": device()}}))
    assert read_routed(path) == device()
