"""Scores of a checkpoint, or of an export's integer arithmetic, on one split of a data folder.

A checkpoint is run with torch at its own size, images being resized to it. An export is run by the integer reference:
its size is fixed, and an image of another size is refused rather than resized.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from quant.base import checkpoint as checkpoints
from quant.base.digests import digest_of
from quant.base.errors import DataError
from quant.base.seen_images import Seen
from quant.data.crops import load_seen
from quant.data.image_classes import ImageClasses, classes_of_images
from quant.data.layouts import Pair, list_pairs
from quant.data.pairs import read_pair
from quant.scores.breakdown import ImageScores, break_down
from quant.scores.masks import score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BATCH_IMAGES = 8


def evaluate_checkpoint(
    checkpoint_path: Path,
    data_dir: Path,
    split: str,
    device: str = "cpu",
    *,
    normal_cases: bool = False,
    image_classes: Path | None = None,
) -> dict[str, Any]:
    """Scores of a float or quantized checkpoint: see ``scores.masks``; and of ``parts`` of the images: ``breakdown``.

    The second network of a cascade is scored on crops around the truth: ``quant.evaluation.cascade`` scores both.

    ``image_classes`` is a CSV file that says the images' classes; without it their names do. ``seen_in_training``
    tells how many of the images the network is known to have been trained on, unless that is none.

    Raises:
        CheckpointError, ConfigError, DataError: see their messages.
    """
    from quant.base.device import require_device
    from quant.evaluation.predict import predict_masks
    from quant.twin.networks import channels_in, classes_of, from_checkpoint

    checkpoint = checkpoints.load(checkpoint_path)
    require_device(device)
    classes = classes_of(checkpoint)
    samples = load_seen(
        checkpoint,
        data_dir,
        split,
        normal_cases=normal_cases,
        classes=classes,
        channels=channels_in(checkpoint),
    )
    known = classes_of_images(samples.names, image_classes)
    network = from_checkpoint(checkpoint).to(device)

    def predict(start: int) -> np.ndarray:
        return predict_masks(network, samples.codes[start : start + BATCH_IMAGES], BATCH_IMAGES, device)

    predictions = np.concatenate(list(_with_progress(len(samples), predict)))
    found = _all_scores(predictions, samples.masks[:, 0].numpy(), classes, known)
    return {"arithmetic": "float32", "split": split, **_seen(checkpoint, samples.digests or ()), **found}


def evaluate_integer(
    export_dir: Path,
    data_dir: Path,
    split: str,
    device: str = "cpu",
    checkpoint_path: Path | None = None,
    *,
    normal_cases: bool = False,
    image_classes: Path | None = None,
) -> dict[str, Any]:
    """Scores of an export's integer logits; ``checkpoint_path``, if given, must be what the export was made from, and
    tells what it saw.

    Raises:
        CheckpointError, ConfigError, DataError, ExportError: see their messages.
    """
    from quant.evaluation.predict import decide
    from quant.integer import IntegerReference

    if checkpoint_path is not None:
        checkpoints.require_exported_from(Path(export_dir), Path(checkpoint_path))
    reference = IntegerReference(export_dir, device=device)
    pairs = list_pairs(data_dir, split, normal_cases=normal_cases)
    known = classes_of_images([pair.name for pair in pairs], image_classes)
    truths: list[np.ndarray] = []

    def predict(start: int) -> np.ndarray:
        part = pairs[start : start + BATCH_IMAGES]
        read = [_read_of_size(pair, reference.input_shape, reference.classes) for pair in part]
        truths.extend(truth for _, truth in read)
        return decide(reference.run(np.stack([codes for codes, _ in read])))

    predictions = np.concatenate(list(_with_progress(len(pairs), predict)))
    found = _all_scores(predictions, np.stack(truths), reference.classes, known)
    seen = {}
    if checkpoint_path is not None:
        seen = _seen(checkpoints.load(checkpoint_path), [digest_of(pair.image) for pair in pairs])
    return {"arithmetic": "integer", "split": split, **seen, **found}


def _seen(checkpoint: dict[str, Any], digests: Iterable[int]) -> dict[str, int]:
    """How many of the images its network saw in training, by a name of its own among the scores."""
    count = Seen.by(checkpoint).count(digests)
    return {"seen_in_training": count} if count else {}


def _all_scores(predictions: np.ndarray, truth: np.ndarray, classes: int, known: ImageClasses | None) -> dict[str, Any]:
    """``scores`` of all images, and under ``parts`` of each class and size, with intervals."""
    parts = break_down(ImageScores.of(predictions, truth, classes), None if known is None else known.classes)
    return {**score(predictions, truth, classes, surfaces=True), "parts": parts}


def _read_of_size(pair: Pair, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    height, width, channels = shape
    codes, truth = read_pair(pair, None, classes, channels)
    if codes.shape[:2] != (height, width):
        raise DataError(
            f"image '{pair.image}' is {codes.shape[0]}x{codes.shape[1]} pixels, but the exported network takes"
            f" {height}x{width}; resize the image or export at its size"
        )
    return codes, truth


def _with_progress(images: int, predict: Callable[[int], np.ndarray]) -> Iterator[np.ndarray]:
    """Predictions batch by batch, with a bar on a terminal; elsewhere rich would leave an empty line on stderr."""
    starts, console = range(0, images, BATCH_IMAGES), Console(stderr=True)
    if not console.is_terminal:
        yield from map(predict, starts)
        return
    columns = (TextColumn("evaluate"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("evaluate", total=images)
        for start in starts:
            yield predict(start)
            progress.update(bar, completed=min(images, start + BATCH_IMAGES))
