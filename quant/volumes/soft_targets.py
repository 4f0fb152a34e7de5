"""What a 3D network says of the slices of volumes: the soft targets of a 2.5D student that has it as its teacher.

The teacher sees each volume once, by the sliding window of ``evaluate-volumes``, as the codes in a folder of ``slabs``
say it; its logits are kept as float16, a file a volume, named by the content of teacher and volume, so that what was
broken off goes on and nothing stale is read. Around a slice, where its frame is filled up, all is background.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from board.slices import Slices
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, DataError
from quant.base.progress import steps_with_bar
from quant.base.replace_file import replace_file
from quant.volumes.evaluate import load_network
from quant.volumes.predict import predict_logits
from quant.volumes.slab_images import SLABS, SlabFolder, read_slabs
from quant.volumes.volume import same_spacing

if TYPE_CHECKING:
    from board.intensity import Window
    from quant.data.pairs import Samples

_ENDS = torch.finfo(torch.float16)


def is_for_volumes(path: Path) -> bool:
    """Whether the checkpoint at ``path`` is of a 3D network; CheckpointError where it is none."""
    return len(checkpoints.load(path, of_volumes=True)["size"]) == 3


def require_slabs(data_dir: Path, teacher: Path, *, classes: int, size: tuple[int, int]) -> SlabFolder:
    """The slices of volumes in ``data_dir``, which ``teacher`` can teach a student of ``classes`` that sees ``size``.

    Raises:
        CheckpointError: the teacher has other classes, or was trained on other windows, orientations or spacings.
        DataError: ``data_dir`` is no folder of ``slabs``.
        ConfigError: ``size`` is not that of the slices' frames.
    """
    if not (Path(data_dir) / SLABS).is_file():
        raise DataError(
            f"'{data_dir}' has no {SLABS}, but teacher '{teacher}' is for volumes; give slices of volumes, written by"
            " `python -m quant slabs`, or a teacher for images"
        )
    slabs = read_slabs(data_dir)
    checkpoint, _, window = load_network(teacher)
    _require_fits(teacher, checkpoint, window, slabs, classes)
    if size != slabs.size:
        height, width = slabs.size
        raise ConfigError(
            f"the slices in '{data_dir}' are {height}x{width}, and a teacher for volumes sees them as they are; give"
            + (f" --size {height}" if height == width else " slices of equal sides, by `quant slabs --size`")
        )
    return slabs


def soft_targets(
    teacher: Path, data_dir: Path, samples: Samples, *, classes: int, cache_dir: Path, device: str = "cpu"
) -> torch.Tensor:
    """Probabilities (N, classes but the background, H, W) float16 of ``samples``, slices in the folder ``data_dir``.

    ``cache_dir`` gets ``<volume>-<digest>.npy``: logits (classes, X, Y, Z) float16.

    Raises:
        CheckpointError, ConfigError: as ``require_slabs``.
        DataError: ``data_dir`` is no folder of ``slabs``, or a slice of a volume is not among the samples.
    """
    height, width = samples.codes.shape[2:]
    slabs = require_slabs(data_dir, teacher, classes=classes, size=(height, width))
    checkpoint, network, _ = load_network(teacher)
    of_teacher, network = Path(teacher).read_bytes(), network.to(device)
    soft = torch.zeros(len(samples), max(1, classes - 1), *slabs.size, dtype=torch.float16)
    for name, places in steps_with_bar("ask the teacher", list(_volumes(samples, slabs, data_dir).items())):
        frames = Slices(np.broadcast_to(np.uint8(0), slabs.shapes[name]), *slabs.size, 1)
        middle = samples.codes[places, slabs.spec.slices // 2].cpu().numpy()  # (Z, H, W)
        codes = torch.from_numpy(np.ascontiguousarray(frames.on_volume(middle)))
        digest = hashlib.sha256(of_teacher + codes.numpy().tobytes()).hexdigest()[:16]
        logits = _kept(Path(cache_dir) / f"{name}-{digest}.npy", (classes, *codes.shape), network, checkpoint, codes)
        for channel, probabilities in enumerate(_foreground(torch.from_numpy(logits).float())):
            planes = np.zeros(middle.shape, np.float16)
            frames.on_volume(planes)[...] = probabilities.numpy()
            soft[places, channel] = torch.from_numpy(planes)
    return soft


def _kept(
    path: Path, shape: tuple[int, ...], network: nn.Module, checkpoint: dict[str, Any], codes: torch.Tensor
) -> np.ndarray:
    """Logits (classes, X, Y, Z) float16 of ``codes`` (X, Y, Z), from ``path`` if a whole file is there."""
    try:
        found = np.load(path)
        if found.shape == shape and found.dtype == np.float16:
            return found
    except (OSError, ValueError, EOFError):  # none yet, or a damaged one
        pass
    device = str(next(network.parameters()).device)
    logits = predict_logits(network, codes[None], checkpoint["size"], device=device)
    kept = logits.clamp(_ENDS.min, _ENDS.max).to(torch.float16).numpy()

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # np.save by name adds a suffix
            np.save(file, kept)

    replace_file(path, write)
    return kept


def _foreground(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities (classes but the background, ...) of logits (classes, ...)."""
    return torch.sigmoid(logits) if len(logits) == 1 else functional.softmax(logits, dim=0)[1:]


