"""Reads ``manifest.json`` of an export again: what those need that run exports and join them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
