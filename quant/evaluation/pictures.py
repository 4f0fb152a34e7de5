"""Pictures of what a network does: contours of truth and prediction, a contact sheet of cases, curves of a run."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from quant.base.errors import DataError
from quant.base.replace_file import replace_file
from quant.scores.metrics import count_pixels, score_counts
from quant.scores.surface import surface

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TRUTH_COLOUR, PREDICTION_COLOUR = (0, 190, 90), (230, 40, 130)  # green and magenta, apart for the colour-blind too

matplotlib.use("agg")


def overlay(codes: np.ndarray, prediction: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Image codes (H, W, 3) uint8 with contours of masks or class indices (H, W) drawn on, the prediction on top."""
    picture = codes.copy()
    for mask, colour in ((truth, TRUTH_COLOUR), (prediction, PREDICTION_COLOUR)):
        if mask is not None:
            picture[contour(mask)] = colour
    return picture


def contour(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool, or class indices -> (H, W) bool, True on the surface of the mask or of any class but 0."""
    if mask.dtype == bool:
        return surface(mask)
    return np.any([surface(mask == k) for k in range(1, int(mask.max()) + 1)] or [mask > 0], axis=0)


def iou_of_images(predictions: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of each image (N,), of class indices the mean over the classes but 0 that any image holds."""
    if predictions.dtype == bool:
        return score_counts(count_pixels(predictions, truth))["iou"]
    classes = range(1, int(max(predictions.max(), truth.max(), 1)) + 1)
    return np.mean([score_counts(count_pixels(predictions == k, truth == k))["iou"] for k in classes], axis=0)


def save_png(path: Path, picture: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 in one step."""
    replace_file(path, lambda partial: Image.fromarray(picture).save(partial, format="png"))


def choose_cases(predictions: np.ndarray, masks: np.ndarray, each: int) -> dict[str, list[tuple[int, float]]]:
    """Best, median and worst images by IoU: title -> (index, IoU), ``each`` of them, fewer where they would overlap."""
    iou = iou_of_images(predictions, masks)
    order = [int(index) for index in np.argsort(-iou, kind="stable")]
    each = min(each, len(order) // 3) or 1
    middle = (len(order) - each) // 2
    rows = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    return {title: [(index, float(iou[index])) for index in row] for title, row in rows.items()}


def contact_sheet(
    path: Path, codes: np.ndarray, predictions: np.ndarray, masks: np.ndarray, names: Sequence[str], each: int = 4
) -> None:
    """One PNG: a row of best, of median and of worst cases. (N, H, W, 3) uint8, twice (N, H, W), N names."""
    rows = choose_cases(predictions, masks, each)
    columns = max(len(row) for row in rows.values())
    figure = Figure(figsize=(2.6 * columns, 2.9 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (title, row) in zip(axes, rows.items(), strict=True):
        for axis, (index, iou) in zip(line, row, strict=True):
            axis.imshow(overlay(codes[index], predictions[index], masks[index]))
            axis.set_title(f"{title}: {names[index]}\nIoU {iou:.3f}", fontsize=8)
            axis.axis("off")
    figure.suptitle("truth green, prediction magenta", fontsize=9)
    _save_figure(path, figure)


def training_curves(path: Path, runs: Sequence[Path]) -> None:
    """One PNG from the ``log.csv`` of each folder in ``runs``: loss, and validation IoU, by epoch.

    Raises:
        DataError: a folder has no log, or it holds no epoch.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss_axis, iou_axis = figure.subplots(1, 2)
    for run in runs:
        log = read_log(run)
        loss_axis.plot(log["epoch"], log["loss"], label=run.name)
        (line,) = iou_axis.plot(log["epoch"], log["iou_pooled8"], label=f"{run.name}, pooled over 8")
        iou_axis.plot(log["epoch"], log["iou"], "--", color=line.get_color(), label=f"{run.name}, per image")
    for axis, title in ((loss_axis, "training loss"), (iou_axis, "validation IoU")):
        axis.set(xlabel="epoch", title=title)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    _save_figure(path, figure)


def read_log(run: Path) -> dict[str, list[float]]:
    """Columns of a run's ``log.csv``."""
    path = run / "log.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except OSError:
        raise DataError(f"'{path}' cannot be read; give the --out folder of `python -m quant train`") from None
    except (TypeError, ValueError):
        raise DataError(f"'{path}' is not the log of a training run; train again") from None
    if not rows or not {"epoch", "loss", "iou", "iou_pooled8"} <= rows[0].keys():
        raise DataError(f"'{path}' holds no epoch of a training run; train first")
    return {key: [row[key] for row in rows] for key in rows[0]}


def _save_figure(path: Path, figure: Figure) -> None:
    replace_file(path, lambda partial: figure.savefig(partial, format="png", dpi=110))
