"""Functions of integers too wide for a table, as pieces: runs of integers that the quantizer behind gives one code.

What lies between is executed for every integer that weights and codes can make, float32 rounding included. Thresholds
count the pieces that begin at or below an integer. Where codes only rise, that is the code; elsewhere a table gives
each piece its code: steps up and down alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute, reject, smallest_integer_type
from hw_build.graph.evaluation import evaluate
from hw_build.graph.nodes import add_kernel
from hw_build.graph.ranges import FLOAT32_BITS
from hw_build.kernels.code_table import CodeTable_rtl
from hw_build.operators.negation import can_be_negated, negate_channels
from hw_build.operators.quantizer import Quantizer
from hw_build.operators.ranges import channel_ranges

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

MOST_PIECES = 256
MOST_VALUES = 2**28  # integers of all channels together that are executed: some minutes
_AT_ONCE = 2**22  # values of one execution
_CLOSE = 1e-4  # of a step of the quantizer: values so close to a border are executed once more, one by one
_MOST_CLOSE = 256  # of each channel


@dataclass(frozen=True)
class Pieces:
    """Of one channel: the integers at which a piece begins, without the first, and the codes of all."""

    starts: np.ndarray
    codes: np.ndarray

    def turned(self) -> Pieces:
        """Of the negated integer."""
        return Pieces(1 - self.starts[::-1], self.codes[::-1])

    def thresholds(self, places: np.ndarray, count: int, low: int, high: int) -> np.ndarray:
        """``count`` thresholds, ascending in [low, high + 1], of which ``places[n]`` are passed in piece n."""
        begins = np.concatenate([[low], self.starts])
        return np.concatenate([np.repeat(begins, np.diff(places, prepend=0)), np.full(count - places[-1], high + 1)])

    def places_in(self, sequence: np.ndarray) -> np.ndarray | None:
        """Ascending places of its codes in ``sequence``; None where they do not follow one another there."""
        places, begin = [], 0
        for code in self.codes:
            found = np.nonzero(sequence[begin:] == code)[0]
            if not len(found):
                return None
            places.append(begin + int(found[0]))
            begin = places[-1] + 1
        return np.array(places)


def close_to_a_border(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Where ``values`` are next to one of the ``steps`` (1, n) of a quantizer: bool, of their shape."""
    borders = np.sort(steps.reshape(-1).astype(np.float64))
    above = np.clip(np.searchsorted(borders, values), 1, max(1, len(borders) - 1))
    step = np.diff(borders).min() if len(borders) > 1 else abs(borders[0])
    below = np.abs(borders[above - 1] - values) < _CLOSE * step
    return below | (np.abs(borders[np.minimum(above, len(borders) - 1)] - values) < _CLOSE * step)


def require_numbers(values: np.ndarray, culprit: NodeProto, told: str) -> None:
    """LoweringError where a function gives none of ``values``, executed of what is ``told``."""
    if np.isnan(values).any():
        raise reject(culprit, f"gives no number for some {told}: keep what it reads where it is defined")


def put_pieces(graph: GraphEditor, steps: NodeProto, nodes: list[NodeProto], source: str, culprit: NodeProto) -> None:
    """``steps``, a MultiThreshold of what ``nodes`` make of the integers ``source``, reads these integers instead.

    Raises:
        LoweringError: there are too many integers, or pieces, or float32 does not decide one; ``culprit`` is told.
    """
    low, high = channel_ranges(graph, source)
    count = int((high - low + 1).sum())
    if count > MOST_VALUES or max(-low.min(), high.max()) >= 2**FLOAT32_BITS:
        raise reject(
            culprit,
            f"is a function that thresholds cannot express, and reads {graph.told(source)}, which takes {count} values "
            "in all channels, too many to execute: put a quantizer of at most 8 bits before it",
        )
    found = _find_pieces(graph, steps, nodes, source, culprit)
    falls = np.array([each.codes[-1] < each.codes[0] for each in found])
    if falls.any() and can_be_negated(graph, source):
        source = negate_channels(graph, source, falls)
        found = [each.turned() if turn else each for each, turn in zip(found, falls, strict=True)]
        low, high = np.where(falls, -high, low), np.where(falls, -low, high)
    lowest = int(attribute(steps, "out_bias", 0.0))
    if all(np.all(np.diff(each.codes) > 0) for each in found):
        total = graph.constants[steps.input[1]].size
        places, words = [each.codes - lowest for each in found], None
    else:
        places, words = _table(found)
        total = words.shape[1] - 1
        if total >= MOST_PIECES:
            raise reject(
                culprit,
                f"is a function that thresholds cannot express, whose code changes {total} times over the values of "
                f"{graph.told(source)}, more than {MOST_PIECES - 1}: quantize it to fewer bits, or put a quantizer of "
                "at most 8 bits before it",
            )
    ends = zip(found, places, low, high, strict=True)
    thresholds = np.stack([each.thresholds(place, max(total, 1), *around) for each, place, *around in ends])
    kind = smallest_integer_type(min(int(low.min()), -1), int(high.max()) + 1)
    steps.input[0] = source
    steps.input[1] = graph.add_constant(f"{steps.output[0]}_starts", thresholds, kind)
    graph.touch()
    if words is not None:
        _look_up(graph, steps, words)


