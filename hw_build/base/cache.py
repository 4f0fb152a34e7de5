"""The user's cache folder, shared by all builds: simulator objects and synthesis results, each under a content hash."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """EDGESEG_CACHE, or ``edgeseg`` in the user's cache folder; may not exist yet."""
    configured = os.environ.get("EDGESEG_CACHE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgeseg"
