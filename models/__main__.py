"""``python -m models list [--json]`` and ``python -m models describe NAME [--json]``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import models
from board.boundary import USER_ERROR, add_debug, run_command
from models.cost import LayerCost, count_parameters, layer_costs
from models.errors import EdgesegError

_TABLE_COLUMNS = 132


def summary(name: str) -> dict[str, Any]:
    """Name, configuration, parameters and GMAC (both counts) of one network at its input size."""
    return _summary(name, *_measured(name))


def _summary(name: str, network: nn.Module, costs: list[LayerCost]) -> dict[str, Any]:
    return {
        **models.entry(name).describe(),
        "parameters": count_parameters(network),
        "gmac_conv": sum(cost.conv_macs for cost in costs) / 1e9,
        "gmac_thop": sum(cost.thop_macs for cost in costs) / 1e9,
    }


def _measured(name: str) -> tuple[nn.Module, list[LayerCost]]:
    """A network and its costs; one for volumes without its numbers, which would take gigabytes and minutes."""
    found = models.entry(name)
    with torch.device("cpu" if found.is_for_images else "meta"):
        network = models.build(name)
    return network, layer_costs(network, found.config.in_channels, *found.size)


def _list(arguments: argparse.Namespace) -> None:
    rows = [summary(name) for name in models.names()]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(title="networks")
    for column in ("name", "dims", "depths", "kernels", "parameters", "GMAC conv", "GMAC thop", "input"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        shown = [",".join(map(str, row[key])) if key in row else "-" for key in ("dims", "depths", "kernels")]
        table.add_row(
            row["name"],
            *shown,
            f"{row['parameters']:,}",
            f"{row['gmac_conv']:.4f}",
            f"{row['gmac_thop']:.4f}",
            "x".join(map(str, (row["in_channels"], *models.entry(row["name"]).size))),
        )
    Console(width=_TABLE_COLUMNS).print(table)


def _describe(arguments: argparse.Namespace) -> None:
    found, (network, costs) = models.entry(arguments.name), _measured(arguments.name)
    if arguments.json:
        print(
            json.dumps(
                {**_summary(arguments.name, network, costs), "layers": [asdict(cost) for cost in costs]}, indent=2
            )
        )
        return
    table = Table(title=f"{found.name}: {found.summary}")
    sides = "H, W" if found.is_for_images else "X, Y, Z"
    for column in ("layer", "kind", f"in (C, {sides})", f"out (C, {sides})", "parameters", "MMAC conv"):
        table.add_column(column)
    for cost in costs:
        shapes = ("x".join(map(str, shape)) for shape in (cost.in_shape, cost.out_shape))
        table.add_row(cost.name, cost.kind, *shapes, f"{cost.parameters:,}", f"{cost.conv_macs / 1e6:.3f}")
    Console(width=_TABLE_COLUMNS).print(table)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models", description="the float networks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lister = commands.add_parser("list", help="every network with its parameters and GMAC")
    lister.add_argument("--json", action="store_true", help="print JSON instead of a table")
    lister.set_defaults(run=_list)
    describer = commands.add_parser("describe", help="one network layer by layer")
    describer.add_argument("name", metavar="NAME")
    describer.add_argument("--json", action="store_true", help="print JSON instead of a table")
    describer.set_defaults(run=_describe)
    add_debug(commands)
    return run_command(parser.parse_args(argv), _explain)


def _explain(error: BaseException) -> tuple[str, int] | None:
    return (f"error: {error}", USER_ERROR) if isinstance(error, EdgesegError) else None


if __name__ == "__main__":
    sys.exit(main())
