"""The results of a cross-validation: as JSON, a table in Markdown and a plot.

``iou`` is the mean over all images, each of which is reported once; ``standard_error`` the deviation of the folds'
means over the root of their number (None where the data's own lists say what is reported); ``iou_interval`` a
bootstrap over images (see ``resampling``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from quant.base.replace_file import replace_file, replace_text
from quant.scores.breakdown import break_down
from quant.scores.resampling import ORDERS
from quant.training.recipe import merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quant.training.crossval import Plan, Reported

matplotlib.use("agg")


def report(plan: Plan, reported: Reported) -> dict[str, Any]:
    """Everything that the files show; see the module's text and ``breakdown``."""
    iou = reported.scores.score("iou")
    of_folds = [float(iou[reported.folds == fold].mean()) for fold in plan.folds_to_train()]
    config = plan.configs[-1]
    return {
        "result": plan.result,
        "model": config.model,
        "quant": plan.stages[-1].quant,
        "size": config.size,
        "seed": config.seed,
        "folds": None if plan.fixed_split else plan.folds,
        "first_folds": plan.first_folds,
        "fold_seed": plan.fold_seed,
        "stages": {
            stage.name: {
                **merged(stage.settings, plan.settings),
                "data": Path(settings.data).resolve().name,
                "quant": stage.quant,
            }
            for stage, settings in zip(plan.stages, plan.configs, strict=True)
        },
        "iou_of_folds": of_folds,
        "standard_error": None if plan.fixed_split else float(np.std(of_folds, ddof=1) / np.sqrt(len(of_folds))),
        "parts": break_down(reported.scores, reported.classes),
    }


def markdown(found: dict[str, Any]) -> str:
    """A table of all parts, and of the folds."""
    everything = found["parts"]["all"]
    protocol = f"{everything['images']} images of the list val, none of which was trained on."
    folds = ""
    if found["folds"] is not None:
        some = "" if found["first_folds"] is None else f"the first {found['first_folds']} of "
        protocol = (
            f"{everything['images']} images, each reported by the one of {some}{found['folds']} folds (seed"
            f" {found['fold_seed']}) that was not trained on it."
        )
        folds = (
            f", standard error over the folds {found['standard_error']:.4f}; of the folds"
            f" {', '.join(f'{iou:.4f}' for iou in found['iou_of_folds'])}"
        )
    lines = [
        f"`{found['model']}`, {found['quant'] or 'float'}, {found['size']}x{found['size']}, stage `{found['result']}`,"
        f" seed {found['seed']}: {protocol} IoU per image {everything['iou']:.4f}{folds}. Pooled-8: mean and deviation"
        f" over {ORDERS} random orders; in list order {everything['iou_pooled8']:.4f}.",
        "",
        "| images | number | IoU per image | 95% interval | F1 | IoU pooled-8 | 95% interval | missed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, part in found["parts"].items():
        lines.append(
            f"| {in_cell(title)} | {part['images']} | {part['iou']:.4f} | {between(part['iou_interval'])} |"
            f" {part['f1']:.4f} | {part['iou_pooled8_orders']:.4f} +- {part['iou_pooled8_orders_deviation']:.4f} |"
            f" {between(part['iou_pooled8_interval'])} | {percent(part['missed'])} |"
        )
    return "\n".join(lines) + "\n"


def between(interval: Sequence[float] | None, sign: str = "") -> str:
    """An interval in a table, with ``sign`` "+" of a difference; nothing where there is none."""
    return "" if interval is None else " to ".join(f"{end:{sign}.4f}" for end in interval)


def percent(share: float | None) -> str:
    """A share in a table; nothing where there is none."""
    return "" if share is None else f"{share:.1%}"


def in_cell(name: str) -> str:
    """``name`` as a cell of Markdown."""
    return " ".join(name.split()).replace("|", "\\|")


def write_report(plan: Plan, reported: Reported) -> dict[str, Any]:
    """Writes a JSON, a Markdown and a PNG file of ``plan.report_name`` into ``plan.out``; returns what they show."""
    found = report(plan, reported)
    text = {"json": json.dumps(found, indent=1) + "\n", "md": markdown(found)}
    for suffix, content in text.items():
        replace_text(plan.out / f"{plan.report_name}.{suffix}", content)
    figure = _plot(found, reported)
    path = plan.out / f"{plan.report_name}.png"
    replace_file(path, lambda partial: figure.savefig(partial, format="png", dpi=110))
    return found


def _plot(found: dict[str, Any], reported: Reported) -> Figure:
    """Left the parts with their intervals, right every image by the size of its lesion."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    parts_axis, images_axis = figure.subplots(1, 2)
    parts = {title: part for title, part in found["parts"].items() if part["iou_interval"] is not None}
    places = np.arange(len(parts))[::-1]
    iou = np.array([part["iou"] for part in parts.values()])
    low, high = np.array([part["iou_interval"] for part in parts.values()]).reshape(-1, 2).T
    parts_axis.errorbar(iou, places, xerr=(np.maximum(iou - low, 0), np.maximum(high - iou, 0)), fmt="o", capsize=3)
    parts_axis.set_yticks(places, [f"{title} ({part['images']})" for title, part in parts.items()])
    parts_axis.set(xlabel="IoU per image, 95% interval", title=f"{found['model']}, {found['result']}")
    share, of_image = 100 * reported.scores.lesion_share(), reported.scores.score("iou")
    kinds = np.array(reported.classes or [""] * len(of_image))
    for kind in sorted(set(kinds)):
        images_axis.plot(share[kinds == kind], of_image[kinds == kind], ".", alpha=0.6, label=kind)
    images_axis.set(xlabel="lesion, % of the image", ylabel="IoU", xscale="symlog", title="every image once")
    if len(set(kinds)) > 1:
        images_axis.legend(fontsize=8)
    for axis in (parts_axis, images_axis):
        axis.grid(alpha=0.3)
    return figure
