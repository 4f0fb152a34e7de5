"""Codes of different scales as integers of one: each times a whole number, exactly.

Every scale is a float32, so a common step of any two exists; where it is so small that integers grow wide, there is no
such form.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING

from hw_build.graph.nodes import only_consumer
from hw_build.graph.ranges import scaled_type

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def common_step(scales: list[float]) -> tuple[float, list[int]]:
    """The greatest step of which all ``scales`` are multiples, and these."""
    exact = [Fraction(scale) for scale in scales]
    below = lcm(*(each.denominator for each in exact))
    step = Fraction(gcd(*(int(each * below) for each in exact)), below)
    return float(step), [int(each / step) for each in exact]


def multiply_inputs(graph: GraphEditor, node: NodeProto, times: list[int]) -> None:
    """Let ``node`` read its integers ``times`` as large: a Mul before each that grows."""
    for position, (name, factor) in enumerate(zip(list(node.input), times, strict=True)):
        if factor != 1:
            wide = graph.add_tensor(f"{name}_x{factor}", graph.shapes[name], scaled_type(graph.datatypes[name], factor))
            constant = graph.add_constant(f"{wide}_times", float(factor))
            graph.add_node("Mul", [name, constant], [wide], name=f"{node.name}_x{factor}")
            node.input[position] = wide
    graph.touch()


def take_multiples(graph: GraphEditor, node: NodeProto) -> tuple[list[str], list[int], list[NodeProto]]:
    """The codes behind the integers that ``node`` reads, how many times each is read, and the Muls that do it."""
    sources, times, between = [], [], []
    for name in node.input:
        producer = graph.producer(name)
        factors = [] if producer is None else [each for each in producer.input if each in graph.constants]
        if producer is None or len(factors) != 1 or only_consumer(graph, name, node.op_type) is None:
            sources.append(name)
            times.append(1)
        elif producer.op_type == "Mul" and graph.constants[factors[0]].size == 1:
            sources.append(producer.input[0])
            times.append(round(float(graph.constants[factors[0]].item())))
            between.append(producer)
        else:
            sources.append(name)
            times.append(1)
    return sources, times, between
