"""A sensitivity table for people: on the terminal, as CSV, and as a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from quant.base.replace_file import replace_file
from quant.bitwidths.sites import ACTIVATION, WEIGHT

CSV_FILE, PICTURE_FILE = "sensitivity.csv", "sensitivity.png"
_COLOURS = {2: "tab:red", 3: "tab:orange", 4: "tab:blue", 5: "tab:green", 6: "tab:purple", 7: "tab:gray"}
_INCHES_A_SITE = 0.2
_WIDEST = 1000


def show_sensitivity(table: dict[str, Any], bits: list[int]) -> None:
    """One row a site; for each width the IoU lost (pooled-8, per image) and the kbit saved."""
    own, points = table["own"], _points_by_site(table)
    print(
        f"as it is: IoU pooled-8 {own['iou_pooled8']:.4f}, per image {own['iou']:.4f}; weights"
        f" {own['weight_bits'] / 1000:.1f} kbit, activations on chip {own['activation_bits'] / 1000:.1f} kbit"
    )
    shown = Table(box=None, pad_edge=False)
    for title in ("layer", "tensor", "bits"):
        shown.add_column(title, no_wrap=True)
    for width in bits:
        for title in (f"{width}b: pooled-8", "per image", "saves kbit"):
            shown.add_column(title, justify="right", no_wrap=True)
    for site in table["sites"]:
        cells = [site["name"], site["kind"], str(site["bits"])]
        for width in bits:
            point = points[site["kind"], site["name"]].get(width)
            cells += ["", "", ""] if point is None else _cells(own, point)
        shown.add_row(*cells)
    print_whole(shown)


def print_whole(shown: Table) -> None:
    """Prints a table without cutting its cells: rich takes a pipe as 80 columns wide."""
    console = Console(markup=False)
    wanted = Measurement.get(console, console.options.update(max_width=_WIDEST), shown).maximum
    console.width = max(console.width, wanted)
    console.print(shown)


def _cells(own: dict[str, Any], point: dict[str, Any]) -> list[str]:
    changes = [f"{point[score] - own[score]:+.4f}" for score in ("iou_pooled8", "iou")]
    return [*changes, f"{point['saved_bits'] / 1000:.2f}"]


def write_csv(table: dict[str, Any], out_dir: Path) -> None:
    """One line a point: what ``sensitivity.json`` has, with the IoU lost (own - point)."""
    own, sites = table["own"], {(site["kind"], site["name"]): site for site in table["sites"]}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("kind", "layer", "shares_scale_with", "own_bits", "bits", "lost_iou_pooled8", "lost_iou", "saved_bits")
    )
    for point in table["points"]:
        site = sites[point["kind"], point["name"]]
        lost = (f"{own[score] - point[score]:.6f}" for score in ("iou_pooled8", "iou"))
        others = " ".join(site["members"][1:])
        writer.writerow((point["kind"], point["name"], others, site["bits"], point["bits"], *lost, point["saved_bits"]))
    replace_file(Path(out_dir) / CSV_FILE, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def write_picture(table: dict[str, Any], bits: list[int], out_dir: Path) -> None:
    """Change of the pooled IoU by layer, weights to the left, activations to the right, a colour a width."""
    from matplotlib.figure import Figure

    points = _points_by_site(table)
    rows = max(sum(site["kind"] == kind for site in table["sites"]) for kind in (WEIGHT, ACTIVATION))
    figure = Figure(figsize=(14, 1.5 + _INCHES_A_SITE * rows), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharex=True), (WEIGHT, ACTIVATION), strict=True):
        sites = [site for site in table["sites"] if site["kind"] == kind]
        for width in bits:
            of_width = [(row, points[kind, site["name"]].get(width)) for row, site in enumerate(sites)]
            measured = [(row, point) for row, point in of_width if point is not None]
            changes = [100 * (point["iou_pooled8"] - table["own"]["iou_pooled8"]) for _, point in measured]
            axes.plot(changes, [row for row, _ in measured], "o", color=_COLOURS[width], label=f"{width} bits")
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(sites)), [f"{site['name']} ({site['bits']})" for site in sites], fontsize=7)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        axes.set_title(f"{kind} of one layer lowered (its own bits in brackets)")
        axes.set_xlabel("change of IoU pooled-8, points of 100")
        axes.legend(loc="best")
    replace_file(Path(out_dir) / PICTURE_FILE, lambda path: figure.savefig(path, format="png", dpi=110))


def _points_by_site(table: dict[str, Any]) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    points: dict[tuple[str, str], dict[int, dict[str, Any]]] = {
        (site["kind"], site["name"]): {} for site in table["sites"]
    }
    for point in table["points"]:
        points[point["kind"], point["name"]][point["bits"]] = point
    return points
