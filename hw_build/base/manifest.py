"""Reads ``manifest.json`` of an export, and compares what it says with the files that it is about.

Only the network's name must be there; it and the name of the bits are text. What else is there must be true of the
model and the golden data.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from board.errors import InputError
from board.volume_spec import VolumeSpec
from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1
_LONGEST_NAME = 100
_TABLES = ("model", "input", "output", "verification", "quant")


def refusal_of_name(name: str) -> str | None:
    """Why ``name`` cannot be that of a network, which becomes part of file names; None where it can."""
    if name.isprintable() and 0 < len(name) <= _LONGEST_NAME:
        return None
    return f"a name is 1 to {_LONGEST_NAME} printable characters, got {name!r}"


def read_manifest(path: Path, *, model_sha256: str, size: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """The manifest at ``path`` of the model with hash ``model_sha256`` and golden codes of ``size`` (H, W, C).

    ``classes``: logits of a pixel in the golden data.

    Raises:
        BuildError: it is no manifest, lacks the network's name, or says something else than model and golden data.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BuildError(f"manifest '{path}' is not JSON ({error}); export again") from None
    if not isinstance(manifest, dict):
        raise BuildError(f"manifest '{path}' does not name the network; export again")
    if wrong := [name for name in _TABLES if not isinstance(manifest.get(name, {}), dict)]:
        raise BuildError(f"manifest '{path}' has a {wrong[0]} that is not a table; export again")
    model, image, output, checked = (manifest.get(name, {}) for name in ("model", "input", "output", "verification"))
    name = model.get("name")
    if not isinstance(name, str):
        raise BuildError(f"manifest '{path}' does not name the network; export again")
    if (why := refusal_of_name(name)) is not None:
        raise BuildError(f"manifest '{path}' does not name the network: {why}; export again under another name")
    if not isinstance(manifest.get("quant", {}).get("name", ""), str):
        raise BuildError(f"manifest '{path}' does not name the bits; export again")
    said = isinstance(checked.get("images"), list) and isinstance(checked.get("logits_compared"), int)
    if "verification" in manifest and not said:
        raise BuildError(f"manifest '{path}' does not say which images were compared; export again")
    height, width, channels = size
    for name, table, found in (
        ("format", manifest, _FORMAT),
        ("model_sha256", manifest, model_sha256),
        ("height", image, height),
        ("width", image, width),
        ("channels", image, channels),
        ("classes", output, classes),
    ):
        if table.get(name, found) != found:
            raise BuildError(f"manifest '{path}' says {name} {table[name]!r}, the export has {found!r}; export again")
    _require_volume(manifest.get("volume"), path, channels)
    return manifest


def _require_volume(volume: Any, path: Path, channels: int) -> None:
    if volume is None:
        return
    try:
        slices = VolumeSpec.from_dict(volume).slices
    except InputError as error:
        raise BuildError(f"manifest '{path}' is damaged in 'volume' ({error}); export again") from None
    if slices != channels:
        raise BuildError(f"manifest '{path}' says {slices} slices, the export has {channels} channels; export again")
