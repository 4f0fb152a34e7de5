"""Checkpoints: one file of tensors and plain values, written under its final name only when complete.

Keys: ``format``, ``model`` (registered name), ``quant`` (None for float, else the quantization as a dict), ``size``
(height and width; x, y, z for volumes), ``classes`` (logits per pixel; 1 where it is absent), ``channels`` (of the
image; those that the network is registered with where it is absent), ``untrained`` (True where nothing was learned;
absent otherwise), ``seen`` (what it was trained on, for ``quant.base.seen_images``; absent from older ones),
``normalisation`` ("code/256"), ``state`` (network), and while training ``optimiser``, ``epoch``, ``run``;
of one trained on volumes ``volumes``: channels, slices, intensity window, spacing and orientation that it takes.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from quant.base.errors import CheckpointError, ExportError
from quant.base.replace_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1
NORMALISATION = "code/256"


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Writes ``checkpoint`` to ``path`` in one step: a reader sees the old file or the new one, never half of it."""
    content = {"format": FORMAT, "normalisation": NORMALISATION, **checkpoint}
    buffer = io.BytesIO()  # torch itself tells a full disk by a RuntimeError
    torch.save(content, buffer)
    replace_file(Path(path), lambda partial: partial.write_bytes(buffer.getbuffer()))


def load(path: Path, *, of_volumes: bool = False) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; one of a network for volumes only where ``of_volumes`` says so.

    Raises:
        CheckpointError: missing, truncated, not one of ours, or a key is missing or of another type.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"checkpoint '{path}' is a folder; give the file, of a training run its weights.pt")
    if not path.is_file():
        raise CheckpointError(f"checkpoint '{path}' does not exist; train one with `python -m quant train`")
    try:
        path.open("rb").close()
    except OSError as error:
        raise CheckpointError(f"checkpoint '{path}' cannot be read ({error.strerror}); check its permissions") from None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch, zipfile and pickle say to bytes that are none of theirs
        raise CheckpointError(
            f"checkpoint '{path}' is truncated or not a checkpoint of `python -m quant`, which holds tensors and plain"
            " values alone; fetch it again, or train it"
        ) from error
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise CheckpointError(f"'{path}' is not an edgeseg checkpoint of format {FORMAT}; train or export it again")
    checkpoint = {"classes": 1, **checkpoint}
    wanted = _KEYS | (_KEYS_OF_VOLUMES if "volumes" in checkpoint else {})
    wanted |= {key: fits for key, fits in _KEYS_OF_SOME.items() if key in checkpoint}
    for key, (fits, meant) in wanted.items():
        if key not in checkpoint or not fits(checkpoint[key]):
            found = "lacks" if key not in checkpoint else "is damaged in"
            raise CheckpointError(f"checkpoint '{path}' {found} '{key}', which is {meant}; fetch it again, or train it")
    if len(checkpoint["size"]) == 3 and not of_volumes:
        raise CheckpointError(
            f"checkpoint '{path}' is of a network for volumes, which do not lower; score it with `python -m quant"
            " evaluate-volumes`, or train a network for images on slices with it as the teacher (`distill`)"
        )
    return checkpoint


def require_exported_from(export_dir: Path, path: Path) -> None:
    """ExportError unless the export in ``export_dir`` was made from the checkpoint at ``path``."""
    load(path, of_volumes=True)
    manifest = export_dir / "manifest.json"
    try:
        made_from = json.loads(manifest.read_text(encoding="utf-8"))["checkpoint"]["sha256"]
    except (OSError, ValueError, KeyError):
        raise ExportError(f"'{manifest}' is missing or not a manifest; run `python -m quant export`") from None
    if made_from != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ExportError(f"'{export_dir}' was not exported from '{path}'; export it again or leave out one")


def _is_size(value: Any, sides: tuple[int, ...] = (2,)) -> bool:
    return isinstance(value, (list, tuple)) and len(value) in sides and all(type(side) is int for side in value)


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in value.items()
    )


def _is_seen(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("folders"), list):
        return False
    images = value.get("images")
    return isinstance(images, torch.Tensor) and images.dtype == torch.int64 and images.dim() == 1


_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (lambda value: isinstance(value, str), "the name of a network"),
    "quant": (lambda value: value is None or isinstance(value, dict), "its quantization, or none"),
    "size": (_is_size, "height and width"),
    "classes": (lambda value: type(value) is int and value > 0, "logits a pixel"),
    "normalisation": (lambda value: isinstance(value, str), "how codes become inputs"),
    "state": (_is_state, "tensors by name"),
}
_KEYS_OF_SOME: dict[str, tuple[Callable[[Any], bool], str]] = {
    "channels": (lambda value: type(value) is int and value > 0, "channels of the image"),
    "seen": (_is_seen, "digests of images and names of folders that it was trained on"),
}
_KEYS_OF_VOLUMES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "size": (lambda value: _is_size(value, (2, 3)), "height and width, or x, y and z"),
    "volumes": (lambda value: isinstance(value, dict), "what its network takes of volumes"),
}
