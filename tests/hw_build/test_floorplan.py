"""Sites of DSPs and block RAMs: legal, near what they are joined to, and nothing else of a netlist changes."""

import copy
import itertools
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import floorplans

from hw_build.base.errors import BuildError
from hw_build.implement.bitstream.floorplan import PLACED, fix, floorplan, read_sites
from hw_build.implement.netlist.dsp_pairs import pair_dsps

PART = "xc7z020clg400-1"
PARTS, DSPS, RAMS, HALVES, LUTS, LINK = 12, 4, 1, 1, 400, 32


def chain():
    """Parts one behind the other, ``LINK`` wires from each to the next, each of LUTs, DSPs in pairs and a block RAM."""
    cells, wire = {}, 100

    def cell(name, kind, inputs, output):
        cells[name] = {
            "type": kind, "parameters": {}, "attributes": {"keep": "1"},
            "port_directions": {"I0": "input", "O": "output"},
            "connections": {"I0": list(inputs), "O": list(output)},
        }  # fmt: skip

    cell("$flatten\\system.\\ps.ps", "PS7", [], [1])
    link = [1] * LINK
    for part in range(PARTS):
        name = f"$flatten\\system.\\core.\\Conv_{part}."
        for number in range(LUTS):
            cell(f"{name}lut{number}", "LUT6", [link[number % LINK]], [wire + number])
        output = wire + LUTS
        for kind, count in (("DSP48E1", DSPS), ("RAMB36E1", RAMS), ("RAMB18E1", HALVES)):
            for number in range(count):
                cell(f"{name}{kind}_{number}", kind, [wire], [output])
                output += 1
        link = [wire + number for number in range(LINK)]
        wire += 1000
    module = {"attributes": {"top": "1"}, "cells": cells, "ports": {}, "netnames": {}}
    assert pair_dsps(module) == PARTS * DSPS // 2
    return {"modules": {"edgeseg_top": module}}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xray")
    floorplans.write_grid(folder / "xc7z020")
    return folder


@pytest.fixture(scope="module")
def placed(database):
    cells = chain()["modules"]["edgeseg_top"]["cells"]
    assert fix(cells, read_sites(database, PART), seed=1) == PARTS * (DSPS + RAMS + HALVES)
    return cells


def sites_of(cells):
    return {name: cell["attributes"][PLACED] for name, cell in cells.items() if PLACED in cell["attributes"]}


def test_every_site_exists_and_is_taken_once(placed):
    found = sites_of(placed)
    assert len(set(found.values())) == len(found)
    known = {name for tile in floorplans.grid().values() for name in tile["sites"]}
    for name, place in found.items():
        site, kind = place.split("/")
        assert kind == placed[name]["type"] and site in known


def test_no_site_of_a_whole_block_ram_is_used_by_its_halves_too(placed):
    found = {place.partition("/")[0] for place in sites_of(placed).values()}
    whole = {tuple(map(int, site[len("RAMB36_X") :].split("Y"))) for site in found if site.startswith("RAMB36")}
    half = {tuple(map(int, site[len("RAMB18_X") :].split("Y"))) for site in found if site.startswith("RAMB18")}
    assert (len(whole), len(half)) == (PARTS * RAMS, PARTS * HALVES)
    assert whole.isdisjoint((column, row // 2) for column, row in half)


def test_a_pair_takes_the_two_sites_of_a_tile_the_lower_first(placed):
    lower = {tuple(c["connections"]["ACOUT"]): n for n, c in placed.items() if "ACOUT" in c["connections"]}
    pairs = [(lower[tuple(c["connections"]["ACIN"])], n) for n, c in placed.items() if "ACIN" in c["connections"]]
    assert len(pairs) == PARTS * DSPS // 2
    for names in pairs:
        (column, low), (same, high) = (map(int, placed[n]["attributes"][PLACED][7:-8].split("Y")) for n in names)
        assert column == same and low % 2 == 0 and high == low + 1


def test_what_is_joined_lies_together(database, placed):
    """DSPs of parts that follow one another, against those of parts that nothing joins."""
    place_of = {site: place for *names, place in read_sites(database, PART).dsps for site in names}
    centres = []
    for part in range(PARTS):
        places = [
            place_of[cell["attributes"][PLACED].split("/")[0]]
            for name, cell in placed.items()
            if f"Conv_{part}." in name and cell["type"] == "DSP48E1"
        ]
        centres.append([sum(axis) / len(places) for axis in zip(*places, strict=True)])
    near = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in itertools.pairwise(centres)]
    far = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for n, a in enumerate(centres) for b in centres[n + 2 :]]
    assert sum(near) / len(near) < 0.7 * sum(far) / len(far)


def test_only_sites_are_added_and_the_same_each_time(tmp_path, database):
    netlist, written = tmp_path / "netlist.json", []
    netlist.write_text(json.dumps(chain()))
    for name in ("one.json", "two.json"):
        assert floorplan(netlist, tmp_path / name, database, PART) == PARTS * (DSPS + RAMS + HALVES)
        written.append((tmp_path / name).read_text())
    assert written[0] == written[1]
    bare = copy.deepcopy(json.loads(written[0]))
    for cell in bare["modules"]["edgeseg_top"]["cells"].values():
        cell["attributes"].pop(PLACED, None)
    assert bare == json.loads(netlist.read_text())


def test_more_than_the_device_holds_is_left_to_nextpnr(database):
    sites = read_sites(database, PART)
    cells = chain()["modules"]["edgeseg_top"]["cells"]
    few = type(sites)(sites.slices, sites.dsps[:5], sites.rams[:4], sites.processor)
    assert fix(cells, few, seed=1) == 2 * 5 + 4  # none is left for halves


def test_a_part_that_the_database_lacks(tmp_path, database):
    netlist = tmp_path / "netlist.json"
    netlist.write_text(json.dumps(chain()))
    with pytest.raises(BuildError, match=r"tile grid '.*xc7z010.tilegrid.json' cannot be read"):
        floorplan(netlist, tmp_path / "placed.json", database, "xc7z010clg400-1")
    assert not (tmp_path / "placed.json").exists()
