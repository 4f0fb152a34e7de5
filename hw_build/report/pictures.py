"""The demo's pictures as PNG data for the page: image, mask, prediction, and both outlines over the image."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

_MASK_COLOUR = (46, 160, 67)  # outline of the truth
_PREDICTION_COLOUR = (240, 136, 62)  # outline and tint of the prediction
_TINT = 0.35


def png_data_uri(pixels: np.ndarray) -> str:
    """(H, W) or (H, W, 3) uint8 -> ``data:image/png;base64,...``."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def mask_picture(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) uint8, foreground white."""
    return np.where(mask, 255, 0).astype(np.uint8)


def overlay_picture(codes: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None) -> np.ndarray:
    """The image (H, W, 3) with the prediction tinted and outlined, and the truth outlined where there is one."""
    canvas = codes.astype(np.float32)
    canvas[prediction] = (1 - _TINT) * canvas[prediction] + _TINT * np.array(_PREDICTION_COLOUR, np.float32)
    canvas[outline(prediction)] = _PREDICTION_COLOUR
    if truth is not None:
        canvas[outline(truth)] = _MASK_COLOUR
    return canvas.astype(np.uint8)


def outline(mask: np.ndarray) -> np.ndarray:
    """Foreground pixels (H, W) with a neighbour above, below, left or right in the background; the border counts."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inside
