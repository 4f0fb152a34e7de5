"""A plan as a recipe of ``quant``: the reasons as comments, then stages of float and quantized training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.flow.plan.rules import BATCH, JITTER, Demand, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.flow.plan.networks import Choice

_COMMENT_WIDTH = 110


def recipe_text(demand: Demand, choice: Choice, reasons: Sequence[Reason], title: str) -> str:
    """The recipe as TOML for ``python -m quant train --recipe``."""
    lines = [f"# {title}", "#"]
    for reason in reasons:
        lines += _wrapped(f"{reason.what}: {reason.value}. {reason.why}")
    lines += [
        f'model = "{choice.network}"', "seed = 1", f"batch = {BATCH}", 'schedule = "cosine"', 'calibration = "train"',
        "ema = 0.99", f'augmentation = "{demand.augmentation}"',
    ]  # fmt: skip
    if demand.classes > 1:
        lines.append(f"classes = {demand.classes}")
    if demand.box is None:
        return "\n".join([*lines, *_pair(demand, choice, "", choice.side)]) + "\n"
    height, width = choice.stages[1].size
    first, second = (f"{part}-{choice.bits}" for part in ("coarse", "fine"))
    lines += [
        "", "[cascade]", f'first = "{first}"', f'second = "{second}"', f"crop = [{height}, {width}]",
        f"jitter = {JITTER}", "weight = 0.5", "threshold = 0.6",
    ]  # fmt: skip
    coarse = _pair(demand, choice, "coarse-", choice.side // demand.reduction)
    return "\n".join([*lines, *coarse, *_pair(demand, choice, "fine-", choice.side, start="coarse-float")]) + "\n"


def _pair(demand: Demand, choice: Choice, prefix: str, side: int, start: str | None = None) -> list[str]:
    """A float stage and the quantized stage that starts from it, with the float network as teacher."""
    return [
        "", "[[stages]]", f'name = "{prefix}float"', f"size = {side}", f"epochs = {demand.float_epochs}", "lr = 2e-3",
        *([f'init_from = "{start}"'] if start else []),
        "", "[[stages]]", f'name = "{prefix}{choice.bits}"', f'quant = "{choice.bits}"', f'init_from = "{prefix}float"',
        f'teacher = "{prefix}float"', f"size = {side}", f"epochs = {demand.quantized_epochs}", "lr = 1e-3",
        "weight_decay = 0.0",
    ]  # fmt: skip


def _wrapped(text: str) -> list[str]:
    lines, line = [], "#"
    for word in text.split():
        if len(line) + len(word) > _COMMENT_WIDTH:
            lines.append(line)
            line = "#  "
        line += f" {word}"
    return [*lines, line]
