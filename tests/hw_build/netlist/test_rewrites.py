"""The rewrites that make a netlist placeable keep its function: case by case, and proved by Yosys with its cell models.

Each proof has its negative twin: a rewrite that is wrong in one place must be refused, with inputs that show it.
"""

import copy
import itertools
import json
from collections import Counter

import numpy as np
import pytest

from hw_build.implement.netlist.device import PLACEABLE
from hw_build.implement.netlist.dsp_pairs import pair_dsps
from hw_build.implement.netlist.fan_out import FAN_OUT, split_fan_out
from hw_build.implement.netlist.identical_cells import merge_identical_cells
from hw_build.implement.netlist.lut_inputs import simplify_luts
from hw_build.implement.netlist.replicate import GROUP, replicate_registers
from hw_build.implement.netlist.shift_registers import expand_shift_registers
from hw_build.implement.synth.yosys import SynthesisError
from tests.hw_build.netlist import designs
from tests.hw_build.netlist.designs import device_source, library, lut, mapped, module, shift_register
from tests.hw_build.netlist.proofs import prove_equal, prove_unread


def lut_output(cell, values):
    """What a LUT in Yosys' JSON gives where wire w has value values[w]."""
    pins = [cell["connections"][f"I{index}"][0] for index in range(int(cell["type"][-1]))]
    index = sum(values.get(bit, int(bit == "1")) << place for place, bit in enumerate(pins))
    return cell["parameters"]["INIT"][::-1][index]


@pytest.mark.parametrize(
    "pins", [[2, 3, 2], [2, 2], ["0", 3, "1", 4, 3], ["1", "1"], [2, 3, 4, 5, 6, 2], [2, "x", 3, 4]]
)
def test_luts_have_a_pin_for_every_wire_and_the_same_function(pins):
    rng = np.random.default_rng(len(pins))
    cell = {
        "type": f"LUT{len(pins)}",
        "parameters": {"INIT": "".join(rng.choice(["0", "1"], 1 << len(pins)))},
        "port_directions": {**{f"I{index}": "input" for index in range(len(pins))}, "O": "output"},
        "connections": {**{f"I{index}": [bit] for index, bit in enumerate(pins)}, "O": [9]},
    }
    before = json.loads(json.dumps(cell))
    assert simplify_luts({"cells": {"l": cell, "whole": json.loads(json.dumps(WHOLE_LUT))}}) == 1
    wires = sorted({bit for bit in pins if isinstance(bit, int)})
    assert cell["type"] == f"LUT{max(1, len(wires))}" and len(cell["parameters"]["INIT"]) == 1 << max(1, len(wires))
    assert cell["port_directions"].keys() == cell["connections"].keys() and cell["connections"]["O"] == [9]
    used = [cell["connections"][f"I{index}"][0] for index in range(max(1, len(wires)))]
    assert sorted(used) == (wires or ["0"])
    for bits in itertools.product((0, 1), repeat=len(wires)):
        values = dict(zip(wires, bits, strict=True))
        assert lut_output(cell, values) == lut_output(before, values)


WHOLE_LUT = {
    "type": "LUT2", "parameters": {"INIT": "0110"}, "port_directions": {"I0": "input", "I1": "input", "O": "output"},
    "connections": {"I0": [2], "I1": [3], "O": [4]},
}  # fmt: skip


def test_shift_registers_of_constant_length_become_flip_flops():
    cells = {
        "long": shift_register("0001000000000110", "1100", 5, 6),  # A = 3: four stages
        "short": shift_register("1", "0000", 6, 9),
        "variable": shift_register("0", ["0", 8, "0", "0"], 9, 10),
    }
    module = {"cells": cells, "netnames": {"n": {"bits": [20]}}}
    assert expand_shift_registers(module) == 2
    assert set(cells) == {"variable", "long$stage0", "long$stage1", "long$stage2", "long$stage3", "short$stage0"}
    wires = [5, 21, 22, 23, 6]
    for place, init in enumerate("0110"):  # bit 0 first: what entered last
        cell = cells[f"long$stage{place}"]
        pins = {"C": [2], "CE": [7], "D": [wires[place]], "R": ["0"], "Q": [wires[place + 1]]}
        assert (cell["type"], cell["parameters"]["INIT"], cell["connections"]) == ("FDRE", init, pins)
    assert cells["short$stage0"]["connections"]["D"] == [6] and cells["short$stage0"]["parameters"]["INIT"] == "1"


