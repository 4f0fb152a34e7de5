"""Sixteen breast-ultrasound images with masks, 256x256, for calibration, golden data and the demo.

Every image is 8-bit grey and stands in no training list of this project; ``README.md`` names source and licence.
The folder is also a data folder (``images/``, ``masks/``, ``calib.txt``): ``--data calib_data --split calib``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent
DEMO_IMAGE = "benign_184"


@dataclass(frozen=True)
class Sample:
    """One image as input codes (H, W, C) uint8, the grey level repeated, and its mask (H, W) bool."""

    name: str
    codes: np.ndarray
    mask: np.ndarray


def names() -> tuple[str, ...]:
    """Names of the images in the fixed order of ``calib.txt``."""
    return tuple((FOLDER / "calib.txt").read_text(encoding="utf-8").split())


def load(name: str, size: tuple[int, int] | None = None, channels: int = 3) -> Sample:
    """Reads one image and its mask, resized to ``size`` (H, W) where given: bilinear, the mask by nearest neighbour.

    Raises:
        ValueError: ``name`` is not in ``calib.txt``.
    """
    if name not in names():
        raise ValueError(f"unknown calibration image '{name}'; known images: {', '.join(names())}")
    with Image.open(FOLDER / "images" / f"{name}.png") as shown, Image.open(FOLDER / "masks" / f"{name}.png") as truth:
        image: Image.Image = shown
        mask: Image.Image = truth
        if size is not None:
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            mask = mask.resize((size[1], size[0]), Image.Resampling.NEAREST)
        grey = np.asarray(image)  # (H, W)
        return Sample(name=name, codes=np.repeat(grey[:, :, None], channels, axis=2), mask=np.asarray(mask) > 127)


def load_all(size: tuple[int, int] | None = None, channels: int = 3) -> list[Sample]:
    """Every sample in the order of ``names()``."""
    return [load(name, size, channels) for name in names()]
