"""The cheapest folding of every node on its own, for a target of cycles per frame.

`fold` gives each node the cheapest legal folding whose ``get_exp_cycles`` is within the target. What is cheap, the node
says itself (``folding_cost``): as a rule the fewest products a cycle.

Among equally cheap foldings, one whose input beats are an integer ratio of its producer's is taken: a width converter
then needs no common multiple. ``cycles_estimate`` of each node holds the result. No budget is looked at;
`hw_build.folding.optimise` does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.folding.legal import Folding, apply_folding, check_folding, foldings
from hw_build.folding.options import slower_node
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.kernels.fabric import SERIES_7, Fabric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.custom_op.base import CustomOp


def _beat_mismatch(operation: CustomOp, beats: list[int]) -> int:
    """How many input streams are not in an integer ratio with ``beats``, the elements a beat of their producers."""
    mine = operation.get_instream_width(0) // operation.get_input_datatype(0).bitwidth()
    return sum(max(mine, other) % min(mine, other) != 0 for other in beats)


def cheapest_folding(node: NodeProto, target_cycles: int, producer_beats: list[int]) -> Folding:
    """The cheapest legal folding within ``target_cycles``; ConfigError when even the fastest is slower."""
    operation, hardware = getCustomOp(node), hardware_node(node)
    best: tuple[tuple, Folding] | None = None
    fastest: tuple[int, Folding] | None = None
    for folding in foldings(node):
        apply_folding(operation, folding)
        cycles = int(operation.get_exp_cycles())
        if fastest is None or cycles < fastest[0]:
            fastest = cycles, folding
        if cycles <= target_cycles:
            price = hardware.folding_cost(folding)
            key = (price[0], _beat_mismatch(operation, producer_beats), *price[1:], cycles)
            if best is None or key < best[0]:
                best = key, folding
    if best is None:
        assert fastest is not None, "every node has a folding"
        raise slower_node(node.name, *fastest, target_cycles)
    return best[1]


def fold(
    model: ModelWrapper,
    target_cycles_per_frame: int,
    overrides: Mapping[str, Mapping[str, int | str]] | None = None,
    fabric: Fabric = SERIES_7,
) -> ModelWrapper:
    """Fold every node of a specialized ``model`` in place for at most ``target_cycles_per_frame``; returns it.

    ``overrides`` maps node names to foldings that are taken as they are, whatever cycles they give, where ``fabric``
    has what they ask for.
    """
    if target_cycles_per_frame < 1:
        raise ConfigError(f"target of {target_cycles_per_frame} cycles per frame: at least 1 is needed")
    overrides = overrides or {}
    check_names(model, overrides)
    beats: dict[str, int] = {}  # tensor -> elements a beat
    for node in model.graph.node:
        producers = [beats[name] for name in node.input if name in beats]
        if node.name in overrides:
            folding = check_folding(node, overrides[node.name], fabric)
        else:
            folding = cheapest_folding(node, target_cycles_per_frame, producers)
        operation = getCustomOp(node)
        apply_folding(operation, folding)
        operation.set_nodeattr("cycles_estimate", int(operation.get_exp_cycles()))
        for index, name in enumerate(node.output):
            beats[name] = operation.get_outstream_width(index) // operation.get_output_datatype(index).bitwidth()
    return model


def check_names(model: ModelWrapper, overrides: Mapping[str, Mapping[str, int | str]]) -> None:
    """ConfigError when ``overrides`` name a node that ``model`` lacks."""
    names = {node.name for node in model.graph.node}
    unknown = sorted(set(overrides) - names)
    if unknown:
        raise ConfigError(f"folding names node {unknown[0]}, which the graph lacks; it has {', '.join(sorted(names))}")


def expected_cycles(model: ModelWrapper) -> dict[str, int]:
    """Node name -> expected cycles per frame; the largest is the interval of the whole accelerator."""
    return {node.name: attribute(node, "cycles_estimate", 0) for node in GraphEditor(model).nodes}
