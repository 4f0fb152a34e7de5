"""What the assembly refuses between an instance and its part, each fault put in on purpose."""

import pytest

from hw_build.implement.netlist.assemble import check_borders
from hw_build.implement.synth.yosys import SynthesisError
from tests.hw_build.netlist.designs import cell, module

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