def register(q, d, kind="FDRE"):
    directions = {"C": "input", "CE": "input", "D": "input", "R": "input", "Q": "output"}
    return {
        "type": kind, "parameters": {"INIT": "1"}, "port_directions": directions,
        "connections": {"C": [2], "CE": ["1"], "D": [d], "R": ["0"], "Q": [q]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "kind", "copies"), [(8, "FDRE", 7), (7, "FDRE", 0), (12, "FDSE", 11), (12, "FDCE", 0)]
)
def test_registers_that_many_parts_read_are_copied(parts, kind, copies):
    readers = {f"$flatten\\top.core.part_{i}.\\inner.lut{k}": register(100 + 2 * i + k, 50) for i in range(parts - 1)
               for k in (0, 1)}  # fmt: skip
    cells = {"$flatten\\top.shell.q": register(50, 40, kind), "$flatten\\top.shell.home": register(60, 50), **readers}
    module = {"cells": cells, "netnames": {"n": {"bits": [300]}}}
    before = json.loads(json.dumps(cells))
    assert replicate_registers(module) == copies
    driver = {cell["connections"]["Q"][0]: name for name, cell in cells.items()}
    assert len(driver) == len(cells) == len(before) + copies  # one driver for each wire
    assert max(driver) == (300 + copies if copies else max(60, 101 + 2 * (parts - 2)))
    for name, cell in before.items():
        source = cells[driver[cells[name]["connections"]["D"][0]]] if cell["connections"]["D"] == [50] else None
        if source is not None:  # still reads a register of the same inputs, shared only within a part
            assert {**source["connections"], "Q": [50]} == before["$flatten\\top.shell.q"]["connections"]
            assert {key: source[key] for key in ("type", "parameters")} == {"type": kind, "parameters": {"INIT": "1"}}
            cell = {**cell, "connections": {**cell["connections"], "D": cells[name]["connections"]["D"]}}
        assert cells[name] == cell
    if copies:
        wires = {name: cell["connections"]["D"][0] for name, cell in cells.items() if name in readers}
        assert all(wires[name] == wires[name[:-1] + "0"] for name in wires) and 50 not in wires.values()


def dsp(**wires):
    """A DSP48E1 in Yosys' JSON; ports named *IN are inputs, others outputs."""
    directions = {port: "input" if port.endswith("IN") or port == "A" else "output" for port in wires}
    return {"type": "DSP48E1", "parameters": {}, "port_directions": directions, "connections": wires}


def test_dsps_that_no_cascade_joins_are_paired():
    cells = {
        "m[10]": dsp(A=[5], ACIN=["0"] * 30, ACOUT=[70, 71]),  # outputs that nobody reads
        "m[9]": dsp(A=[5], P=[6]),
        "m[2]": dsp(A=[6], ACIN=["x"] * 30),
        "first": dsp(A=[7], PCOUT=[90, 91]),
        "second": dsp(A=[7], PCIN=[90, 91]),
        "shifted": {**dsp(A=[8], P=[9]), "parameters": {"A_INPUT": "CASCADE"}},
        "lut": {"type": "LUT1", "port_directions": {"I0": "input"}, "connections": {"I0": [6]}},
    }
    module = {"cells": cells, "netnames": {"n": {"bits": [93, "0"]}}}
    before = json.loads(json.dumps(cells))
    assert pair_dsps(module) == 1  # m[2] and m[9]; m[10] stays alone
    assert cells["m[2]"]["connections"].pop("ACOUT") == cells["m[9]"]["connections"].pop("ACIN") == [*range(94, 124)]
    assert cells["m[2]"]["port_directions"].pop("ACOUT") == "output"
    assert cells["m[9]"]["port_directions"].pop("ACIN") == "input"
    assert cells == before


def rewritten(rewrite, design):
    """A copy of ``design`` that ``rewrite`` has changed."""
    changed = copy.deepcopy(design)
    assert rewrite(changed) > 0
    return changed


