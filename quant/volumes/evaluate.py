"""Scores of a network on whole volumes of a split, and its labels as NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

import models
from board.errors import InputError
from board.intensity import Window
from quant.base import checkpoint as checkpoints
from quant.base.device import require_device
from quant.base.errors import CheckpointError, ConfigError, DataError
from quant.base.progress import steps_with_bar
from quant.integer import IntegerReference
from quant.twin.networks import from_checkpoint
from quant.volumes.components import keep_components
from quant.volumes.layouts import list_cases
from quant.volumes.nifti import write_labels
from quant.volumes.predict import OVERLAP, IntegerNetwork, decide, decide_in_integers, predict_logits
from quant.volumes.scans import Scan, load_scan, on_file_grid
from quant.volumes.scores import score_volume, summarise


def evaluate_volumes(
    checkpoint_path: Path,
    data_dir: Path,
    split: str,
    *,
    overlap: float = OVERLAP,
    tolerance_mm: float = 1.0,
    largest_only: bool = False,
    least_voxels: int = 1,
    masks_dir: Path | None = None,
    integer: Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Scores per ``quant.volumes.scores`` on the files' own grids, and ``per_volume`` those of each class 1 to N - 1.

    ``masks_dir`` gets ``<case>.nii.gz`` with the affine of the image. ``integer``: an export of the checkpoint, whose
    integer arithmetic decides instead, slice by slice in frames of its size, as on the board; of a 3D network it gives
    the logits of each window.

    Raises:
        CheckpointError, ConfigError, DataError, ExportError: see their messages.
    """
    require_device(device)
    if not 0 <= overlap < 1:
        raise ConfigError(f"--overlap must be at least 0 and below 1, got {overlap}")
    if not 0 <= tolerance_mm < float("inf"):
        raise ConfigError(f"--tolerance must be a distance in mm, got {tolerance_mm}")
    if least_voxels < 1:
        raise ConfigError(f"--least-voxels must be at least 1, got {least_voxels}")
    checkpoint, network, window = load_network(checkpoint_path)
    volumes, classes = checkpoint["volumes"], checkpoint["classes"]
    patch = checkpoint["size"][::-1] if volumes["slices"] else checkpoint["size"]  # (x, y) of an image's (H, W)
    network = network.to(device)
    reference = None
    if integer is not None:
        checkpoints.require_exported_from(Path(integer), Path(checkpoint_path))
        reference = IntegerReference(integer, device=device)
        if reference.program.is_of_volumes:
            network, reference = IntegerNetwork(reference), None
    per_volume, has_spacing = {}, True
    for case in steps_with_bar("evaluate", list_cases(data_dir, split)):
        scan = load_scan(case, window, classes, volumes["spacing_mm"])
        _require_fits(scan, checkpoint)
        if reference is not None:
            decided = decide_in_integers(reference, scan.codes)
        else:
            decided = decide(
                predict_logits(network, scan.codes, patch, volumes["slices"], overlap=overlap, device=device)
            )
        labels = on_file_grid(decided, scan)
        labels = keep_components(labels, largest_only=largest_only, least_voxels=least_voxels)
        if masks_dir is not None:
            write_labels(Path(masks_dir) / f"{case.name}.nii.gz", labels, scan.file)
        per_volume[case.name] = score_volume(labels, scan.truth, classes, scan.file.spacing_mm, tolerance_mm)
        has_spacing = has_spacing and scan.file.has_spacing
    settings = {"split": split, "unit": "mm" if has_spacing else "voxel", "tolerance": tolerance_mm}
    return {**settings, **summarise(list(per_volume.values())), "per_volume": per_volume}


def load_network(path: Path) -> tuple[dict[str, Any], nn.Module, Window]:
    """A checkpoint of a network for volumes, or one of a network for images that was trained on slices of volumes; its
    network in evaluation mode, and its window.

    Raises:
        CheckpointError: it is of another kind, or damaged.
    """
    checkpoint = checkpoints.load(path, of_volumes=True)
    volumes = checkpoint.get("volumes")
    if not isinstance(volumes, dict) or not set(volumes) >= _KEYS:
        raise CheckpointError(
            f"checkpoint '{path}' is not of a network for volumes; train one with `python -m quant train-volumes`, or"
            " with `train` on slices by `slabs` as they are"
        )
    try:
        window = Window.from_dict(volumes["window"])
        if checkpoint["quant"] is not None:
            return checkpoint, from_checkpoint(checkpoint), window
        network = models.build(checkpoint["model"], checkpoint["classes"], volumes["channels"])
        network.load_state_dict(checkpoint["state"])
    except (InputError, RuntimeError) as error:
        told = str(error).splitlines()[0]
        raise CheckpointError(f"checkpoint '{path}' does not fit its network ({told}); train it again") from None
    if not all(bool(torch.isfinite(value).all()) for value in checkpoint["state"].values()):
        raise CheckpointError(f"checkpoint '{path}' holds NaN or infinity; train it again with a lower --lr")
    return checkpoint, network.eval(), window


_KEYS = {"channels", "slices", "window", "spacing_mm", "orientation"}


def _require_fits(scan: Scan, checkpoint: dict[str, Any]) -> None:
    volumes = checkpoint["volumes"]
    if scan.file.orientation != volumes["orientation"]:
        raise DataError(
            f"volume '{scan.file.source}' has orientation {scan.file.orientation}, the network was trained on"
            f" {volumes['orientation']}; turn it with nibabel.orientations, or train on such volumes"
        )
    channels = scan.codes.shape[0] * max(1, volumes["slices"])
    if channels != volumes["channels"]:
        raise DataError(
            f"volume '{scan.file.source}' has {scan.codes.shape[0]} channels, the network takes"
            f" {volumes['channels'] // max(1, volumes['slices'])}; give the same channels as in training"
        )
