"""A twin run node by node over all images, so that what lies before a changed layer is computed once.

``Flow.advance`` keeps only the tensors that later nodes still read. With ``like`` given, the output of each BN is moved
and stretched, channel by channel, to the mean and deviation that it has in the unchanged twin on the same images: the
re-estimation of BN statistics after quantization, in a form that leaves an unchanged network unchanged. It is an affine
map of each channel, so the BN's own weight and bias could hold it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from quant.data.pairs import to_input
from quant.evaluation.predict import decide
from quant.layers.fused import plain
from quant.twin.quantized_layers import QuantizedNorm

if TYPE_CHECKING:
    import numpy as np

    from quant.bitwidths.memory import Shape
    from quant.twin.structure import Structure
    from quant.twin.twin import Twin

BATCH_IMAGES = 4

Modules = dict[str, nn.Module]
Moments = dict[str, tuple[torch.Tensor, torch.Tensor]]  # mean and variance (C,) float64 of a BN's output


@dataclass
class Observed:
    """What a pass saw: the shape of each node's output, the moments of each BN's."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    moments: Moments = field(default_factory=dict)


@dataclass
class Values:
    """The tensors alive before node ``position``, a dictionary a batch."""

    position: int
    batches: list[dict[fx.Node, torch.Tensor]]

    def copy(self) -> Values:
        return Values(self.position, [dict(batch) for batch in self.batches])


class Flow:
    """The data flow of ``twin`` on ``codes`` (N, C, H, W) uint8."""

    def __init__(self, twin: Twin, structure: Structure, codes: torch.Tensor, device: str = "cpu") -> None:
        self._twin, self._structure, self._codes, self._device = twin, structure, codes, device
        self._modules = {name: module for name, module in twin.network.named_modules() if name}
        self._position = {str(node.target): index for index, node in enumerate(structure.nodes)}
        self._last_use = {
            source: index for index, node in enumerate(structure.nodes) for source in node.all_input_nodes
        }

    def position(self, names: list[str]) -> int:
        """Where the first of the modules ``names`` stands."""
        return min(self._position[name] for name in names)

    @torch.no_grad()
    def begin(self) -> Values:
        placeholder = self._structure.nodes[0]
        batches = []
        for part in self._codes.split(BATCH_IMAGES):
            x = to_input(part.to(self._device)).contiguous(memory_format=torch.channels_last)
            batches.append({placeholder: self._twin.input_quantizer(x)})
        return Values(1, batches)

    def observe(self) -> tuple[Observed, np.ndarray]:
        """One pass of the unchanged twin: what it saw, and its masks (N, H, W)."""
        observed = Observed(shapes={self._structure.nodes[0].name: tuple(self._codes.shape[1:])})
        return observed, self.masks(self.advance(self.begin(), observed=observed))

    @torch.no_grad()
    def advance(
        self,
        values: Values,
        stop: int | None = None,
        modules: Modules | None = None,
        *,
        like: Moments | None = None,
        observed: Observed | None = None,
    ) -> Values:
        """Runs up to node ``stop`` (None: to the end), in place, with ``modules`` instead of the twin's own."""
        stop = len(self._structure.nodes) if stop is None else stop
        for index in range(values.position, stop):
            node = self._structure.nodes[index]
            if node.op == "output":
                break
            module = (modules or {}).get(str(node.target), self._modules[str(node.target)])
            outputs = self._run(node, module, values.batches, like, observed)
            if observed is not None:
                observed.shapes[node.name] = tuple(plain(outputs[0]).shape[1:])
            for batch, output in zip(values.batches, outputs, strict=True):
                batch[node] = output
                for source in node.all_input_nodes:
                    if self._last_use[source] == index:
                        del batch[source]
        values.position = stop
        return values

    def masks(self, values: Values) -> np.ndarray:
        """Masks or class indices (N, H, W) of values that were advanced to the end: see ``predict.decide``."""
        (last,) = self._structure.nodes[-1].all_input_nodes
        logits = torch.cat([plain(batch[last]) for batch in values.batches])  # (N, classes, H, W)
        return decide(logits.permute(0, 2, 3, 1).cpu().numpy())

    def _run(
        self,
        node: fx.Node,
        module: nn.Module,
        batches: list[dict[fx.Node, torch.Tensor]],
        like: Moments | None,
        observed: Observed | None,
    ) -> list[torch.Tensor]:
        inputs = [[batch[source] for source in node.args] for batch in batches]
        if not isinstance(module, nn.BatchNorm2d):
            return [module(*values) for values in inputs]
        outputs = [nn.BatchNorm2d.forward(module, plain(x)) for (x,) in inputs]
        name = str(node.target)
        if observed is not None:
            observed.moments[name] = _moments(outputs)
        if like is not None:
            _match(outputs, like[name])
        return [module.quantizer(y) for y in outputs] if isinstance(module, QuantizedNorm) else outputs


def _moments(batches: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance (C,) float64 over all images and pixels of the batches (B, C, H, W)."""
    count, total, squares = 0, 0.0, 0.0
    for y in batches:
        variance, mean = torch.var_mean(y, (0, 2, 3), correction=0)
        variance, mean = variance.double(), mean.double()
        count, total, squares = count + len(y), total + len(y) * mean, squares + len(y) * (variance + mean**2)
    mean = total / count
    return mean, (squares / count - mean**2).clamp_min(0)


def _match(batches: list[torch.Tensor], like: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Gives the channels of the batches, in place, the mean and variance ``like``; constant channels are only moved."""
    mean, variance = _moments(batches)
    wanted_mean, wanted_variance = like
    known = (variance > 0) & (wanted_variance > 0)
    gain = torch.sqrt(wanted_variance.where(known, 1.0) / variance.where(known, 1.0))
    shift = wanted_mean - gain * mean
    gain, shift = gain.float()[:, None, None], shift.float()[:, None, None]
    for y in batches:
        y.mul_(gain).add_(shift)
