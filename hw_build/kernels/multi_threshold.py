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


def search_trees(table: np.ndarray, y_bits: int, never: int, lanes: int | None) -> np.ndarray:
    """Ascending thresholds (R, n) -> words (R * 2**y_bits,), all that a search for a count of ``y_bits`` reads.

    In the order of lib/thresholds.sv for as many ``lanes``, of which row r is in lane r % lanes, or, None, of
    lib/thresholds_serial.sv. ``never`` stands for the thresholds from n on.
    """
    rows, count = table.shape
    nodes = np.arange(1 << y_bits)
    level = np.floor(np.log2(np.maximum(nodes, 1))).astype(np.int64)
    middle = ((nodes - (1 << level)) * 2 + 1) * (1 << (y_bits - 1 - level)) - 1
    middle[0] = count  # of no node
    heaps = np.concatenate([table, np.full((rows, (1 << y_bits) - count), never)], axis=1)[:, middle]
    if lanes is None:
        return heaps.ravel()
    stages = [slice(0, 1), *(slice(1 << s, 2 << s) for s in range(y_bits))]
    return np.concatenate([heaps[lane::lanes, stage].ravel() for lane in range(lanes) for stage in stages])


def search_parameters(
    thresholds: np.ndarray, low: int, high: int, lowest: int, least: int, *, y_bits: int, lanes: int | None
) -> dict[str, int | str]:
    """ACC_BITS, NUM_T, LOWEST and TREES of lib/requantizer.sv for sums ``low``..``high``; ``search_trees`` of the rest.

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
        "TREES": packed_literal(search_trees(table, y_bits, (1 << (acc_bits - 1)) - 1, lanes), acc_bits),
    }
