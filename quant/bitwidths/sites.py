"""What may be lowered by itself: the weights of a convolution, or the activations that share a scale.

What enters one sum or one concatenation has one scale and therefore one width, so such tensors are lowered together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quant.bitwidths.memory import Shape, codes_on_chip
from quant.twin.twin import Twin, quantizer_of

if TYPE_CHECKING:
    from quant.twin.structure import Structure

WEIGHT, ACTIVATION = "weight", "activation"

Widths = dict[str, int]  # bits by key of a site; a site that is not in it keeps its own


@dataclass(frozen=True)
class Site:
    """``codes``: parameters of a convolution, or the activations that the accelerator holds at once (``memory.py``)."""

    kind: str
    members: tuple[str, ...]  # names of modules: the convolution, or those whose output is quantized
    bits: int
    codes: int

    @property
    def name(self) -> str:
        return self.members[0]

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"

    def saved_bits(self, bits: int) -> int:
        return (self.bits - bits) * self.codes


def sites_of(twin: Twin, structure: Structure, shapes: dict[str, Shape]) -> list[Site]:
    """Every site of a twin in order of execution, weights before the activations that they make; logits keep theirs."""
    held = codes_on_chip(structure, shapes)
    sites = [
        Site(WEIGHT, (site.conv,), _weight_bits(twin, site.conv), structure.modules[site.conv].weight.numel())
        for site in structure.convolutions()
    ]
    logits = structure.logits()
    for group in structure.scale_groups():
        if not logits.isdisjoint(group):
            continue
        bits = int(quantizer_of(twin, group[0]).act_quant.bit_width().item())
        sites.append(Site(ACTIVATION, tuple(group), bits, sum(held[name] for name in group)))
    order = {str(node.target): index for index, node in enumerate(structure.nodes)}
    return sorted(sites, key=lambda site: order[site.name])


def total_bits(sites: list[Site], widths: Widths, kind: str | None = None) -> int:
    """Bits of memory of all sites, or of those of one kind."""
    return sum(widths.get(site.key, site.bits) * site.codes for site in sites if kind in (None, site.kind))


def _weight_bits(twin: Twin, conv: str) -> int:
    return int(twin.network.get_submodule(conv).quant_weight().bit_width.item())
