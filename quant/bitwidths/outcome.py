"""What a search leaves: the quantization file that ``quant train --quant`` takes, and the Pareto table."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.table import Table

from quant.base.replace_file import replace_text
from quant.bitwidths.table import print_whole

if TYPE_CHECKING:
    from pathlib import Path

    from quant.bitwidths.search import Found, SearchResult
    from quant.bitwidths.sites import Site, Widths
    from quant.twin.config import QuantConfig

QUANT_FILE, PARETO_FILE, SEARCH_FILE = "quant.toml", "pareto.csv", "search.json"


def config_of(quant: QuantConfig, sites: list[Site], widths: Widths, name: str) -> QuantConfig:
    """``quant`` with an entry of its own for each layer whose width differs; all that share a scale get the same."""
    layers = {layer: dict(overrides) for layer, overrides in quant.layers.items()}
    for site in sites:
        if widths[site.key] != site.bits:
            for member in site.members:
                layers.setdefault(member, {})[site.kind] = widths[site.key]
    return replace(quant, name=name, layers=layers)


def write_outcome(result: SearchResult, quant: QuantConfig, sites: list[Site], budget_kbit: float, out: Path) -> None:
    """Writes the three files into ``out``."""
    found = config_of(quant, sites, result.best.widths, f"{quant.name}-{budget_kbit:g}kbit")
    _write(out / QUANT_FILE, found.as_toml())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("kbit", "iou_pooled8", "iou", *result.best.widths))
    for point in result.pareto:
        writer.writerow((point.kbit, point.scores["iou_pooled8"], point.scores["iou"], *point.widths.values()))
    _write(out / PARETO_FILE, text.getvalue())
    summary = {
        "budget_kbit": budget_kbit,
        "trials": result.trials,
        "own": _summary(result.own),
        "greedy": result.greedy and _summary(result.greedy),
        "best": {**_summary(result.best), "widths": result.best.widths},
    }
    _write(out / SEARCH_FILE, json.dumps(summary, indent=1))


def show_outcome(result: SearchResult) -> None:
    """The Pareto points between the network as it is and the greedy solution."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("", no_wrap=True)
    for title in ("kbit", "IoU pooled-8", "per image"):
        shown.add_column(title, justify="right", no_wrap=True)
    rows = [("as it is", result.own), ("greedy, from the table", result.greedy)]
    rows += [("best" if found is result.best else "Pareto", found) for found in reversed(result.pareto)]
    for title, found in rows:
        if found is not None:
            scores = (f"{found.scores[name]:.4f}" for name in ("iou_pooled8", "iou"))
            shown.add_row(title, f"{found.kbit:.1f}", *scores)
    print_whole(shown)


def _summary(found: Found) -> dict[str, Any]:
    return {"kbit": found.kbit, **found.scores}


def _write(path: Path, text: str) -> None:
    replace_text(path, text)
