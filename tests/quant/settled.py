"""A written network as the settled twin, the graph and the program that an export makes of it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from qonnx.core.modelwrapper import ModelWrapper
from torch import nn

from quant.export.export import qonnx_model
from quant.integer.parse import parse
from quant.integer.program import Program
from quant.twin.config import QuantConfig
from quant.twin.prepare import calibrate, fill_weight_range
from quant.twin.settle import settle_multiples, settle_tables, settle_thresholds
from quant.twin.structure import Structure
from quant.twin.twin import build_twin
from quant.twin.untrained import take_statistics


@dataclass
class Settled:
    """``multiples`` and ``tables``: how many of them were moved."""

    twin: nn.Module
    structure: Structure
    model: ModelWrapper
    program: Program
    multiples: int
    tables: int


def settled(network: nn.Module, size: tuple[int, int], config: QuantConfig, path: Path) -> Settled:
    """``network`` by statistics and ranges of four random images of ``size``; its graph is written to ``path``."""
    codes = torch.randint(0, 256, (4, 3, *size), dtype=torch.uint8)
    take_statistics(network, codes)
    structure = Structure(network.eval(), 3, size)
    twin = build_twin(network, 3, config, size)
    fill_weight_range(twin, structure.convolutions())
    calibrate(twin, codes)
    multiples = settle_multiples(twin, structure.multiples())
    settle_thresholds(twin, structure.convolutions())
    tables = settle_tables(twin, structure.tables())
    model = qonnx_model(twin.eval(), path, size)
    return Settled(twin, structure, model, parse(model), multiples, tables)
