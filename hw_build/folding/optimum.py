"""The choice of one option per node that takes the fewest LUTs within DSPs and block RAMs: an integer program.

    minimise    sum luts(node, option) + sum luts of FIFO and width converters(edge, beats written, beats read)
    subject to  one option a node;  sum dsps <= D;  sum bram18 <= B;  sum uram <= U

Each node has a 0/1 variable an option; each edge a 0..1 flow from what its writer can write to what its reader can
read, which is whole where the options are. Options that another with the same beats beats in everything are left out
first. HiGHS (`scipy.optimize.milp`) solves it to proved optimality.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from hw_build.kernels.resources import fifo2_luts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hw_build.folding.options import Edge, Network, Option

# a LUT is worth more than any DSP: DSPs and RAMs only break ties
_TIE_BREAK = 1e-3
_ULTRA_BRAM18 = 16  # RAMB18 that hold as much as an UltraRAM: where they suffice, they are taken
_SECONDS = 120.0
_ROUNDING = 1.0  # LUTs by which a bound is lowered, for the solver's tolerances


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The optimum: an option for each node; LUTs are those of the nodes and of all that lies between them."""

    options: tuple[Option, ...]
    luts: int
    bram18: int
    dsps: int
    uram: int


def converter_luts(element_bits: int, written: int, read: int) -> int:
    """LUTs of the width converters between beats of ``written`` and of ``read`` elements (`stream_width.sv`).

    A narrowing one has a multiplexer a bit (it shifts) and counts its beats, a widening one is registers and a counter.
    """
    if written == read:
        return 0
    common = lcm(written, read)
    if common not in (written, read):
        return converter_luts(element_bits, written, common) + converter_luts(element_bits, common, read)
    if written < read:
        return 5
    return element_bits * written + 2 + (written // read).bit_length()


def stream_luts(element_bits: int, written: int, read: int) -> int:
    """LUTs of what lies on a stream: a FIFO of a few beats and the width converters."""
    return fifo2_luts(element_bits * written) + converter_luts(element_bits, written, read)


def pareto(options: Sequence[Option]) -> list[Option]:
    """Those of ``options`` that no other with the same beats matches or beats in LUTs, RAMs and DSPs at once."""
    kept: list[Option] = []
    alike: dict[tuple, list[Option]] = defaultdict(list)
    for option in sorted(options, key=lambda o: (o.luts, o.dsps, o.bram18, o.uram, o.cycles)):
        others = alike[option.beats]
        if not any(o.dsps <= option.dsps and o.bram18 <= option.bram18 and o.uram <= option.uram for o in others):
            others.append(option)
            kept.append(option)
    return kept


def fewest_luts(network: Network, limits: Sequence[int], *, bram18: int, dsps: int, uram: int = 0) -> Choice | None:
    """The optimum where node i takes at most ``limits[i]`` cycles a frame; None where there is none."""
    listed = _listed(network, limits)
    if not all(listed):
        return None
    program, chosen = _formulated(network, listed, (bram18, dsps, uram), tie_break=_TIE_BREAK)
    solution = program.solve([variable for variables in chosen for variable in variables])
    if solution is None:
        return None
    options = tuple(
        next(option for variable, option in zip(variables, of_node, strict=True) if solution[variable] > 0.5)
        for variables, of_node in zip(chosen, listed, strict=True)
    )
    return _choice(network, options)


def same_foldings(network: Network, choice: Choice) -> Choice | None:
    """``choice``, made for the same nodes on another part, by the models of the part of ``network``; None where that
    has no such folding.
    """
    options = [
        next((option for option in node.options if option.folding == made.folding), None)
        for node, made in zip(network.nodes, choice.options, strict=True)
    ]
    found = tuple(option for option in options if option is not None)
    return _choice(network, found) if len(found) == len(options) else None


def _choice(network: Network, options: tuple[Option, ...]) -> Choice:
    between = sum(
        stream_luts(e.element_bits, options[e.source].out_elements[e.out], options[e.target].in_elements[e.into])
        for e in network.edges
    )
    return Choice(
        options=options,
        luts=sum(option.luts for option in options) + between,
        bram18=sum(option.bram18 for option in options),
        dsps=sum(option.dsps for option in options),
        uram=sum(option.uram for option in options),
    )


def fewest_luts_bound(network: Network, limits: Sequence[int], *, bram18: int, dsps: int, uram: int = 0) -> float:
    """LUTs that no choice within ``limits`` gets below: the optimum with options in parts; infinite where none fits."""
    listed = _listed(network, limits)
    if not all(listed):
        return np.inf
    program, _ = _formulated(network, listed, (bram18, dsps, uram), tie_break=0.0)
    solution = program.solve([])
    return np.inf if solution is None else float(solution @ program.costs) - _ROUNDING


def _listed(network: Network, limits: Sequence[int]) -> list[list[Option]]:
    """Of every node, the options within its limit that are worth a look."""
    return [
        pareto([option for option in node.options if option.cycles <= limit])
        for node, limit in zip(network.nodes, limits, strict=True)
    ]


def _formulated(
    network: Network, listed: list[list[Option]], limits: tuple[int, int, int], *, tie_break: float
) -> tuple[_Program, list[list[int]]]:
    """The program, and its variables of every node, one an option; ``limits`` of bram18, dsps and uram."""
    program = _Program()
    chosen = [
        [program.variable(o.luts + tie_break * (o.dsps + o.bram18 + _ULTRA_BRAM18 * o.uram)) for o in options]
        for options in listed
    ]
    for variables in chosen:
        program.constrain(dict.fromkeys(variables, 1.0), 1.0, 1.0)
    for attribute, most in zip(("bram18", "dsps", "uram"), limits, strict=True):
        taken = {
            variable: getattr(option, attribute)
            for variables, options in zip(chosen, listed, strict=True)
            for variable, option in zip(variables, options, strict=True)
        }
        if attribute != "uram" or any(taken.values()):
            program.constrain(taken, -np.inf, most)
    for edge in network.edges:
        _converters(program, edge, listed, chosen)
    return program, chosen


def _converters(program: _Program, edge: Edge, listed: list[list[Option]], chosen: list[list[int]]) -> None:
    """Flow from the beats that are written to those that are read, at the cost of the converter between them."""
    written: dict[int, list[int]] = {}
    read: dict[int, list[int]] = {}
    for variable, option in zip(chosen[edge.source], listed[edge.source], strict=True):
        written.setdefault(option.out_elements[edge.out], []).append(variable)
    for variable, option in zip(chosen[edge.target], listed[edge.target], strict=True):
        read.setdefault(option.in_elements[edge.into], []).append(variable)
    flows = {(a, b): program.variable(stream_luts(edge.element_bits, a, b)) for a in written for b in read}
    for position, ends in enumerate((written, read)):
        for elements, variables in ends.items():
            balance = {flow: 1.0 for pair, flow in flows.items() if pair[position] == elements}
            program.constrain(balance | dict.fromkeys(variables, -1.0), 0.0, 0.0)


@contextmanager
def _silent() -> Iterator[None]:
    """Standard output to nowhere: the HiGHS of scipy 1.17 leaves a debug message there, whatever its options."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class _Program:
    """An integer program under construction: variables of 0..1 with a cost, rows with bounds."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self.rows: list[dict[int, float]] = []
        self.bounds: list[tuple[float, float]] = []

    def variable(self, cost: float) -> int:
        self.costs.append(cost)
        return len(self.costs) - 1

    def constrain(self, row: dict[int, float], low: float, high: float) -> None:
        self.rows.append(row)
        self.bounds.append((low, high))

    def solve(self, whole: Sequence[int]) -> np.ndarray | None:
        """The optimum's value of each variable, those of ``whole`` 0 or 1; None where there is no solution."""
        entries = [(r, c, value) for r, row in enumerate(self.rows) for c, value in row.items()]
        index_r, index_c, values = zip(*entries, strict=True)
        matrix = coo_array((values, (index_r, index_c)), shape=(len(self.rows), len(self.costs))).tocsr()
        integral = np.zeros(len(self.costs))
        integral[list(whole)] = 1
        low, high = zip(*self.bounds, strict=True)
        with _silent():
            result = milp(
                np.array(self.costs),
                constraints=LinearConstraint(matrix, low, high),
                integrality=integral,
                bounds=Bounds(0, 1),
                options={"time_limit": _SECONDS, "mip_rel_gap": 0.0},
            )
        return result.x