def assert_refused(gold, broken, folder, *, edges):
    """Outputs of ``broken`` differ, at most ``edges`` changes of the clock after power-up, and the proof fails."""
    with pytest.raises(SynthesisError, match="proof: Yosys refuses it: ERROR: Called with -verify and proof did fail!"):
        prove_equal(gold, broken, folder, after_edges=edges)


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A device in parts, mapped and joined."""
    return mapped("device", device_source(), tmp_path_factory.mktemp("device"))


@pytest.mark.parametrize("rewrite", PLACEABLE, ids=lambda rewrite: rewrite.__name__)
def test_rewritten_device_does_what_it_did(device, rewrite, tmp_path):
    prove_equal(device, rewritten(rewrite, device), tmp_path)


def test_device_after_all_rewrites_does_what_it_did(device, tmp_path):
    changed = device
    for rewrite in PLACEABLE:
        changed = rewritten(rewrite, changed)
    assert "SRL16E" not in {each["type"] for each in changed["cells"].values()}
    prove_equal(device, changed, tmp_path)


def joined_luts():
    """LUTs of two to six inputs with random tables, each with a constant or with one wire on two pins, or both."""
    rng = np.random.default_rng(4)
    wires = [*range(2, 8), "0", "1"]
    cells = {"short": lut("110", [2, 3, "0"], 10), "empty": lut("", ["1", 4], 11)}  # leading zeros of INIT left out
    del cells["empty"]["parameters"]["INIT"]
    for size, _ in itertools.product(range(2, 7), range(6)):
        pins = []
        while len({*pins} - {"0", "1"}) == len(pins):
            pins = [wires[i] for i in rng.integers(len(wires), size=size)]
        output = 10 + len(cells)
        cells[f"lut{size}_{output}"] = lut("".join(rng.choice(["0", "1"], 1 << size)), pins, output)
    return module({"a": wires[:6]}, {"y": list(range(10, 10 + len(cells)))}, cells)


def test_luts_with_constant_and_repeated_inputs_are_proved(tmp_path):
    gold, gate = joined_luts(), joined_luts()
    assert simplify_luts(gate) == len(gold["cells"]) > 30
    prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("size", range(2, 7))
def test_one_wrong_bit_in_the_table_of_a_lut_is_found(size, tmp_path):
    gold, rng = joined_luts(), np.random.default_rng(size)
    gate = rewritten(simplify_luts, gold)
    broken = gate["cells"][str(rng.choice([
        name for name, each in gate["cells"].items()
        if name.startswith(f"lut{size}") and each["connections"]["I0"] != ["0"]  # not a constant
    ]))]  # fmt: skip
    table = broken["parameters"]["INIT"]
    place = rng.integers(len(table))
    broken["parameters"]["INIT"] = table[:place] + str(1 - int(table[place])) + table[place + 1 :]
    assert_refused(gold, gate, tmp_path, edges=0)


def shift_registers(*lengths):
    """Shift registers of these lengths and random contents; one more on the falling edge, and one of any length."""
    rng = np.random.default_rng(len(lengths))

    def of_length(length, d, q, **parameters):
        return shift_register("".join(rng.choice(["0", "1"], 16)), f"{length - 1:04b}"[::-1], d, q, **parameters)

    cells = {f"of_{length}": of_length(length, 30 + length, 60 + length) for length in lengths}
    cells["falling"] = of_length(3, 30, 60, IS_CLK_INVERTED="1")
    cells["variable"] = shift_register("1100101001110001", [3, 4, "0", 5], 30, 61 + max(lengths))
    ends = {pin: [each["connections"][pin][0] for each in cells.values()] for pin in "DQ"}
    return module({"clk": [2], "enable": [7], "at": [3, 4, 5], "d": sorted({*ends["D"]})}, {"q": ends["Q"]}, cells)


def test_shift_registers_of_all_lengths_are_proved(tmp_path):
    gold, gate = shift_registers(*range(1, 17)), shift_registers(*range(1, 17))
    assert expand_shift_registers(gate) == 17
    prove_equal(gold, gate, tmp_path)


WRONG_STAGE = {
    "short": lambda cells: cells["of_4$stage2"]["connections"].update(D=cells["of_4$stage1"]["connections"]["D"]),
    "stuck": lambda cells: cells["of_4$stage3"]["connections"].update(D=cells["of_4$stage3"]["connections"]["Q"]),
    "other_enable": lambda cells: cells["of_4$stage1"]["connections"].update(CE=["1"]),
    "other_edge": lambda cells: cells["of_4$stage1"]["parameters"].update(IS_C_INVERTED="1"),
    "rising": lambda cells: cells["falling$stage0"]["parameters"].update(IS_C_INVERTED="0"),
    "other_contents": lambda cells: cells["of_4$stage0"]["parameters"].update(
        INIT=str(1 - int(cells["of_4$stage0"]["parameters"]["INIT"]))
    ),
}


@pytest.mark.parametrize("wrong", WRONG_STAGE)
def test_one_wrong_stage_of_a_shift_register_is_found(wrong, tmp_path):
    gold = shift_registers(4)
    gate = rewritten(expand_shift_registers, gold)
    WRONG_STAGE[wrong](gate["cells"])
    assert_refused(gold, gate, tmp_path, edges=12)


def register_of_many_parts(kind, parts=9, *, behind_another=False):
    """A register of the shell that as many parts read, each into a register of its own; it may follow another alone."""
    name = {"FDRE": "R", "FDSE": "S"}[kind]
    pins = {"C": [2], "CE": [3], "D": [4], name: [5]}
    cells = {"$flatten\\top.shell.q": designs.cell(kind, pins, {"Q": [50]}, INIT="1")}
    if behind_another:
        cells["$flatten\\top.shell.q"]["connections"]["D"] = [49]
        pins = {"C": [2], "CE": ["1"], "D": [4], "S": [5]}
        cells["$flatten\\top.shell.before"] = designs.cell("FDSE", pins, {"Q": [49]}, INIT="0")
    for i in range(parts):
        pins = {"C": [2], "CE": ["1"], "D": [50], "R": ["0"]}
        cells[f"$flatten\\top.core.part_{i}.\\own"] = designs.cell("FDRE", pins, {"Q": [60 + i]}, INIT="0")
    return module({"clk": [2], "enable": [3], "d": [4], "r": [5]}, {"q": list(range(60, 60 + parts))}, cells)


@pytest.mark.parametrize("kind", ["FDRE", "FDSE"])
def test_copies_of_a_register_are_proved(kind, tmp_path):
    gold, gate = register_of_many_parts(kind), register_of_many_parts(kind)
    assert replicate_registers(gate) == 9
    prove_equal(gold, gate, tmp_path)


def test_copies_behind_copies_of_another_register_are_proved(tmp_path):
    gold = register_of_many_parts("FDRE", 2 * GROUP + 1, behind_another=True)
    gate = rewritten(replicate_registers, gold)
    relays = {each["connections"]["Q"][0] for name, each in gate["cells"].items() if "before$to$" in name}
    copies = [each["connections"]["D"][0] for name, each in gate["cells"].items() if "q$for$" in name]
    assert sorted(copies.count(wire) for wire in relays) == [1, GROUP, GROUP] and set(copies) == relays
    prove_equal(gold, gate, tmp_path)


WRONG_COPY = {
    "other_enable": lambda twin: twin["connections"].update(CE=["0"]),
    "other_input": lambda twin: twin["connections"].update(D=[3]),
    "no_reset": lambda twin: twin["connections"].update({pin: ["0"] for pin in twin["connections"] if pin in "RS"}),
    "other_power_up": lambda twin: twin["parameters"].update(INIT=str(1 - int(twin["parameters"]["INIT"]))),
    "other_edge": lambda twin: twin["parameters"].update(IS_C_INVERTED="1"),
}


@pytest.mark.parametrize("copied", ["q$for", "before$to"])
@pytest.mark.parametrize("wrong", WRONG_COPY)
def test_one_wrong_copy_of_a_register_is_found(wrong, copied, tmp_path):
    gold = register_of_many_parts("FDRE", behind_another=copied.startswith("before"))
    gate = rewritten(replicate_registers, gold)
    twin = next(each for name, each in gate["cells"].items() if copied in name)
    WRONG_COPY[wrong](twin)
    assert_refused(gold, gate, tmp_path, edges=8)


def enable_of_chains(kind, chains, length):
    """A register of a kernel that enables as many chains of flip-flops, one behind the other; and resets one more."""
    pins = {"C": [2], "CE": [3], "D": [4], {"FDRE": "R", "FDSE": "S"}[kind]: [5]}
    cells = {"$flatten\\top.core.kernel.q": designs.cell(kind, pins, {"Q": [50]}, INIT="1")}
    for place in range(length):  # the chains' cells interleaved: their names say nothing of who lies beside whom
        for chain in range(chains):
            wire = 100 + chain * (length + 1) + place
            pins = {"C": [2], "CE": [50], "D": [wire], "R": ["0"]}
            name = f"$flatten\\top.core.kernel.{place}.{chain}"
            cells[name] = designs.cell("FDRE", pins, {"Q": [wire + 1]}, INIT="0")
    pins = {"C": [2], "CE": ["1"], "D": [4], "R": [50]}
    cells["$flatten\\top.core.kernel.reset"] = designs.cell("FDRE", pins, {"Q": [60]}, INIT="0")
    starts, ends = ([100 + chain * (length + 1) + place for chain in range(chains)] for place in (0, length))
    return module({"clk": [2], "enable": [3], "d": [4], "r": [5], "x": starts}, {"q": [*ends, 60]}, cells)


@pytest.mark.parametrize("kind", ["FDRE", "FDSE"])
def test_readers_of_a_split_register_are_few_and_lie_together(kind):
    gate = rewritten(split_fan_out, enable_of_chains(kind, chains=60, length=13))
    enables = {name: each["connections"]["CE"][0] for name, each in gate["cells"].items() if name.count(".") == 4}
    assert len(enables) == 60 * 13 and len(set(enables.values())) == 4 == -(-60 * 13 // FAN_OUT)
    assert max(Counter(enables.values()).values()) <= FAN_OUT
    assert gate["cells"]["$flatten\\top.core.kernel.reset"]["connections"]["R"] == [50]  # as it was
    whole = sum(len({enables[f"$flatten\\top.core.kernel.{place}.{chain}"] for place in range(13)}) == 1
                for chain in range(60))  # fmt: skip
    assert whole >= 60 - 3  # three borders between four groups


def test_registers_of_few_readers_stay_alone():
    gold = enable_of_chains("FDRE", chains=8, length=FAN_OUT // 8)
    gate = copy.deepcopy(gold)
    assert split_fan_out(gate) == 0 and gate == gold


@pytest.mark.parametrize("kind", ["FDRE", "FDSE"])
def test_a_split_register_is_proved(kind, tmp_path):
    gold = enable_of_chains(kind, chains=44, length=12)
    gate = rewritten(split_fan_out, gold)
    assert sum("q$of$" in name for name in gate["cells"]) == 2
    prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("wrong", WRONG_COPY)
def test_one_wrong_copy_of_a_split_register_is_found(wrong, tmp_path):
    gold = enable_of_chains("FDRE", chains=88, length=3)
    gate = rewritten(split_fan_out, gold)
    WRONG_COPY[wrong](next(each for name, each in gate["cells"].items() if "q$of$" in name))
    assert_refused(gold, gate, tmp_path, edges=10)


def tables_of_one_input():
    """Two tables of an input in one part, each behind a register and a reset of its own; a third in another part."""
    cells = {}
    for place, part in enumerate(("kernel_0", "kernel_0", "kernel_1")):
        base, name = 100 * (place + 1), f"$flatten\\top.core.{part}.\\table{place}"
        cells[f"{name}.reset"] = lut("0010", [3, 4], base)
        for bit in (0, 1):
            pins = {"C": [2], "CE": [3], "D": [5 + bit], "R": [base]}
            cells[f"{name}.x{bit}"] = designs.cell("FDRE", pins, {"Q": [base + 1 + bit]}, INIT="0")
        cells[f"{name}.word"] = lut("0110" if place else "1000", [base + 1, base + 2], base + 3)
    return module({"clk": [2], "enable": [3], "keep": [4], "x": [5, 6]}, {"y": [103, 203, 303]}, cells)


def test_twins_within_a_part_become_one(tmp_path):
    gold = tables_of_one_input()
    gate = rewritten(merge_identical_cells, gold)
    assert sorted(gold["cells"].keys() - gate["cells"].keys()) == sorted(
        f"$flatten\\top.core.kernel_0.\\table1.{name}" for name in ("reset", "x0", "x1")
    )
    second = gate["cells"]["$flatten\\top.core.kernel_0.\\table1.word"]["connections"]
    assert (second["I0"], second["I1"]) == ([101], [102])
    assert merge_identical_cells(copy.deepcopy(gate)) == 0
    prove_equal(gold, gate, tmp_path)


def test_a_twin_whose_output_leaves_the_design_is_replaced_there(tmp_path):
    gold = tables_of_one_input()
    gold["ports"]["y"]["bits"][1] = 202
    gate = rewritten(merge_identical_cells, gold)
    assert gate["ports"]["y"]["bits"] == [103, 102, 303]
    prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("kind", ["MUXF7", "MUXF8", "CARRY4"])
def test_twins_that_have_one_place_beside_their_reader_stay(kind):
    part = "$flatten\\top.core.kernel_0.\\"
    cells = {f"{part}lut{number}": lut("0110", [3, 4], 10 + number) for number in range(2)}
    pins = {"S": [10]} if kind == "CARRY4" else {"I0": [10], "I1": [5], "S": [6]}
    cells[f"{part}reader"] = designs.cell(kind, pins, {"O": [20]})
    gate = module({"a": [3, 4, 5, 6]}, {"y": [20, 11]}, cells)
    assert merge_identical_cells(gate) == 0
    cells[f"{part}reader"]["type"] = "LUT3"
    assert merge_identical_cells(gate) == 1


NO_TWIN = {
    "other_enable": ("x1", lambda cell: cell["connections"].update(CE=["1"])),
    "other_input": ("x1", lambda cell: cell["connections"].update(D=[4])),
    "other_power_up": ("x1", lambda cell: cell["parameters"].update(INIT="1")),
    "other_edge": ("x1", lambda cell: cell["parameters"].update(IS_C_INVERTED="1")),
    "set": ("x1", lambda cell: cell.update(type="FDSE", connections={
        {"R": "S"}.get(pin, pin): bits for pin, bits in cell["connections"].items()
    }, port_directions={{"R": "S"}.get(pin, pin): way for pin, way in cell["port_directions"].items()})),
    "other_table": ("reset", lambda cell: cell["parameters"].update(INIT="0100")),
}  # fmt: skip


@pytest.mark.parametrize("difference", NO_TWIN)
def test_what_differs_is_no_twin(difference, tmp_path):
    gold = tables_of_one_input()
    which, change = NO_TWIN[difference]
    name = f"$flatten\\top.core.kernel_0.\\table1.{which}"
    change(gold["cells"][name])
    gate = copy.deepcopy(gold)
    merge_identical_cells(gate)
    assert name in gate["cells"]
    prove_equal(gold, gate, tmp_path)
    merged = {**gate["cells"], f"{name.rpartition('.')[0]}.word": lut("0110", [101, 102], 203)}  # as if it were one
    assert_refused(gold, {**gate, "cells": merged}, tmp_path, edges=8)


NONE = dict.fromkeys(("AREG", "ACASCREG", "BREG", "BCASCREG", "CREG", "MREG", "PREG", "OPMODEREG"), "0")
TWO = {"AREG": "10", "BREG": "10", "ACASCREG": "1", "BCASCREG": "10", "USE_DPORT": "TRUE"}
DSPS = (NONE, TWO, {**TWO, "USE_DPORT": "FALSE"}, {"USE_MULT": "NONE", "USE_SIMD": "TWO24"})


@pytest.fixture(scope="module")
def dsps(tmp_path_factory):
    """Makes a design of a DSP48E1 for each of some sets of parameters, which have their inputs in common."""
    pins = library(tmp_path_factory.mktemp("library"))["DSP48E1"]["ports"]

    def design(*parameters):
        free = iter(range(2, 10_000))
        inputs = {pin: [next(free) for _ in of["bits"]] for pin, of in pins.items() if of["direction"] == "input"}
        outputs, cells = {}, {}
        for i, each in enumerate(parameters):
            found = {pin: [next(free) for _ in of["bits"]] for pin, of in pins.items() if of["direction"] == "output"}
            outputs.update({f"{pin}_{i}": bits for pin, bits in found.items()})
            cells[f"dsp_{i}"] = designs.cell("DSP48E1", inputs, found, **each)
        return module(inputs, outputs, cells)

    return design


def test_dsps_with_direct_input_do_not_look_at_acin(dsps, tmp_path):
    prove_unread(dsps({}, {"A_INPUT": "DIRECT"}, *DSPS), "ACIN", tmp_path)


@pytest.mark.parametrize(("parameters", "port"), [({"A_INPUT": "CASCADE"}, "ACIN"), ({}, "A")])
def test_input_that_a_dsp_looks_at_is_found(dsps, parameters, port, tmp_path):
    with pytest.raises(SynthesisError, match="proof: Yosys refuses it: .*selection is not empty"):
        prove_unread(dsps(parameters), port, tmp_path)


def test_pair_whose_second_looks_at_the_cascade_is_found(device, tmp_path):
    gate = rewritten(pair_dsps, device)
    (upper,) = [each for each in gate["cells"].values() if "0" not in each["connections"].get("ACIN", "0")]
    upper["parameters"]["A_INPUT"] = "CASCADE"
    assert_refused(device, gate, tmp_path, edges=4)
