"""A 3D network as the teacher of networks for images that see slices of the same volumes: 2.5D students of a recipe.

The slices are cut by the teacher's own window. Its logits are computed once, and serve every stage of the recipe.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quant.base.errors import CheckpointError, ConfigError
from quant.base.replace_file import replace_text
from quant.training.recipe import Stage, follow, read_recipe, run_of
from quant.training.train import KEPT, TEACHER_LOGITS, train
from quant.training.train_config import TrainConfig
from quant.volumes.evaluate import evaluate_volumes, load_network
from quant.volumes.slab_images import read_slabs, write_slabs
from quant.volumes.soft_targets import is_for_volumes

if TYPE_CHECKING:
    from board.intensity import Window

_SLABS, _SCORES = "slabs", "volumes.json"


def distill(
    teacher: Path, recipe: str, data_dir: Path, out_dir: Path, settings: dict[str, Any], *, alone: bool = False
) -> dict[str, Any]:
    """Trains the stages of ``recipe`` on slices of ``data_dir`` and returns the scores of ``evaluate_volumes`` on its
    split ``val``: of the teacher, and of each stage by name.

    ``settings`` of ``TrainConfig`` go before the recipe's. ``alone``: the teacher teaches nothing. Writes to
    ``out_dir``: ``slabs``, ``teacher`` (its logits), a folder of each stage, and ``volumes.json``; what is there stays.

    Raises:
        CheckpointError: the teacher is no 3D network, or not for these volumes.
        ConfigError, DataError: see their messages.
    """
    if alone and "distill" in settings:
        raise ConfigError("--distill has no effect with --alone; leave out one of them")
    out_dir = Path(out_dir)
    stages = tuple(replace(stage, teacher=Path(teacher)) for stage in read_recipe(recipe))
    for stage in stages:
        if stage.name in (_SLABS, TEACHER_LOGITS, _SCORES):
            raise ConfigError(
                f"stage '{stage.name}' of recipe '{recipe}' has the name of another part of --out; rename it"
            )
    size, channels, classes = _one_input(stages, recipe)
    if not is_for_volumes(teacher):
        raise CheckpointError(
            f"teacher '{teacher}' is a network for images; distil from it by `python -m quant train --teacher`, or give"
            " a 3D one of `train-volumes`"
        )
    checkpoint, _, window = load_network(teacher)
    if checkpoint["classes"] != classes:
        raise CheckpointError(
            f"teacher '{teacher}' has {checkpoint['classes']} logits a voxel, the recipe's networks {classes}; set"
            " classes in the recipe to match"
        )
    slabs = out_dir / _SLABS
    if slabs.exists():
        _require_cut_for(slabs, window, channels, size)
    else:
        write_slabs(data_dir, slabs, window=window, slices=channels, classes=classes, size=(size, size))

    def train_stage(*arguments: Any, teacher: Path | None, **links: Any) -> dict[str, Any] | None:
        taught_by = None if alone else teacher
        return train(*arguments, teacher=taught_by, teacher_logits=out_dir / TEACHER_LOGITS, **links)

    follow(stages, out_dir, {**settings, "data": str(slabs)}, train_stage)
    device = settings.get("device", TrainConfig.device)
    networks = {"teacher": Path(teacher), **{stage.name: out_dir / stage.name / KEPT for stage in stages}}
    scores = {name: evaluate_volumes(path, data_dir, "val", device=device) for name, path in networks.items()}
    replace_text(out_dir / _SCORES, json.dumps(scores, indent=1) + "\n")
    return scores


def table_of(scores: dict[str, Any]) -> str:
    """Dice of each network by class, with 95% intervals, in Markdown."""
    kinds = [key for key in next(iter(scores.values())) if key.startswith("class")]
    head = ["network", "volumes", "mean Dice", *(f"Dice of class {kind.removeprefix('class')}" for kind in kinds)]
    rows = [head, ["---"] * len(head)]
    for name, of_network in scores.items():
        rows.append([name, str(of_network["volumes"]), f"{of_network['dice']:.4f}"])
        for kind in kinds:
            dice, interval = of_network[kind]["dice"], of_network[kind]["dice_interval"]
            told = "" if interval is None else " ({:.4f} to {:.4f})".format(*interval)
            rows[-1].append(f"{dice:.4f}{told}")
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _require_cut_for(slabs: Path, window: Window, channels: int, size: int) -> None:
    """ConfigError unless the slices in ``slabs`` are what teacher and recipe see."""
    found = read_slabs(slabs)
    there = (found.spec.window.as_dict(), found.spec.slices, found.size)
    if there != (window.as_dict(), channels, (size, size)):
        raise ConfigError(
            f"'{slabs}' was cut for a teacher of another window, or networks of another size or number of channels;"
            " give another --out, or delete it"
        )


def _one_input(stages: tuple[Stage, ...], recipe: str) -> tuple[int, int, int]:
    """Side of the images, channels and classes, of all stages."""
    configs = [run_of(stage, {"data": ""})[0] for stage in stages]
    if any(config.all_images for config in configs):
        raise ConfigError(f"recipe '{recipe}' sets all_images, and the volumes of val are scored; leave it out")
    found = {(config.size, config.in_channels, config.classes, config.crop) for config in configs}
    if len(found) > 1 or configs[0].crop is not None:
        raise ConfigError(
            f"the stages of recipe '{recipe}' see images of different sizes, channels, classes or crops; they are"
            " taught on the same slices: give all the same"
        )
    return configs[0].size, configs[0].in_channels, configs[0].classes
