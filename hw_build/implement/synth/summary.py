"""What a synthesised design takes, per node and in all, and whether the board has it.

Figures are Yosys' mapping before placement. A part that could not be synthesised counts nothing and is named: the total
is then too low and says so.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.implement.synth.cells import Utilization
from hw_build.implement.synth.design import Part, synthesise_parts
from hw_build.report.data import Totals
from hw_build.report.resources import budget_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hw_build.base.board_config import Resources
    from hw_build.base.progress import Meter
    from hw_build.implement.synth.yosys import Cells
    from hw_build.stitch import Design

_BETWEEN_NODES = re.compile(r"(?:edge|width)_(\d+)(?:_\d+)?")  # a FIFO or a width converter of stream N


class OverBudgetError(BuildError):
    """The design takes more than the board has; names each resource with both counts."""


def synthesise_and_summarise(design: Design, meter: Meter, cells: Cells, jobs: int | None = None) -> dict[str, Any]:
    """Every instance through Yosys to ``cells``, ``jobs`` at a time (default: one a core), as the report shows it."""
    return summarise(design, synthesise_parts(design, meter, jobs, cells))


def total(parts: Sequence[Part]) -> Utilization:
    """Sum over all parts that were synthesised."""
    return sum((part.used for part in parts if part.used is not None), Utilization())


def summarise(design: Design, parts: Sequence[Part]) -> dict[str, Any]:
    """``totals`` and ``nodes`` in the keys of `hw_build.report.data`.

    What lies on a stream counts as ``stream_luts``, ``stream_bram18`` and ``stream_uram`` of the node that writes
    it. What belongs to no node (the shell, the input's FIFO, the output stage) is in the totals alone.
    """
    nodes: dict[str, dict[str, Any]] = {
        node.name: {"stream_luts": 0, "stream_bram18": 0, "stream_uram": 0} for node in design.nodes
    }
    for part in parts:
        used = part.used or Utilization()
        between = _BETWEEN_NODES.fullmatch(part.name)
        producer = design.streams[int(between[1])].producer if between else part.name
        if between and producer in nodes:
            nodes[producer]["stream_luts"] += used.luts
            nodes[producer]["stream_bram18"] += used.bram18
            nodes[producer]["stream_uram"] += used.uram
        elif part.name in nodes:
            figures = {**asdict(used), "luts": used.luts} if part.used else {}
            figures.pop("logic_luts", None)
            nodes[part.name] |= {**figures, "not_synthesised": part.refusal}
    return {"totals": _totals(parts), "nodes": nodes}


def _totals(parts: Sequence[Part]) -> dict[str, int]:
    used = total(parts)
    return {
        "luts": used.luts,
        "lutram": used.lutram,
        "srl": used.srl,
        "ffs": used.ffs,
        "bram36": used.bram36,
        "uram": used.uram,
        "dsps": used.dsps,
        "parts_not_synthesised": sum(part.used is None for part in parts),
    }


def refuse_over_budget(totals: Mapping[str, int], board: Resources, board_name: str) -> None:
    """OverBudgetError when a total is beyond what the board has."""
    over = [
        f"{used:,} {what} of {has:,}" for what, used, has in budget_rows(Totals(**totals), asdict(board)) if used > has
    ]
    if over:
        raise OverBudgetError(
            f"the design does not fit {board_name}: it takes {', '.join(over)}; fold it for fewer frames per second"
        )
