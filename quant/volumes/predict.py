"""Labels of whole volumes by a sliding window: overlapping patches, blended with a Gaussian weight (MONAI's)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from board import io_spec
from board.slices import Slices
from quant.base.errors import as_data_error
from quant.data.pairs import to_input
from quant.volumes.slabs import slabs, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quant.integer import IntegerReference

OVERLAP = 0.5
_SLABS_AT_ONCE = 8


def predict_logits(
    network: nn.Module,
    codes: torch.Tensor,
    patch: Sequence[int],
    slices: int = 0,
    *,
    overlap: float = OVERLAP,
    device: str = "cpu",
) -> torch.Tensor:
    """Codes (C, X, Y, Z) uint8 -> logits (classes, X, Y, Z) on the CPU.

    ``patch`` (x, y, z), or with ``slices`` (x, y) of an image network; where the volume is smaller, it is padded with
    code 0 for the network and cut back.
    """
    network.eval()
    settings = {"overlap": overlap, "mode": "gaussian", "padding_mode": "constant", "device": "cpu"}
    with torch.no_grad():
        if not slices:
            x = to_input(codes)[None]
            return sliding_window_inference(x, tuple(patch), 1, network, sw_device=device, **settings)[0]
        planes = slabs(codes, slices)  # (Z, C * slices, Y, X)
        found = [
            sliding_window_inference(
                to_input(part), (patch[1], patch[0]), _SLABS_AT_ONCE, network, sw_device=device, **settings
            )
            for part in planes.split(_SLABS_AT_ONCE)
        ]
        return stacked(torch.cat(found))


def decide(logits: torch.Tensor) -> torch.Tensor:
    """Logits (classes, X, Y, Z) -> class indices (X, Y, Z) uint8: logit > 0 of one class, the largest of several."""
    chosen = logits[0] > 0 if len(logits) == 1 else logits.argmax(0)
    return chosen.to(torch.uint8)


class IntegerNetwork(nn.Module):
    """An export of a network for volumes as one that takes codes / 256 and gives logits, (B, C, X, Y, Z)."""

    def __init__(self, reference: IntegerReference) -> None:
        super().__init__()
        self._reference = reference

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        codes = (x * 256).round().to(torch.uint8).movedim(1, -1).cpu().numpy()  # (B, X, Y, Z, C)
        logits = torch.from_numpy(self._reference.run(codes)).movedim(-1, 1)
        return self._reference.program.logit_scale * logits.float()


def decide_in_integers(reference: IntegerReference, codes: torch.Tensor) -> torch.Tensor:
    """Codes (1, X, Y, Z) uint8 -> what an export of a network for images decides, slice by slice: (X, Y, Z) uint8.

    Raises:
        DataError: a slice is larger than the export's image.
    """
    height, width, slices = reference.input_shape
    with as_data_error():
        frames = Slices(codes[0].numpy(), height, width, slices)
    logits = reference.run(np.stack(list(frames)))
    decided = frames.on_volume(io_spec.decide(logits))
    return torch.from_numpy(np.ascontiguousarray(decided.astype(np.uint8)))
