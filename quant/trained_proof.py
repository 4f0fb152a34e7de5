"""Proves that the trained network's own BNs and quantizers follow the integer thresholds on every accumulator.

As ``integer/proof.py`` does for QONNX: both sides of every threshold are run through the modules behind each
convolution, in float32, as evaluation and training run them.
"""

from __future__ import annotations

import numpy as np
import torch

from quant.errors import ExportError
from quant.fused import plain
from quant.integer.program import Program
from quant.integer.proof import both_sides
from quant.structure import ConvSite
from quant.twin import Twin


def prove_trained(twin: Twin, sites: list[ConvSite], program: Program) -> int:
    """Runs both sides of every threshold through the modules of ``twin``; returns how many were compared.

    ``sites`` and the program's convolutions are in one order, that of execution.

    Raises:
        ExportError: a code differs from the integer thresholds.
    """
    compared = 0
    for site, conv in zip(sites, program.convolutions, strict=True):
        if site.norm is None or conv.staircase is None:
            continue
        accumulators, values = both_sides(conv)
        found = _codes(twin, site, values) / program.codes[conv.output].scale
        differing = np.argwhere(found != conv.staircase.apply(accumulators))
        if len(differing):
            channel, column = differing[0]
            raise ExportError(
                f"convolution '{site.conv}', channel {channel}: Brevitas rounds accumulator"
                f" {accumulators[channel, column]} to code {found[channel, column]:g}, exact arithmetic does not;"
                " settle the BN shifts (`python -m quant settle`)"
            )
        compared += accumulators.size
    return compared


def _codes(twin: Twin, site: ConvSite, values: np.ndarray) -> np.ndarray:
    """What the BN and the quantizer of ``site`` make of the convolution's output ``values`` (C, n): the same shape."""
    x = torch.from_numpy(values[None, :, None, :])  # (C, n) -> (1, C, 1, n)
    with torch.no_grad():
        x = twin.network.get_submodule(site.norm)(x)
        if site.activation != site.norm:
            x = twin.network.get_submodule(site.activation)(x)
    return plain(x)[0, :, 0, :].numpy()
