"""What the assembly refuses between an instance and its part, each fault put in on purpose."""

import copy

import pytest

from hw_build.netlist.assemble import check_borders
from hw_build.synth.yosys import SynthesisError

PART = {"ports": {"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [4]}}, "cells": {}}
MODULES = {
    "part_1": PART,
    "top": {
        "ports": {"p": {"direction": "input", "bits": [10, 11]}},
        "cells": {
            "one": {
                "type": "part_1", "port_directions": {"a": "input", "y": "output"},
                "connections": {"a": [10, 11], "y": [12]},
            },
            "two": {
                "type": "part_1", "port_directions": {"a": "input", "y": "output"},
                "connections": {"a": [12, "1"], "y": []},
            },
        },
    },
}  # fmt: skip
PARTS = {("one", "part_1"), ("two", "part_1")}


def test_whole_borders_with_constants_and_open_outputs_pass():
    check_borders(MODULES, PARTS)


@pytest.mark.parametrize(
    ("instance", "pins", "sentence"),
    [
        ("two", None, "the assembly has no instance of the part of two: stitch it again"),
        ("one", {"b": [10]}, "instance one connects b, which its part does not have"),
        ("one", {"a": []}, "instance one: nothing is connected to its input a"),
        ("one", {"a": [10]}, "instance one: 1 wires at port a of 2 bits"),
        ("one", {"y": [12, 13]}, "instance one: 2 wires at port y of 1 bits"),
        ("one", {"a": [10, 99]}, "instance one: nobody drives all bits of its input a"),
        ("one", {"a": [10, "x"]}, "instance one: nobody drives all bits of its input a"),
    ],
)
def test_a_border_that_does_not_fit_is_named(instance, pins, sentence):
    modules = copy.deepcopy(MODULES)
    cells = modules["top"]["cells"]
    if pins is None:
        del cells[instance]
    else:
        cells[instance]["connections"].update(pins)
    with pytest.raises(SynthesisError, match=f"^{sentence}$"):
        check_borders(modules, PARTS)


def test_an_instance_of_another_part_is_none_of_this_part():
    modules = copy.deepcopy(MODULES)
    modules["top"]["cells"]["one"]["type"] = "part_2"
    with pytest.raises(SynthesisError, match="the assembly has no instance of the part of one: stitch it again"):
        check_borders(modules, PARTS)


def test_an_instance_of_nothing_that_is_known_is_named():
    modules = copy.deepcopy(MODULES)
    modules["top"]["cells"]["three"] = {"type": "nothing", "connections": {"a": [10]}}  # Yosys knows no directions
    with pytest.raises(SynthesisError, match="instance three is of nothing, which is neither a part nor a module of"):
        check_borders(modules, PARTS)
