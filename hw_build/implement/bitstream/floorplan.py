"""Where DSPs and block RAMs lie on the device, decided before nextpnr places all else around them.

nextpnr-xilinx's analytic placer draws cells towards what is fixed. In these designs that is the processing system
alone, so it begins with all cells in one heap and deals out DSPs, of which a folding may take every one, in the order
in which it comes upon them. Here the parts of the netlist are laid out first, cut into pieces of a region's size, by
simulated annealing: short wires between parts, no region overfull. Then each pair of DSPs and each block RAM takes the
site nearest to its piece (linear assignment), written as the attribute that nextpnr itself uses for a placed cell.
RAMB18E1 come last, two to a site: nextpnr's placer lets each drive out another until it has counted all cells once.
Nothing else of the netlist changes.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from hw_build.base.step_engine import write_atomically
from hw_build.implement.bitstream.xray_database import tile_grid
from hw_build.implement.netlist.replicate import part_of
from hw_build.implement.netlist.wires import natural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

PLACED = "NEXTPNR_BEL"
_REGION = 16  # tiles, along both sides
_LUTS = {**{f"LUT{inputs}": 1 for inputs in range(1, 7)}, "RAM64M": 4, "RAM32M": 4}
_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")
_LUTS_OF_A_FLIP_FLOP = 0.6  # a slice has twice as many, but few that share what controls them
_LUTS_OF_A_SLICE = 4
_PIECE = {"luts": 160, "dsps": 4, "rams": 1}  # at most in a piece
_FULL = {"luts": 0.8, "dsps": 1.0, "rams": 0.9}  # of a region
_OVERFULL = {"luts": 40.0, "dsps": 1000.0, "rams": 2400.0}  # wire lengths (tiles) that one too many is worth
_WIRES_WITHIN = 40  # between neighbouring pieces of a part
_FEW_PARTS = 5  # wires that join more (clock, reset) say nothing about neighbours
_MOST_WIRES = 64  # of two parts, that count
_X_SCALE = 0.5  # a tile is about half as wide as it is high
_HOT, _COLD, _COOLING, _MOVES = 20_000.0, 20.0, 0.92, 60  # annealing: temperatures, factor, moves a piece and step
_ACCEPTED = 0.44  # of the moves, at the range of moves that anneals best (Lam and Delosme 1988)

Place = tuple[float, float]


@dataclass(frozen=True)
class Sites:
    """Sites of a device with the column and row of their tiles, from Project X-Ray's grid (rows count downwards)."""

    slices: Sequence[Place]
    dsps: Sequence[tuple[str, str, Place]]  # lower and upper site of a tile
    rams: Sequence[tuple[str, Sequence[str], Place]]  # of a RAMB36E1, and of the two RAMB18E1 in its place
    processor: Place


@dataclass
class _Piece:
    """A share of a part: what it takes of the device, and the pieces that wires join it to."""

    takes: dict[str, float]
    joined: list[tuple[int, int]] = field(default_factory=list)  # (piece, wires)


def floorplan(netlist: Path, placed: Path, database: Path, part: str, seed: int = 1) -> int:
    """Write ``netlist`` (Yosys' JSON) to ``placed``, its DSPs and block RAMs fixed to sites; returns how many are.

    ``database`` is Project X-Ray's of the family, ``part`` the device's name in it, ``seed`` that of the annealing.

    Raises:
        BuildError: the database does not have the part.
    """
    sites = read_sites(database, part)
    design = json.loads(netlist.read_text())
    (cells,) = [m["cells"] for m in design["modules"].values() if m.get("attributes", {}).get("top")]
    fixed = fix(cells, sites, seed)
    write_atomically(placed, json.dumps(design).encode())
    return fixed


def read_sites(database: Path, part: str) -> Sites:
    """The sites of ``part``, which has a processing system.

    Raises:
        BuildError: the ``database`` of the family has no tile grid of the part.
    """
    slices, dsps, rams, processors = [], [], [], []
    for tile in tile_grid(database, part).values():
        place, kinds = (tile["grid_x"], tile["grid_y"]), tile["sites"]
        slices += [place for kind in kinds.values() if kind.startswith("SLICE")]
        halves = sorted((name for name, kind in kinds.items() if kind in ("FIFO18E1", "RAMB18E1")), key=natural)
        rams += [(name, halves, place) for name, kind in kinds.items() if kind == "RAMBFIFO36E1"]
        processors += [place for kind in kinds.values() if kind == "PS7"]
        both = sorted((name for name, kind in kinds.items() if kind == "DSP48E1"), key=natural)
        dsps += [(both[0], both[1], place)] if len(both) == 2 else []
    (processor,) = processors
    return Sites(slices, dsps, rams, processor)