def _volumes(samples: Samples, slabs: SlabFolder, data_dir: Path) -> dict[str, list[int]]:
    """Where the slices of each volume are among the samples, in order of z."""
    place = {name: index for index, name in enumerate(samples.names)}
    found = {}
    for name in dict.fromkeys(slab.rpartition("_")[0] for slab in samples.names):
        if name not in slabs.shapes:
            raise DataError(
                f"'{Path(data_dir) / SLABS}' does not say the size of volume '{name}'; write the folder again by"
                " `python -m quant slabs`"
            )
        needed = [f"{name}_{index:04}" for index in range(slabs.shapes[name][2])]
        missing = [slab for slab in needed if slab not in place]
        if missing:
            raise DataError(
                f"slice '{missing[0]}' of '{data_dir}' is not in the list, but a teacher for volumes sees all of"
                f" '{name}'; list each volume whole (crossval: give --image-classes with the volume as group)"
            )
        found[name] = [place[slab] for slab in needed]
    return found


def _require_fits(teacher: Path, checkpoint: dict[str, Any], window: Window, slabs: SlabFolder, classes: int) -> None:
    volumes, spec = checkpoint["volumes"], slabs.spec
    refusal = None
    if checkpoint["classes"] != classes:
        refusal = f"has {checkpoint['classes']} logits a voxel, the student {classes}; give --classes to match"
    elif volumes["channels"] != 1:
        refusal = f"takes {volumes['channels']} channels, slices are made of one; train one on volumes of one channel"
    elif window.as_dict() != spec.window.as_dict():
        refusal = (
            f"sees intensities by {window.as_dict()}, the slices by {spec.window.as_dict()}; write the slices with its"
            " --window"
        )
    elif volumes["orientation"] != spec.orientation:
        refusal = f"was trained on {volumes['orientation']}, the slices are {spec.orientation}; turn the volumes"
    else:
        refusal = _unlike_spacing(volumes, spec.spacing_mm)
    if refusal is not None:
        raise CheckpointError(f"teacher '{teacher}' {refusal}")


def _unlike_spacing(volumes: dict[str, Any], found: tuple[float, ...] | None) -> str | None:
    """Why slices of voxels of ``found`` mm (None: of several sizes, or unknown) are not for a teacher."""
    wanted = volumes["spacing_mm"] or volumes.get("file_spacing_mm")
    if wanted is None or (found is None and volumes["spacing_mm"] is None):
        return None
    if found is not None and same_spacing(found, wanted):
        return None
    told = "several sizes" if found is None else f"{_by(found)} mm"
    return f"sees voxels of {_by(wanted)} mm, the slices have {told}; resample the volumes, or train it on them"


def _by(spacing: tuple[float, ...] | list[float]) -> str:
    return " x ".join(f"{step:g}" for step in spacing)
