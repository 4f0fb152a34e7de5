"""How commands print their results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def show(values: dict[str, Any], as_json: bool) -> None:
    """Prints one JSON object, or one line per value; nested values are named by their path."""
    if as_json:
        print(json.dumps(values))
        return
    for name, value in _flat(values):
        print(f"{name:26} {_as_text(value)}")


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.".replace(" ", "-"))
        else:
            yield f"{above}{name}", value


def _as_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(map(_as_text, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
