"""Proves that a twin is its network: without its quantizers it gives the float network's logits.

Both run in float64 on random images of two sizes, so that an attribute that was lost, a size that was read from one
image alone, or an operation read wrongly shows; what rounding leaves is far below ``_TOLERANCES``. Folded factors are
float32, whose rounding grows from layer to layer of a deep network. So where logits differ, each layer is compared
alone, on what the network itself gives to it, and the first that differs is named; if none does, it was rounding.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from quant.base.errors import ConfigError
from quant.operators.filters import is_filters
from quant.twin.quantized_layers import unquantized
from quant.twin.trace import Trace, example_codes, outcome, record

if TYPE_CHECKING:
    from quant.twin.module_graph import ModuleGraph
    from quant.twin.structure import Structure

_TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-4}  # of the largest value
_IMAGES = 1
_SEED = 21  # not that of the image that the network was traced with


def prove_twin(
    twin: ModuleGraph, network: nn.Module, structure: Structure, size: tuple[int, ...] | None = None
) -> None:
    """Compares ``twin``, made from ``structure``, with the float ``network``: at the trace's size and ``size`` (H, W;
    None: another one).

    Raises:
        ConfigError: they differ; the sentence names the first layer that does.
    """
    _, channels, *sides = structure.graph.image.meta["shape"]
    sizes = [tuple(sides)]
    if not structure.graph.of_one_size:
        sizes.append(size or (3 * sides[0] // 2, 5 * sides[1] // 2))
    for each in sizes:
        images = example_codes(_IMAGES, channels, *each, seed=_SEED) / 256
        found = _logits(network, images)
        if found is None:
            continue  # a network for one size alone
        reference, wanted = found
        if not bool(torch.isfinite(wanted).all()):
            raise ConfigError("the network gives NaN or infinity for a random image; train it at a lower learning rate")
        graph = copy.deepcopy(twin)
        graph.root.to(wanted.dtype).eval()
        values = _twin_values(graph, images.to(wanted.dtype))
        if not _equal(values[graph.last], wanted):
            _require_each_layer(graph, structure, reference, images.to(wanted.dtype), wanted)


def _logits(network: nn.Module, images: torch.Tensor) -> tuple[nn.Module, torch.Tensor] | None:
    """A copy of ``network`` and its logits, in float64 if it can; None where it does not accept images of the size."""
    for dtype in _TOLERANCES:
        reference = copy.deepcopy(network).to(dtype).eval()
        if (given := outcome(reference, images.to(dtype))) is not None:
            return reference, *given
    return None


def _twin_values(twin: ModuleGraph, images: torch.Tensor) -> dict[fx.Node, torch.Tensor | None]:
    """What each node of the twin gives without its quantizers; None of one whose inputs do not fit."""
    values: dict[fx.Node, torch.Tensor | None] = {twin.image: images}
    for node in twin.graph.nodes:
        if node.op == "call_module":
            values[node] = _twin_value(twin, node, values)
    return values


def _twin_value(twin: ModuleGraph, node: fx.Node, values: dict[fx.Node, torch.Tensor | None]) -> torch.Tensor | None:
    inputs = [values[source] for source in node.args]
    if any(value is None for value in inputs):
        return None
    try:
        with torch.no_grad():
            return unquantized(twin.module(node), *inputs)
    except RuntimeError:
        return None


def _equal(found: torch.Tensor | None, wanted: torch.Tensor) -> bool:
    if found is None or found.shape != wanted.shape:
        return False
    return bool((found - wanted).abs().max() <= _TOLERANCES[wanted.dtype] * wanted.abs().max())


def _require_each_layer(
    twin: ModuleGraph,
    structure: Structure,
    reference: nn.Module,
    images: torch.Tensor,
    logits: torch.Tensor,
) -> None:
    """Compares each layer on the values of ``reference``, whose ``logits`` they lead to.

    Raises:
        ConfigError: one differs.
    """
    size = tuple(images.shape[2:])
    trace = Trace(copy.deepcopy(reference).to(torch.float32), images.shape[1], (size,))
    recorded = record(reference, trace.graph, images)
    by_name, shown = {node.name: value for node, value in recorded.items()}, "x".join(map(str, size))
    values = {twin.image: images}
    for node in twin.graph.nodes:
        if node.op != "call_module":
            continue
        values[node] = _twin_value(twin, node, values)
        if node.meta.get("origin") not in by_name:
            continue
        wanted, module = by_name[node.meta["origin"]], structure.modules[str(node.target)]
        if wanted.dim() == 2:  # channels of one pixel
            wanted = wanted.reshape(*wanted.shape, *[1] * len(size))
        moved = is_filters(module) and module.bias is not None and twin.module(node).bias is None
        if moved:  # into the BN after it
            wanted = wanted - module.bias.detach().to(wanted.dtype).reshape(-1, *[1] * (wanted.dim() - 2))
        if not _equal(values[node], wanted):
            raise ConfigError(
                f"the quantized twin is not the network: without quantizers, '{node.target}' ({type(module).__name__})"
                f" differs for an image of {shown}; write it with plain modules of torch.nn, without hooks, and sizes"
                " from the shapes of tensors"
            )
        values[node] = wanted
    if not _equal(values[twin.last], logits):
        raise ConfigError(
            f"the quantized twin is not the network: its logits differ for an image of {shown}, though no layer does;"
            " write forward as a plain chain of modules"
        )
