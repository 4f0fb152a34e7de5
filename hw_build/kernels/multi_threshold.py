"""Thresholds: as numpy, with which every kernel that counts them compares itself, and as RTL searches in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.literals import packed_literal, signed_bits

if TYPE_CHECKING:
    from qonnx.core.datatype import BaseDataType


def multi_threshold(values: np.ndarray, thresholds: np.ndarray, lowest: int = 0) -> np.ndarray:
    """Per channel, ``lowest`` plus the number of thresholds <= value: (..., C) and (1 or C, n) -> (..., C)."""
    ordered = np.sort(thresholds, axis=1)
    out = np.empty(values.shape, dtype=np.int64)
    for channel in range(values.shape[-1]):
        row = ordered[channel if ordered.shape[0] > 1 else 0]
        out[..., channel] = np.searchsorted(row, values[..., channel], side="right")
    return out + lowest


def check_codes(node_name: str, attribute: str, datatype: BaseDataType, lowest: int, count: int) -> None:
    """Raise ``ConfigError`` unless ``datatype`` holds ``lowest`` and the ``count`` codes above it."""
    if lowest < datatype.min() or lowest + count > datatype.max():
        raise ConfigError(
            f"{node_name}: {count} thresholds give codes {lowest} to {lowest + count}, which {attribute}="
            f"{datatype.name} cannot hold; widen it"
        )


def search_parameters(thresholds: np.ndarray, low: int, high: int, lowest: int, least: int) -> dict[str, int | str]:
    """ACC_BITS, NUM_T, LOWEST and THRESHOLDS of lib/requantizer.sv for sums ``low``..``high``.

    It counts from the ``least`` code of the type on: thresholds that every sum passes stand for those below ``lowest``.
    """
    acc_bits = signed_bits(low, high + 1)
    passed = np.full((len(thresholds), lowest - least), low)
    # a threshold at or below the smallest sum always counts, one above the largest never does
    table = np.sort(np.clip(np.concatenate([passed, thresholds], axis=1), low, high + 1), axis=1)
    return {
        "ACC_BITS": acc_bits,
        "NUM_T": table.shape[1],
        "LOWEST": least,
        "THRESHOLDS": packed_literal(table, acc_bits),
    }
