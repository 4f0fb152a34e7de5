"""Functions of codes as tables: what lies between integers of few bits and a quantizer, executed for every code.

The table holds what the reference executes, float32 rounding included. Where a value lies so close to the border of two
codes that the reference rounds it by its place in the image, the network has no one answer, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject, set_attribute
from hw_build.graph.evaluation import evaluate
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.code_table import MAX_ADDRESS_BITS, CodeTable_rtl
from hw_build.operators import operator_of
from hw_build.operators.code_functions import cone
from hw_build.operators.negation import can_be_negated
from hw_build.operators.operator import Monotonic, Operator, Range, RangeOf
from hw_build.operators.pieces import close_to_a_border, put_pieces, require_numbers
from hw_build.operators.quantizer import Quantizer
from hw_build.operators.ranges import channel_ranges

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

MOST_BITS = 8  # of a code that has a table of its own


class FunctionsToTables(Transformation):
    """Codes - any functions of them - MultiThreshold -> a table, where thresholds cannot express it."""

    def apply(self, model):
        graph = GraphEditor(model)
        for steps in graph.of_type("MultiThreshold"):
            nodes, sources = cone(graph, steps.input[0], joins=True)
            culprit = next((node for node in nodes if not _undone(graph, node)), None)
            if len(sources) == 2 or (len(sources) == 1 and (culprit is not None or _falls(graph, nodes, sources[0]))):
                self._replace(graph, steps, nodes, sources, culprit or nodes[-1])
        graph.commit()
        return model, False

    @staticmethod
    def _replace(
        graph: GraphEditor, steps: NodeProto, nodes: list[NodeProto], sources: list[str], culprit: NodeProto
    ) -> None:
        types = [graph.datatypes[name] for name in sources if graph.is_integer(name)]
        if len(types) == len(sources) == 1 and not fits_table(types):
            put_pieces(graph, steps, nodes, sources[0], culprit)
            return
        if len(types) < len(sources) or not fits_table(types):
            raise reject(
                culprit,
                f"is a function that thresholds cannot express, and reads {graph.told(sources[0])}, of more than "
                f"{MOST_BITS} bits: put a quantizer of at most {MOST_BITS} bits before it",
            )
        result = steps.output[0]
        words = _words(graph, nodes, steps, sources, types, culprit)
        if np.all(words == words[:1]):
            words = words[:1]
        graph.remove(steps)
        table = graph.add_constant(f"{result}_words", words, graph.datatypes[result])
        _, channels, height, width = graph.shapes[sources[0]]
        second = {"inputDataType2": types[1].name} if len(types) > 1 else {}
        add_kernel(
            graph, CodeTable_rtl, [*sources, table], [result], steps.name, ImgDim=[height, width], NumChannels=channels,
            TableRows=len(words), ChannelsFirst=1, outputDataType=graph.datatypes[result].name, **second,
        )  # fmt: skip


def fits_table(types: list[BaseDataType]) -> bool:
    """Whether codes of ``types``, one or two, are few enough for a table."""
    bits = [datatype.bitwidth() for datatype in types]
    return bits[0] <= MOST_BITS if len(bits) == 1 else sum(bits) <= MAX_ADDRESS_BITS


def _undone(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether thresholds can take ``node``: it is monotonic, and known how to undo."""
    operator = operator_of(graph, node)
    return isinstance(operator, Monotonic) and operator.can_be_undone(graph, node)


def _falls(graph: GraphEditor, nodes: list[NodeProto], source: str) -> bool:
    """Whether what ``nodes`` make falls with the integers ``source``, which no weights of its own can turn."""
    if not nodes or not graph.is_integer(source) or can_be_negated(graph, source):
        return False
    ends = np.stack(channel_ranges(graph, source), axis=1)[None, :, None]
    first, last = np.moveaxis(evaluate(graph, nodes, {source: ends})[nodes[-1].output[0]], -1, 0)
    return bool(np.any(last < first))


def _words(
    graph: GraphEditor,
    nodes: list[NodeProto],
    steps: NodeProto,
    sources: list[str],
    types: list[BaseDataType],
    culprit: NodeProto,
) -> np.ndarray:
    """(C, words): the code that ``steps`` give for all codes of ``sources``, those of the last counting fastest."""
    channels = graph.shapes[sources[0]][1]
    axes = [np.arange(int(datatype.min()), int(datatype.max()) + 1) for datatype in types]
    codes = [each.reshape(-1) for each in np.meshgrid(*axes, indexing="ij")]

    def executed(which: np.ndarray) -> dict[str, np.ndarray]:
        values = (np.broadcast_to(each[which], (1, channels, 1, len(which))) for each in codes)
        return evaluate(graph, [*nodes, steps], dict(zip(sources, values, strict=True)))

    found = executed(np.arange(len(codes[0])))
    words, values = (found[name][0, :, 0].astype(np.float64) for name in (steps.output[0], steps.input[0]))
    require_numbers(values, culprit, f"codes of {graph.told(sources[0])}")
    close = close_to_a_border(values, graph.constants[steps.input[1]])
    for place in np.nonzero(close.any(axis=0))[0]:
        if np.any(executed(np.array([place]))[steps.output[0]][0, :, 0, 0] != words[:, place]):
            raise reject(
                steps,
                f"rounds code {codes[0][place]} of {graph.told(sources[0])} up or down by where it stands in the "
                "image, as float32 does: change its scale or that of the codes that it reads a little",
                Quantizer.told,
            )
    return words


class CodeTable(Operator):
    """A table, from the step `streamline` on its kernel."""

    inner = (CodeTable_rtl.__name__,)
    integer_passes = (FunctionsToTables(),)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """What its words are."""
        words = graph.constants[node.input[-1]]
        return int(words.min()), int(words.max())

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The same table."""
        set_attribute(node, "ChannelsFirst", 0)


OPERATORS = (CodeTable(),)
