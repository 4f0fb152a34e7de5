"""Lines in place of many thresholds: code = clip((m*acc + b) >> shift, lowest, lowest + n), exactly as these count.

255 thresholds of a channel are 255 words of memory; a line is two numbers and a multiplier. Whether there is one is a
question of integers: with T_k the k-th threshold, m*T_k + b must have reached k << shift and m*(T_k - 1) + b must not,
codes being counted from 0; `lowest` of them is added to b in the end.
All such pairs of constraints bound the slope m / 2**shift; within these bounds the smallest shift wins for which an m
and a b exist. The sum is monotonic in acc, so what holds on both sides of every threshold holds everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.literals import packed_literal, signed_bits
from hw_build.kernels.products import product_range

if TYPE_CHECKING:
    from qonnx.core.datatype import BaseDataType

REQUANTIZER_FILES = ("lib/rom.sv", "lib/thresholds.sv", "lib/scaler.sv", "lib/requantizer.sv")
SUM_FILES = ("lib/threshold_table.sv", "lib/sum_requantizer.sv")
NO_SHIFT = -1  # of attribute SumShift
MANY = 31  # thresholds beyond which a line is asked for: outputs of more than five bits
MOST_SHIFT = 36
SUM_BITS = 48  # of a DSP48E1
_TRIES = 8  # multipliers for a shift


@dataclass(frozen=True)
class Lines:
    """One line a row: ``multiplier``, ``offset`` (R,) int64, a ``shift`` for all; codes ``lowest`` to ``top``."""

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    lowest: int
    top: int

    @property
    def is_shift(self) -> bool:
        """Whether nothing is multiplied, and one row serves all."""
        return self.multiplier.tolist() == [1]

    @property
    def bits(self) -> list[int]:
        """Signed bits of a multiplier and of an offset."""
        multiplier = signed_bits(0, max(1, int(self.multiplier.max())))
        return [multiplier, signed_bits(int(self.offset.min()), int(self.offset.max()))]

    def apply(self, sums: np.ndarray) -> np.ndarray:
        """Codes of sums (..., R), or of any shape where there is one row."""
        return np.clip((self.multiplier * sums + self.offset) >> self.shift, self.lowest, self.top)

    def parameters(self) -> dict[str, int | str]:
        """SCALED, M_BITS, B_BITS, SHIFT, NUM_T, LOWEST, SCALES and OFFSETS of lib/requantizer.sv."""
        m_bits, b_bits = self.bits
        return {
            "SCALED": 1,
            "M_BITS": m_bits,
            "B_BITS": b_bits,
            "SHIFT": self.shift,
            "NUM_T": self.top - self.lowest,
            "LOWEST": self.lowest,
            "SCALES": packed_literal(self.multiplier, m_bits),
            "OFFSETS": packed_literal(self.offset, b_bits),
        }


def lines_of_products(thresholds: np.ndarray, weights: np.ndarray, x_type: BaseDataType, lowest: int) -> Lines | None:
    """``lines_of_many`` for sums of products of ``weights`` (R, ...) and codes of ``x_type``."""
    return lines_of_many(thresholds, *product_range(weights.reshape(len(weights), -1), x_type), lowest)


def lines_of_many(thresholds: np.ndarray, low: np.ndarray, high: np.ndarray, lowest: int) -> Lines | None:
    """``find_lines`` where there are so many ``thresholds`` that lines are worth it, else None."""
    return find_lines(thresholds, low, high, lowest) if thresholds.shape[1] > MANY else None


def find_lines(thresholds: np.ndarray, low: np.ndarray, high: np.ndarray, lowest: int = 0) -> Lines | None:
    """Lines of ``thresholds`` (R, n) for sums ``low``..``high`` (R,), proved on both sides of each; None where a row
    has none. A sum that passes no threshold has the code ``lowest``.
    """
    thresholds = np.sort(thresholds.astype(np.int64), axis=1)
    found = [_row_line(row, int(a), int(b)) for row, a, b in zip(thresholds, low, high, strict=True)]
    rows = [row for row in found if row is not None]
    if len(rows) < len(found):
        return None
    shift = max(own for _, _, own in rows)
    multiplier = np.array([m << (shift - own) for m, _, own in rows], np.int64)
    offset = np.array([(b << (shift - own)) + (lowest << shift) for _, b, own in rows], np.int64)
    lines = Lines(multiplier, offset, shift, lowest, lowest + thresholds.shape[1])
    if lines.bits[0] + signed_bits(int(low.min()), int(high.max())) >= SUM_BITS or lines.bits[1] >= SUM_BITS:
        return None
    _prove(lines, thresholds, low, high)
    return lines


def find_shift(thresholds: np.ndarray, low: int, high: int, lowest: int) -> Lines | None:
    """The line of many ``thresholds`` (1, n) for sums from ``low`` on, 0..``high - low``, where it only adds and
    shifts, else None.
    """
    if len(thresholds) != 1:
        return None
    lines = lines_of_many(thresholds - low, np.zeros(1, np.int64), np.full(1, high - low, np.int64), lowest)
    return lines if lines is not None and lines.is_shift else None


def require_shift(node_name: str, lines: Lines | None, shift: int) -> Lines:
    """``lines`` of a sum, which must shift by what a node's attribute SumShift says.

    Raises:
        ConfigError: they do not.
    """
    if lines is None or lines.shift != shift:
        found = "are no shift" if lines is None else f"need SumShift={lines.shift}"
        raise ConfigError(f"{node_name}: SumShift={shift}, but its thresholds {found}; lower the network again")
    return lines


def require_lines(node_name: str, lines: Lines | None, bits: list[int]) -> Lines:
    """``lines``, which must have the ``bits`` that a node's attribute LineBits says.

    Raises:
        ConfigError: they have others, or there are none.
    """
    if lines is None or lines.bits != list(bits):
        found = "have no line" if lines is None else f"need LineBits={lines.bits}"
        raise ConfigError(f"{node_name}: LineBits={list(bits)}, but its thresholds {found}; lower the network again")
    return lines


def _row_line(row: np.ndarray, low: int, high: int) -> tuple[int, int, int] | None:
    """(m, b, shift) of ascending thresholds, or None."""
    first, last = int((row <= low).sum()), int((row <= high).sum())
    if first == last:
        return 0, first, 0
    count = np.arange(first + 1, last + 1)
    at, reached = row[first:last], count  # there the count has been reached
    below, missed = at - 1, count  # and there it has not
    if first > 0:
        at, reached = np.append(at, low), np.append(reached, first)
    if last < len(row):
        below, missed = np.append(below, high), np.append(missed, last + 1)
    run, rise = at[:, None] - below[None, :], reached[:, None] - missed[None, :]  # (at, below)
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = rise / run
    least = float(np.max(slopes, where=run > 0, initial=0.0))
    most = float(np.min(slopes, where=run < 0, initial=np.inf))
    if not least < most:
        return None
    most = min(most, 2 * least + 1.0)  # where nothing bounds it
    for shift in range(MOST_SHIFT + 1):
        bottom, top = int(np.floor(least * 2**shift)), int(np.ceil(most * 2**shift))
        middle = max((bottom + top) // 2 - _TRIES // 2, bottom)
        for m in range(middle, min(middle + _TRIES, top + 1)):
            from_b = int((np.left_shift(reached, shift) - m * at).max())
            to_b = int((np.left_shift(missed, shift) - 1 - m * below).min())
            if from_b <= to_b:
                return m, (from_b + to_b) // 2, shift
    return None


def _prove(lines: Lines, thresholds: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Compares with the thresholds on both sides of each and at both ends of the sums: all there is to a monotonic
    count.
    """
    assert (lines.multiplier >= 0).all()
    ends = np.stack([low, high], axis=1)
    sums = np.clip(np.concatenate([thresholds, thresholds - 1, ends], axis=1), low[:, None], high[:, None])
    expected = np.stack(
        [np.searchsorted(row, values, side="right") for row, values in zip(thresholds, sums, strict=True)]
    )
    assert np.array_equal(lines.apply(sums.T).T, expected + lines.lowest)
