"""Which images an epoch draws: each once, or balanced over classes and sizes of lesions.

A cell is a class (by the image's name, see ``image_classes``) and a size of lesion (of ``breakdown``), or none of it;
all cells with an image weigh the same, and so do the images of a cell. Where names say no class, cells are sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from quant.data.image_classes import classes_by_name
from quant.scores.breakdown import lesion_sizes

if TYPE_CHECKING:
    from quant.data.pairs import Samples

SAMPLINGS = ("uniform", "balanced")


def sampling_weights(sampling: str, samples: Samples) -> torch.Tensor | None:
    """Probability (N,) float64 that a draw gives each of ``samples``; None where an epoch has each of them once."""
    return None if sampling == "uniform" else torch.from_numpy(_balanced(samples))


def _balanced(samples: Samples) -> np.ndarray:
    lesions = (samples.masks > 0).flatten(1)  # every epoch asks: no copy of the masks in floats
    sizes = lesion_sizes((lesions.sum(1).double() / lesions.shape[1]).cpu().numpy())
    known = classes_by_name(samples.names)
    kinds = np.zeros(len(samples), int) if known is None else np.unique(known.classes, return_inverse=True)[1]
    names = [f"{kind} {size}" for kind, size in zip(kinds, sizes, strict=True)]
    _, cell, images = np.unique(names, return_inverse=True, return_counts=True)
    return 1 / (len(images) * images[cell])
