"""What the network of a checkpoint saw in training, by the name of the data's folder that its ``run`` records.

Scores on images that it saw, or that its teacher saw, say nothing of other images.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


def saw_all(checkpoint: dict[str, Any], data_dir: Path | str) -> bool:
    """Whether it was trained on all images of a folder of this name."""
    return saw(checkpoint, data_dir) and checkpoint["run"].get("all_images") is True


def saw(checkpoint: dict[str, Any], data_dir: Path | str) -> bool:
    """Whether it was trained on images of a folder of this name."""
    run, name = checkpoint.get("run"), Path(data_dir).name
    return isinstance(run, dict) and name != "" and run.get("data") == name


def require_unseen(data_dir: Path | str, beginnings: Iterable[Path | None], folds: bool) -> None:
    """ConfigError where a network or teacher that a training begins with saw the images that it reports.

    These are ``val`` of the data, or with ``folds`` all images, each in turn.
    """
    name = Path(data_dir).name
    for path in beginnings:
        if path is None:
            continue
        checkpoint = checkpoints.load(path, of_volumes=True)
        if folds and saw(checkpoint, data_dir):
            raise ConfigError(
                f"'{path}' was trained on images of '{name}', and every one of them is reported by a fold as not seen;"
                " start from weights of other images, or rename the folder if these are others"
            )
        if saw_all(checkpoint, data_dir):
            raise ConfigError(
                f"'{path}' was trained on all images of '{name}', val among them, which is scored as not seen; give"
                " `train` --all-images, or rename the folder if these are other images"
            )
