"""``python -m models list [PATTERN ...] [--json]`` and ``python -m models describe NAME [--json]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import models
from board.boundary import USER_ERROR, add_debug, run_command
from models.cost import costs_and_macs, count_parameters
from models.errors import ConfigError, EdgesegError

if TYPE_CHECKING:
    from models.registry import Entry

_TABLE_COLUMNS = 132


def summary(name: str) -> dict[str, Any]:
    """Name, configuration, parameters, GMAC (all three counts) and layers of one network at its input size."""
    try:
        with torch.device("meta"):  # shapes are enough for all but the strangest code
            network = models.build(name)
        return _summary(models.entry(name), network)
    except (ConfigError, RuntimeError):
        return _summary(models.entry(name), models.build(name))


def _summary(found: Entry, network: nn.Module) -> dict[str, Any]:
    costs, macs = costs_and_macs(network, found.config.in_channels, *found.size)
    return {
        **found.describe(),
        "parameters": count_parameters(network),
        "gmac": macs / 1e9,
        "gmac_conv": sum(cost.conv_macs for cost in costs) / 1e9,
        "gmac_thop": sum(cost.thop_macs for cost in costs) / 1e9,
        "layers": [asdict(cost) for cost in costs],
    }


def _list(arguments: argparse.Namespace) -> None:
    patterns = arguments.pattern or ["*"]
    chosen = [name for name in models.names() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not chosen:
        raise ConfigError(f"no network is named like {', '.join(patterns)}; give no pattern to see all")
    rows = [summary(name) for name in chosen]
    if arguments.json:
        print(json.dumps([{key: value for key, value in row.items() if key != "layers"} for row in rows], indent=2))
        return
    table = Table(title="networks", caption="GMAC: convolutions, linear layers, matrix products; thop: as that counts")
    for column in ("name", "parameters", "GMAC", "thop", "input"):
        table.add_column(column, no_wrap=True, justify="left" if column == "name" else "right")
    table.add_column("what it is")
    for row in rows:
        counted = (f"{row['parameters']:,}", f"{row['gmac']:.4f}", f"{row['gmac_thop']:.4f}")
        size = "x".join(map(str, (row["in_channels"], *models.entry(row["name"]).size)))
        table.add_row(row["name"], *counted, size, row["summary"])
    Console(width=_TABLE_COLUMNS).print(table)


def _describe(arguments: argparse.Namespace) -> None:
    found = summary(arguments.name)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    table = Table(title=f"{found['name']}: {found['summary']}")
    sides = "H, W" if models.entry(arguments.name).is_for_images else "X, Y, Z"
    for column in ("layer", "kind", f"in (C, {sides})", f"out (C, {sides})", "parameters", "MMAC conv"):
        table.add_column(column)
    for cost in found["layers"]:
        shapes = ("x".join(map(str, cost[key])) for key in ("in_shape", "out_shape"))
        table.add_row(cost["name"], cost["kind"], *shapes, f"{cost['parameters']:,}", f"{cost['conv_macs'] / 1e6:.3f}")
    Console(width=_TABLE_COLUMNS).print(table)


def main(argv: list[str] | None = None) -> int:
    """Runs the command of ``argv`` (default: the process's arguments) and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models", description="the float networks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lister = commands.add_parser("list", help="the networks with their parameters and GMAC")
    lister.add_argument("pattern", nargs="*", metavar="PATTERN", help="such as '*-hw' (default: all)")
    lister.add_argument("--json", action="store_true", help="print JSON instead of a table")
    lister.set_defaults(run=_list)
    describer = commands.add_parser("describe", help="one network layer by layer")
    describer.add_argument("name", metavar="NAME")
    describer.add_argument("--json", action="store_true", help="print JSON instead of a table")
    describer.set_defaults(run=_describe)
    add_debug(commands)
    return run_command(lambda: parser.parse_args(argv), _explain)


def _explain(error: BaseException) -> tuple[str, int] | None:
    return (f"error: {error}", USER_ERROR) if isinstance(error, EdgesegError) else None


if __name__ == "__main__":
    sys.exit(main())
