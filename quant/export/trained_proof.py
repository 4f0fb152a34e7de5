"""Proves that the trained network's own BNs and quantizers follow the integer thresholds on every accumulator.

As ``integer/proof.py`` does for QONNX: both sides of every threshold are run through the modules after each
convolution, in float32, as evaluation and training run them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from quant.base.errors import ExportError
from quant.integer.program import Program, Table
from quant.integer.proof import prove_conv
from quant.layers.fused import plain

if TYPE_CHECKING:
    from quant.twin.structure import ConvSite, TableSite
    from quant.twin.twin import Twin


def prove_trained(twin: Twin, sites: list[ConvSite], program: Program) -> int:
    """Runs both sides of every threshold through the modules of ``twin``; returns how many were compared.

    Raises:
        ExportError: a code differs from the integer thresholds.
    """
    compared = 0
    by_layer = {conv.layer: conv for conv in program.convolutions}
    for site in sites:
        conv = by_layer[site.conv]
        if site.norm is None or conv.staircase is None:
            continue
        compared += prove_conv(program, conv, partial(_run_modules, twin, site), name=site.conv, who="Brevitas")
    return compared


def prove_tables(twin: Twin, sites: list[TableSite], program: Program) -> int:
    """Runs all codes that tables read through the modules of ``twin``; returns how many were compared.

    Raises:
        ExportError: a code becomes another than the table says.
    """
    compared = 0
    by_layer = {step.layer: step for step in program.steps if isinstance(step, Table)}
    for site in sites:
        table = by_layer[site.chain[-1]]
        read, channels = program.codes[table.source], program.channels[table.source]
        codes = np.arange(read.low, read.high + 1)
        values = np.tile(codes * read.scale, (channels, 1)).astype(np.float32)
        found = _run_modules(twin, site, values) / program.codes[table.output].scale
        differing = np.argwhere(found != table.words)
        if len(differing):
            channel, column = differing[0]
            raise ExportError(
                f"activation '{site.table}', channel {channel}: Brevitas makes code {codes[column]} to"
                f" {found[channel, column]:g}, QONNX does not; settle it (`python -m quant settle`)"
            )
        compared += found.size
    return compared


def _run_modules(twin: Twin, site: ConvSite | TableSite, values: np.ndarray) -> np.ndarray:
    """What the chain of ``site`` and its quantizer make of the convolution's output (C, n): the same shape."""
    x = torch.from_numpy(values[None, :, None, :])  # (C, n) -> (1, C, 1, n)
    with torch.no_grad():
        for name in site.chain:
            x = twin.network.get_submodule(name)(x)
    return plain(x)[0, :, 0, :].numpy()
