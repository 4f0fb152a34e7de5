"""The JSON of all stages' benches in one file, and its figures on the terminal."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_WIDTH = 130
_BUILD_ROWS = (
    ("exact", "exact"),
    ("cycles a frame, simulated", "cycles_per_frame"),
    ("frames/s at 100 MHz", "fps_at_100mhz"),
    ("lone frame, first pixel in to last result out, cycles", "latency_cycles"),
    ("lone frame, last pixel in to last result out, cycles", "flush_cycles"),
    ("a frame begins every ... cycles", "paced_cycles_per_frame"),
    ("then first pixel in to last result out, cycles", "paced_latency_cycles"),
    ("then last pixel in to last result out, cycles", "paced_flush_cycles"),
    ("LUT sites, synthesised", "luts"),
    ("LUTRAM of them", "lutram"),
    ("SRL of them", "srl"),
    ("flip-flops, synthesised", "ffs"),
    ("BRAM36, synthesised", "bram36"),
    ("DSP48E1, synthesised", "dsps"),
    ("LUTs of FIFOs, modelled", "fifo_luts"),
    ("BRAM18 of FIFOs, modelled", "fifo_bram18"),
    ("FIFO sizing, seconds", "fifo_sizing_seconds"),
    ("simulation, kHz", "simulated_khz"),
)
_FOLDING_ROWS = (
    ("cycles a frame", "cycles_per_frame"),
    ("frames/s at 100 MHz", "fps_at_100mhz"),
    ("first pixel in to last result out, cycles", "latency_cycles"),
    ("LUTs", "luts"),
    ("BRAM36", "bram36"),
    ("DSPs", "dsps"),
    ("found in seconds", "seconds"),
)


def merge(files: Sequence[Path]) -> dict[str, Any]:
    """Returns ``machine``, and the content of each of ``files`` under the file's name.

    Raises:
        BuildError: a file is missing or not a JSON object.
    """
    merged: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "python": platform.python_version()}}
    for path in files:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BuildError(f"bench figures '{path}' cannot be read ({error}); run that stage's bench again") from None
        if not isinstance(content, dict):
            raise BuildError(f"bench figures '{path}' are not a JSON object; run that stage's bench again")
        merged[path.stem] = content
    return merged


def print_tables(merged: Mapping[str, Any]) -> None:
    """Prints every figure; those of the accelerator with one column per folding or build."""
    console = Console(width=_WIDTH, markup=False)
    for stage, figures in merged.items():
        if "builds" in figures:
            _print_accelerator(console, figures)
        else:
            console.print(_flat(stage, figures))


def _print_accelerator(console: Console, figures: Mapping[str, Any]) -> None:
    seconds = ", ".join(f"{name} {value:g}" for name, value in figures["lowering_seconds"].items())
    where = f"{figures['network']} {figures['bits']} {figures['size'][0]}x{figures['size'][1]}"
    console.print(f"lowering of {where}, seconds: {seconds}", highlight=False)
    console.print(_columns(f"folded for {figures['board']}, by the models", figures["foldings"], _FOLDING_ROWS))
    if figures["builds"]:
        title = "as the builds measured themselves; synthesis is Yosys', before placement"
        console.print(_columns(title, figures["builds"], _BUILD_ROWS))


def _columns(title: str, columns: Mapping[str, Mapping[str, Any]], rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for label, key in rows:
        if any(key in column for column in columns.values()):
            table.add_row(label, *(_text(column.get(key)) for column in columns.values()))
    return table


def _flat(stage: str, figures: Mapping[str, Any]) -> Table:
    table = Table(title=stage, title_justify="left", show_header=False)
    for name, value in figures.items():
        table.add_row(name, _text(value))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "yes" if value is True else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
