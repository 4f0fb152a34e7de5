"""How commands print their results."""

from __future__ import annotations

import json
from typing import Any


def show(values: dict[str, Any], as_json: bool) -> None:
    """One JSON object, or a line a value."""
    if as_json:
        print(json.dumps(values))
        return
    for name, value in values.items():
        print(f"{name:26} {value:.4f}" if isinstance(value, float) else f"{name:26} {value}")
