"""Reads ``manifest.json`` of an export again: what those need that run exports and join them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from board.errors import InputError
from board.volume_spec import VolumeSpec
from quant.base.errors import ExportError
from quant.export.export import MANIFEST_FILE


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export, which has ``output.logit_scale`` and ``model_sha256``.

    Raises:
        ExportError: it is missing, or no manifest.
    """
    path = Path(folder) / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if float(manifest["output"]["logit_scale"]) > 0 and isinstance(manifest["model_sha256"], str):
            return manifest
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ExportError(f"'{path}' is missing or not a manifest; run `python -m quant export`")


def volume_of(folder: Path) -> VolumeSpec | None:
    """What a scan must be for the exported network; None of a network for images.

    Raises:
        ExportError: as ``read_manifest``; or what it says of scans makes no sense, or is not of the network's channels.
    """
    manifest = read_manifest(folder)
    if manifest.get("volume") is None:
        return None
    path = Path(folder) / MANIFEST_FILE
    try:
        volume = VolumeSpec.from_dict(manifest["volume"])
    except InputError as error:
        raise ExportError(f"'{path}' is damaged in 'volume' ({error}); export again") from None
    image = manifest.get("input")
    channels = image.get("channels") if isinstance(image, dict) else None
    if volume.slices != channels:
        raise ExportError(f"'{path}' says {volume.slices} slices, its network takes {channels} channels; export again")
    return volume