def fix(cells: Mapping[str, dict[str, Any]], sites: Sites, seed: int) -> int:
    """Give the paired DSPs and the block RAMs among ``cells`` their sites; returns how many got one."""
    pieces, home = _pieces(cells)
    regions = _anneal(pieces, sites, random.Random(seed))
    centre = {name: _centre(regions[piece]) for name, piece in home.items()}
    pairs = _pairs(cells)
    rams, small = (sorted(name for name in home if cells[name]["type"] == kind) for kind in ("RAMB36E1", "RAMB18E1"))
    for pair, tile in _nearest([(centre[a], centre[b]) for a, b in pairs], [place for _, _, place in sites.dsps]):
        for name, site in zip(pairs[pair], sites.dsps[tile][:2], strict=True):
            _place(cells[name], site)
    taken = dict(_nearest([(centre[name],) for name in rams], [place for _, _, place in sites.rams]))
    for ram, tile in taken.items():
        _place(cells[rams[ram]], sites.rams[tile][0])
    left = [site for number, site in enumerate(sites.rams) if number not in taken.values()]
    halves = [(half, place) for _, both, place in left for half in both]
    for ram, half in _nearest([(centre[name],) for name in small], [place for _, place in halves]):
        _place(cells[small[ram]], halves[half][0])
    return sum(PLACED in cell["attributes"] for cell in cells.values())


def _place(cell: dict[str, Any], site: str) -> None:
    cell.setdefault("attributes", {})[PLACED] = f"{site}/{cell['type']}"


def _nearest(wanted: Sequence[Sequence[Place]], offered: Sequence[Place]) -> Iterable[tuple[int, int]]:
    """(number in ``wanted``, number in ``offered``): the sum of distances to all places of each is least."""
    if not wanted or not offered:
        return ()
    cost = [[sum(_distance(place, site) for place in places) for site in offered] for places in wanted]
    return zip(*(numbers.tolist() for numbers in linear_sum_assignment(np.array(cost))), strict=True)


