"""Proves that a twin is its network: without its quantizers it gives the float network's logits.

Both run in float64 on random images of two sizes, so that an attribute that was lost, a size that was read from one
image alone, or an operation read wrongly shows; what rounding leaves is far below ``_TOLERANCES``. Where they differ,
the first layer whose output differs is named.
"""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from quant.base.errors import ConfigError
from quant.operators.filters import is_filters
from quant.twin.module_graph import ModuleGraph
from quant.twin.quantized_layers import unquantized
from quant.twin.structure import Structure
from quant.twin.trace import Trace, example_codes, record

_TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-4}  # of the largest value; folded factors are float32 in either
_IMAGES = 1
_SEED = 21  # not that of the image that the network was traced with


def prove_twin(twin: ModuleGraph, network: nn.Module, structure: Structure) -> None:
    """Compares ``twin``, made from ``structure``, with the float ``network``.

    Raises:
        ConfigError: they differ; the sentence names the first layer that does.
    """
    _, channels, height, width = structure.graph.image.meta["shape"]
    for size in ((height, width), (3 * height // 2, 5 * width // 2)):
        images = example_codes(_IMAGES, channels, *size, seed=_SEED) / 256
        found = _logits(network, images)
        if found is None:
            continue  # a network for one size alone
        reference, wanted = found
        if not bool(torch.isfinite(wanted).all()):
            raise ConfigError("the network gives NaN or infinity for a random image; train it at a lower learning rate")
        graph = copy.deepcopy(twin)
        graph.root.to(wanted.dtype).eval()
        values = _twin_values(graph, images.to(wanted.dtype))
        if graph.last not in values or not _equal(values[graph.last], wanted):
            _name_the_first(graph, values, structure, reference, images.to(wanted.dtype))


def _logits(network: nn.Module, images: torch.Tensor) -> tuple[nn.Module, torch.Tensor] | None:
    """A copy of ``network`` and its logits, in float64 if it can; None where it does not accept images of the size."""
    for dtype in _TOLERANCES:
        reference = copy.deepcopy(network).to(dtype).eval()
        try:
            with torch.no_grad():
                return reference, reference(images.to(dtype))
        except Exception:  # noqa: BLE001  (whatever a module says to tensors that do not fit it)
            continue
    return None


def _twin_values(twin: ModuleGraph, images: torch.Tensor) -> dict[fx.Node, torch.Tensor]:
    """What each node of the twin gives without its quantizers, up to one whose inputs do not fit."""
    values = {twin.image: images}
    with torch.no_grad():
        for node in twin.graph.nodes:
            if node.op == "call_module":
                try:
                    values[node] = unquantized(twin.module(node), *(values[source] for source in node.args))
                except RuntimeError:
                    break
    return values


def _equal(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    if found.shape != wanted.shape:
        return False
    return bool((found - wanted).abs().max() <= _TOLERANCES[wanted.dtype] * wanted.abs().max())


def _name_the_first(
    twin: ModuleGraph,
    values: dict[fx.Node, torch.Tensor],
    structure: Structure,
    reference: nn.Module,
    images: torch.Tensor,
) -> None:
    trace = Trace(copy.deepcopy(reference).to(torch.float32), images.shape[1])
    by_name = {node.name: value for node, value in record(reference, trace.graph, images).items()}
    size = "x".join(map(str, images.shape[2:]))
    for node in twin.graph.nodes:
        if node.op != "call_module" or "origin" not in node.meta:
            continue
        wanted, module = by_name[node.meta["origin"]], structure.modules[str(node.target)]
        moved = is_filters(module) and module.bias is not None and twin.module(node).bias is None
        if moved:  # into the BN after it
            wanted = wanted - module.bias.detach().to(wanted.dtype)[:, None, None]
        if node not in values or not _equal(values[node], wanted):
            raise ConfigError(
                f"the quantized twin is not the network: without quantizers, '{node.target}' ({type(module).__name__})"
                f" differs for an image of {size}; write it with plain modules of torch.nn, without hooks, and sizes"
                " from the shapes of tensors"
            )
    raise ConfigError(
        f"the quantized twin is not the network: its logits differ for an image of {size}, though no layer does;"
        " write forward as a plain chain of modules"
    )
