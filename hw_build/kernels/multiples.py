"""Whole multiples of streams, where codes of different scales meet: shifts and adders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_times(node_name: str, times: Sequence[int]) -> None:
    """Raise ``ConfigError`` unless ``times`` are two positive numbers."""
    if len(times) != 2 or min(times) < 1:
        raise ConfigError(f"{node_name}: Times={list(times)} must be two numbers of 1 or more, one for each input")


def multiple_adders(times: Sequence[int]) -> int:
    """Adders that the multiples take: one less than the ones of each number."""
    return sum(each.bit_count() - 1 for each in times)