def _pairs(cells: Mapping[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """DSPs two by two, the lower first: those that a cascade joins to one other (`implement.netlist.dsp_pairs`)."""
    dsps = {name: cell["connections"] for name, cell in cells.items() if cell["type"] == "DSP48E1"}
    lower = {tuple(wires["ACOUT"]): name for name, wires in dsps.items() if wires.get("ACOUT")}
    upper = {name: tuple(wires.get("ACIN", ())) for name, wires in dsps.items()}
    pairs = [(lower[cascade], name) for name, cascade in upper.items() if cascade in lower]
    found = Counter(name for pair in pairs for name in pair)
    return [pair for pair in pairs if all(found[name] == 1 for name in pair)]


def _pieces(cells: Mapping[str, dict[str, Any]]) -> tuple[list[_Piece], dict[str, int]]:
    """The parts cut into pieces, wires between them, and the piece of each DSP and block RAM by name of the cell."""
    takes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    hard: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, cell in cells.items():
        part, kind = part_of(name), cell["type"]
        takes[part]["luts"] += _LUTS.get(kind, 0)
        takes[part]["flip_flops"] += kind in _FLIP_FLOPS
        takes[part]["dsps"] += kind == "DSP48E1"
        takes[part]["rams"] += {"RAMB36E1": 1, "RAMB18E1": 0.5}.get(kind, 0)
        if kind in ("DSP48E1", "RAMB36E1", "RAMB18E1"):
            hard[part][kind].append(name)
    pieces: list[_Piece] = []
    ends: dict[str, tuple[int, int]] = {}
    home: dict[str, int] = {}
    for part in sorted(takes, key=natural):
        all_of = takes[part]
        all_of["luts"] = max(all_of["luts"], all_of.pop("flip_flops") * _LUTS_OF_A_FLIP_FLOP)
        count = max(1, *(math.ceil(all_of[what] / most) for what, most in _PIECE.items()))
        first = len(pieces)
        pieces += [_Piece({what: all_of[what] / count for what in _PIECE}) for _ in range(count)]
        ends[part] = (first, len(pieces) - 1)
        for names in hard[part].values():
            for number, name in enumerate(sorted(names, key=natural)):
                home[name] = first + number * count // len(names)
        for near in (1, 2):  # data go through a part from end to end
            for piece in range(first, len(pieces) - near):
                _join(pieces, piece, piece + near, _WIRES_WITHIN // near**2)
    for (source, reader), wires in _wires(cells).items():
        _join(pieces, ends[source][1], ends[reader][0], min(wires, _MOST_WIRES))
    return pieces, home


def _join(pieces: Sequence[_Piece], one: int, other: int, wires: int) -> None:
    pieces[one].joined.append((other, wires))
    pieces[other].joined.append((one, wires))


def _wires(cells: Mapping[str, dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Wires from part to part."""
    source: dict[int, str] = {}
    readers: dict[int, set[str]] = defaultdict(set)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            wires = [bit for bit in bits if isinstance(bit, int)]
            if cell["port_directions"][port] == "output":
                source.update(dict.fromkeys(wires, part_of(name)))
            else:
                for wire in wires:
                    readers[wire].add(part_of(name))
    found: Counter[tuple[str, str]] = Counter()
    for wire, part in source.items():
        others = readers[wire] - {part}
        if len(others) < _FEW_PARTS:
            found.update((part, other) for other in others)
    return found


class _Regions:
    """What regions of the device can hold of each kind, and what lies in them."""

    def __init__(self, sites: Sites) -> None:
        self.room: dict[str, dict[tuple[int, int], float]] = {what: defaultdict(float) for what in _FULL}
        for what, places, each in (
            ("luts", sites.slices, _LUTS_OF_A_SLICE),
            ("dsps", [place for _, _, place in sites.dsps], 2),
            ("rams", [place for _, _, place in sites.rams], 1),
        ):
            for place in places:
                self.room[what][_region(place)] += each * _FULL[what]
        self.all = sorted(self.room["luts"])
        self.taken: dict[str, dict[tuple[int, int], float]] = {what: defaultdict(float) for what in _FULL}

    def put(self, piece: _Piece, region: tuple[int, int], sign: int) -> None:
        for what, amount in piece.takes.items():
            self.taken[what][region] += sign * amount

    def cost(self, piece: _Piece, region: tuple[int, int], sign: int) -> float:
        """By how much overfullness grows if ``piece`` comes (``sign`` 1) to ``region`` or leaves it (-1)."""
        total = 0.0
        for what, amount in piece.takes.items():
            if amount:
                over = self.taken[what][region] - self.room[what].get(region, 0.0)
                total += _OVERFULL[what] * (max(0.0, over + sign * amount) - max(0.0, over))
        return total


def _anneal(pieces: Sequence[_Piece], sites: Sites, draw: random.Random) -> list[tuple[int, int]]:
    """The region of each piece."""
    regions = _Regions(sites)
    known = set(regions.all)
    fixed = {number for number, piece in enumerate(pieces) if not any(piece.takes.values())}  # the processing system
    at = [_region(sites.processor) if number in fixed else draw.choice(regions.all) for number in range(len(pieces))]
    free = [number for number in range(len(pieces)) if number not in fixed]
    for number in free:
        regions.put(pieces[number], at[number], 1)
    reach = widest = float(max(max(region) for region in regions.all))
    temperature = _HOT
    while temperature > _COLD and free:
        accepted, moves = 0, _MOVES * len(free)
        for _ in range(moves):
            number = draw.choice(free)
            piece, old = pieces[number], at[number]
            far = max(1, int(reach))
            new = (old[0] + draw.randint(-far, far), old[1] + draw.randint(-far, far))
            if new == old or new not in known:
                continue
            change = regions.cost(piece, new, 1) + regions.cost(piece, old, -1)
            for other, wires in piece.joined:
                there = _centre(at[other])
                change += wires * (_distance(_centre(new), there) - _distance(_centre(old), there))
            if change <= 0 or draw.random() < math.exp(-change / temperature):
                regions.put(piece, old, -1)
                regions.put(piece, new, 1)
                at[number] = new
                accepted += 1
        reach = min(widest, max(1.0, reach * (1 - _ACCEPTED + accepted / moves)))
        temperature *= _COOLING
    return at


def _region(place: Place) -> tuple[int, int]:
    return int(place[0]) // _REGION, int(place[1]) // _REGION


def _centre(region: tuple[int, int]) -> Place:
    return (region[0] + 0.5) * _REGION, (region[1] + 0.5) * _REGION


def _distance(one: Place, other: Place) -> float:
    return abs(one[0] - other[0]) * _X_SCALE + abs(one[1] - other[1])
