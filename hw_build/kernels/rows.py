"""Which rows of a frame an operator has read when it ends each row of its output, from its own attributes.

Frames come row by row, and rows leave in order: one has read what it depends on and what the rows before it needed, and
keeps what the rows after it need. Row r depends on these, where they lie in the frame:

    window of K rows, dilation d, stride s, p zero rows above    s*r - p + d*k, k = 0 .. K - 1
    nearest upsampling by f                                      r // f
    linear upsampling by f, half-pixel centres                   the two rows around (r + 1/2)/f - 1/2
    zero rows around a frame, p above                            r - p
    every s-th row from the first one that is kept, f            f + s*r

A row of zeros alone depends on none; before any other has left, the first row is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

UPSAMPLING = ("nearest", "linear")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Of a frame of ``rows_in`` rows, counted from 0, for each output row: the ``last`` that has been read, and the
    ``first`` that it or a later one depends on. ``step``: input rows from one output row to the next.
    """

    rows_in: int
    first: tuple[int, ...]
    last: tuple[int, ...]
    step: Fraction

    @property
    def rows_out(self) -> int:
        """Rows of a frame of the output."""
        return len(self.last)

    @property
    def held(self) -> int:
        """The most rows from the first to the last, both counted: what an operator must keep that keeps whole rows."""
        return max(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    @property
    def whole_frame(self) -> bool:
        """Whether nothing comes out before a frame is in."""
        return self.last[0] == self.rows_in - 1


def pointwise_rows(rows_in: int) -> Rows:
    """Each row depends on its own alone."""
    return window_rows(rows_in, kernel=1)


def window_rows(
    rows_in: int, *, kernel: int, stride: int = 1, dilation: int = 1, pads: tuple[int, int] = (0, 0)
) -> Rows:
    """A convolution or pooling of ``kernel`` rows over a frame with ``pads`` zero rows above and below.

    Raises:
        ConfigError: a number is not positive, pads are negative, or the frame has no room for the window.
    """
    if min(rows_in, kernel, stride, dilation) < 1 or min(pads) < 0:
        raise ConfigError(
            f"a window of {kernel} rows with stride {stride}, dilation {dilation} and pads {list(pads)} over {rows_in} "
            "rows is none: rows, stride and dilation must be positive, and pads must not be negative"
        )
    span = dilation * (kernel - 1) + 1
    if rows_in + sum(pads) < span:
        raise ConfigError(
            f"a window that spans {span} rows does not fit {rows_in} rows with pads {list(pads)}: use a larger image"
        )
    starts = range(-pads[0], rows_in + pads[1] - span + 1, stride)
    return _rows(rows_in, [range(start, start + span, dilation) for start in starts], Fraction(stride))


def window_size(
    size: tuple[int, int],
    kernel: Sequence[int],
    pads: Sequence[int],
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
) -> tuple[int, int]:
    """Size of the output of a window over an image with pads [top, left, bottom, right]."""
    spans = [dilation * (side - 1) + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    height, width = (
        (side + before + after - span) // stride + 1
        for side, before, after, span, stride in zip(size, pads[:2], pads[2:], spans, strides, strict=True)
    )
    return height, width


def global_rows(rows_in: int) -> Rows:
    """One row of each whole frame, as of a global pooling."""
    return window_rows(rows_in, kernel=rows_in, stride=rows_in)


def padded_rows(rows_in: int, before: int, after: int) -> Rows:
    """The frame with ``before`` zero rows above it and ``after`` below."""
    return window_rows(rows_in, kernel=1, pads=(before, after))


def selected_rows(rows_in: int, chosen: range) -> Rows:
    """The rows ``chosen`` of a frame alone."""
    return _rows(rows_in, [(row,) for row in chosen], Fraction(chosen.step))


def upsampled_rows(rows_in: int, *, factor: int, mode: str) -> Rows:
    """``factor`` rows of each: ``nearest``, or ``linear`` with half-pixel centres and the edge repeated.

    Raises:
        ConfigError: another mode, or a factor that is not positive.
    """
    if mode not in UPSAMPLING or min(rows_in, factor) < 1:
        raise ConfigError(
            f"upsampling of {rows_in} rows by {factor}, mode '{mode}': which rows it needs is known for positive whole "
            f"factors and the modes {' and '.join(UPSAMPLING)}"
        )
    needs: list[tuple[int, ...]]
    if mode == "nearest":
        needs = [(row // factor,) for row in range(factor * rows_in)]
    else:
        centres = [(row + Fraction(1, 2)) / factor - Fraction(1, 2) for row in range(factor * rows_in)]
        needs = [(min(max(floor(centre), 0), rows_in - 1), min(ceil(centre), rows_in - 1)) for centre in centres]
    return _rows(rows_in, needs, Fraction(1, factor))


def _rows(rows_in: int, needs: Sequence[Sequence[int]], step: Fraction) -> Rows:
    """``needs``: what each output row depends on, rows outside the frame among them, which are zeros."""
    inside = [[row for row in rows if 0 <= row < rows_in] for rows in needs]
    last = accumulate((max(rows, default=0) for rows in inside), max)
    first = accumulate((min(rows, default=rows_in - 1) for rows in reversed(inside)), min)
    return Rows(rows_in=rows_in, first=tuple(first)[::-1], last=tuple(last), step=step)
