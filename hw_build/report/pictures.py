"""The demo's pictures as PNG data for the page: image, mask, prediction, and both outlines over the image."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from board.mask_files import resize_nearest
from board.pictures import palette
from hw_build.base.arrays import write_arrays
from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

_MASK_COLOUR = (46, 160, 67)  # outline of the truth
_PREDICTION_COLOUR = (240, 136, 62)  # outline and tint of the prediction
_TINT = 0.35


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The arrays behind the pictures: codes (H, W, 3) uint8, prediction and truth (H, W), bool or class
    indices uint8; truth may be None.
    """

    codes: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray | None

    def by_caption(self) -> dict[str, np.ndarray]:
        """Caption -> pixels, in the order of the page."""
        shown = {"image": self.codes}
        if self.truth is not None:
            shown["mask"] = mask_picture(self.truth)
        shown["prediction of the accelerator"] = mask_picture(self.prediction)
        prediction = resize_nearest(self.prediction, self.codes.shape[:2])
        filled = "prediction orange" if self.prediction.dtype == bool else "classes of the prediction"
        caption = f"overlay: {filled}" + ("" if self.truth is None else ", mask green")
        return shown | {caption: overlay_picture(self.codes, prediction, self.truth)}

    def save(self, path: Path) -> None:
        arrays = {"codes": self.codes, "prediction": self.prediction}
        if self.truth is not None:
            arrays["truth"] = self.truth
        write_arrays(path, **arrays)


def read_pictures(path: Path) -> Pictures:
    """Reads what ``Pictures.save`` wrote.

    Raises:
        BuildError: there is none, or it cannot be read.
    """
    try:
        with np.load(path) as archive:
            return Pictures(
                codes=archive["codes"],
                prediction=archive["prediction"],
                truth=archive.get("truth"),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BuildError(f"pictures '{path}' cannot be read ({error}); run the demo again") from None


def png_data_uri(pixels: np.ndarray) -> str:
    """(H, W) or (H, W, 3) uint8 -> ``data:image/png;base64,...``."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def mask_picture(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) uint8, foreground white; class indices -> (H, W, 3), each its colour."""
    return np.where(mask, 255, 0).astype(np.uint8) if mask.dtype == bool else palette()[mask]


def overlay_picture(codes: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """The image (H, W, 3) with the prediction tinted and outlined, and the truth outlined where there is one."""
    canvas, inside = codes.astype(np.float32), prediction > 0
    colours = np.array(_PREDICTION_COLOUR) if prediction.dtype == bool else palette()[prediction]
    colours = np.broadcast_to(colours, codes.shape)
    canvas[inside] = (1 - _TINT) * canvas[inside] + _TINT * colours[inside].astype(np.float32)
    canvas[outline(prediction)] = colours[outline(prediction)]
    if truth is not None:
        canvas[outline(truth)] = _MASK_COLOUR
    return canvas.astype(np.uint8)


def outline(mask: np.ndarray) -> np.ndarray:
    """Foreground pixels (H, W) with a neighbour above, below, left or right of another class; the border counts."""
    padded = np.pad(mask, 1)
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return (mask > 0) & np.any([each != mask for each in around], axis=0)
