"""Sentences for the user that stop nothing."""

from __future__ import annotations

import sys
from functools import cache


@cache
def note(sentence: str) -> None:
    """``sentence`` on stderr, once in a process."""
    print(f"note: {sentence}", file=sys.stderr)