def _find_pieces(
    graph: GraphEditor, steps: NodeProto, nodes: list[NodeProto], source: str, culprit: NodeProto
) -> list[Pieces]:
    """Of each channel, by execution of every integer that it can be."""
    low, high = channel_ranges(graph, source)
    borders, lowest = graph.constants[steps.input[1]].reshape(-1), int(attribute(steps, "out_bias", 0.0))
    channels, total = len(low), int((high - low).max()) + 1

    def executed(integers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = evaluate(graph, nodes, {source: integers[None, :, None, :]})[steps.input[0]][0, :, 0]
        return values, np.searchsorted(borders, values, side="right") + lowest

    starts: list[list[np.ndarray]] = [[] for _ in range(channels)]
    codes: list[list[np.ndarray]] = [[] for _ in range(channels)]
    close: list[list[np.ndarray]] = [[] for _ in range(channels)]  # [integers, codes]
    before = executed(low[:, None])[1] - 1  # the first is a piece
    width = max(1, _AT_ONCE // channels)
    for begin in range(0, total, width):
        integers = np.minimum(low[:, None] + np.arange(begin, min(begin + width, total)), high[:, None])
        values, given = executed(integers)
        require_numbers(values, culprit, f"values of {graph.told(source)}")
        changed = np.diff(given, axis=1, prepend=before) != 0
        near = close_to_a_border(values, borders[None])
        for channel in range(channels):
            starts[channel].append(integers[channel, changed[channel]])
            codes[channel].append(given[channel, changed[channel]])
            close[channel].append(np.stack([integers[channel, near[channel]], given[channel, near[channel]]]))
        before = given[:, -1:]
    for integers, expected in _one_by_one([np.concatenate(each, axis=1) for each in close], low):
        if np.any((executed(integers)[1][:, 0] != expected) & (expected >= lowest)):
            raise reject(
                steps,
                f"rounds some values of {graph.told(source)} up or down by where they stand in the image, as float32 "
                "does: change its scale or that of the codes that it reads a little",
                Quantizer.told,
            )
    whole = [(np.concatenate(begin), np.concatenate(code)) for begin, code in zip(starts, codes, strict=True)]
    return [Pieces(begin[1:], code) for begin, code in whole]


def _one_by_one(close: list[np.ndarray], low: np.ndarray):
    """Integers (C, 1) with their codes (C,), the next of ``close`` of each channel; of many, some from all over.

    The code of a channel that has none left is below all.
    """
    some = [each[:, np.unique(np.linspace(0, max(each.shape[1], 1) - 1, _MOST_CLOSE).astype(int))[: each.shape[1]]]
            for each in close]  # fmt: skip
    for place in range(max(each.shape[1] for each in some)):
        integers, codes = low.copy(), np.full(len(low), np.iinfo(np.int64).min)
        for channel, each in enumerate(some):
            if place < each.shape[1]:
                integers[channel], codes[channel] = each[:, place]
        yield integers[:, None], codes


def _table(found: list[Pieces]) -> tuple[list[np.ndarray], np.ndarray]:
    """(places, words (1 or C, n)): of all channels one sequence of codes where each is a part of the longest."""
    longest = max((each.codes for each in found), key=len)
    places = [each.places_in(longest) for each in found]
    shared = [place for place in places if place is not None]
    if len(shared) == len(found):
        return shared, longest[None]
    rows = [np.pad(each.codes, (0, len(longest) - len(each.codes)), mode="edge") for each in found]
    return [np.arange(len(each.codes)) for each in found], np.stack(rows)


def _look_up(graph: GraphEditor, steps: NodeProto, words: np.ndarray) -> None:
    """A table of ``words`` (1 or C, pieces) behind ``steps``, which count pieces."""
    result = steps.output[0]
    datatype, shape = graph.datatypes[result], graph.shapes[result]
    index = smallest_integer_type(0, words.shape[1] - 1)
    count = graph.add_tensor(f"{result}_pieces", shape, index)
    table = graph.add_constant(f"{result}_words", _filled(words, index), datatype)
    graph.remove(steps)
    graph.add_node(
        "MultiThreshold", [steps.input[0], steps.input[1]], [count], name=f"{steps.name}_pieces", domain=QONNX_DOMAIN,
        out_dtype=index.name, out_bias=0.0, data_layout="NCHW",
    )  # fmt: skip
    _, channels, height, width = shape
    add_kernel(
        graph, CodeTable_rtl, [count, table], [result], steps.name, ImgDim=[height, width], NumChannels=channels,
        TableRows=len(words), ChannelsFirst=1, outputDataType=datatype.name,
    )  # fmt: skip


def _filled(words: np.ndarray, index: BaseDataType) -> np.ndarray:
    """With words that no index reaches, up to all that ``index`` has."""
    return np.pad(words, ((0, 0), (0, int(index.max()) + 1 - words.shape[1])), mode="edge")
