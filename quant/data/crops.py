"""Crops around what masks show, for the second stage of a cascade: as the first stage will centre them, but for jitter.

The centre is the truth's centroid as ``board.cascade`` takes it, moved in training by up to so many pixels each way,
since the first stage does not find it exactly; an image without foreground is cut around its middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from board.cascade import centroid, crop_around
from quant.data.pairs import Samples, load_samples

if TYPE_CHECKING:
    from pathlib import Path


def crops(
    samples: Samples, size: tuple[int, int], jitter: int = 0, generator: torch.Generator | None = None
) -> Samples:
    """A crop of ``size`` (H, W) of each sample, inside its image; with ``jitter`` moved by draws of ``generator``."""
    count, shape = len(samples), tuple(samples.masks.shape[2:])
    moves = torch.zeros((count, 2), dtype=torch.long)
    if jitter:
        moves = torch.randint(-jitter, jitter + 1, (count, 2), generator=generator)
    places = []
    for mask, move in zip(samples.masks, moves.tolist(), strict=True):
        centre = centroid(mask[0].cpu().numpy() > 0) or (shape[0] // 2, shape[1] // 2)
        rows, columns = crop_around([at + step for at, step in zip(centre, move, strict=True)], size, shape)
        places.append((slice(None), rows, columns))

    def cut(planes: torch.Tensor) -> torch.Tensor:
        return torch.stack([plane[place] for plane, place in zip(planes, places, strict=True)])

    return samples.each(cut)


def load_seen(checkpoint: dict[str, Any], data_dir: Path, split: str, **settings: Any) -> Samples:
    """A split as the network of a checkpoint sees it: at its size or, of a cascade's second network, cut around the
    truth. ``settings`` are of ``load_samples``.
    """
    run, seen = checkpoint.get("run") or {}, tuple(checkpoint["size"])
    if not run.get("crop_height"):
        return load_samples(data_dir, split, seen, **settings)
    return crops(load_samples(data_dir, split, (run["size"], run["size"]), **settings), seen)
