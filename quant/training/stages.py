"""The decoder's stages of a network while it learns: heads of their own (deep supervision), and what a student copies.

A network's class names in ``DECODER`` the list of its modules whose last layers give the decoder's stages, coarsest
first, each of twice the size of the one before, the last of the image's. Its twin has these layers under the same
names. Nothing of this is kept: heads are no part of the network.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import nn

import models
from models.layers import logit_head
from quant.base.errors import ConfigError
from quant.layers.fused import plain
from quant.twin.twin import Twin


class Seen(NamedTuple):
    """``logits`` (B, classes, H, W), ``features`` of the stages, coarsest first, and ``auxiliary`` logits of the stages
    but the last, finest first: (B, classes, H / 2, W / 2) and so on.
    """

    logits: torch.Tensor
    features: list[torch.Tensor]
    auxiliary: list[torch.Tensor]


class Staged(nn.Module):
    """``network``, of the architecture ``name``, that also gives the features of its stages.

    ``shape`` (C, H, W) is that of its images; with ``classes`` above 0 the stages but the last have 1x1 heads, which
    learn with the network.
    """

    def __init__(self, network: nn.Module, name: str, shape: tuple[int, int, int], classes: int = 0) -> None:
        super().__init__()
        self.network, self._layers = network, stage_layers(name)
        self.heads = nn.ModuleList()
        was_training, device = network.training, next(network.parameters()).device
        with torch.no_grad():
            found = self.eval()(torch.zeros(1, *shape, device=device)).features
        network.train(was_training)
        self.sizes = [tuple(features.shape[2:]) for features in found]
        if classes:
            self.heads.extend(logit_head(features.shape[1], classes) for features in found[:-1])
            self.heads.to(device)

    def forward(self, x: torch.Tensor) -> Seen:
        """(B, C, H, W) -> logits and what the stages give."""
        root = self.network.network if isinstance(self.network, Twin) else self.network
        found: dict[str, torch.Tensor] = {}

        def keeper(layer: str):
            return lambda _module, _inputs, output: found.__setitem__(layer, plain(output))

        handles = [root.get_submodule(layer).register_forward_hook(keeper(layer)) for layer in self._layers]
        try:
            logits = self.network(x)
        finally:
            for handle in handles:
                handle.remove()  # copies of the network, as its average, are without
        features = [found[layer] for layer in self._layers]
        auxiliary = [head(of_stage) for head, of_stage in zip(self.heads, features[:-1], strict=False)]
        return Seen(logits, features, auxiliary[::-1])


def seen(network: nn.Module, x: torch.Tensor) -> Seen:
    """What ``network``, ``Staged`` or not, gives for ``x``."""
    found = network(x)
    return found if isinstance(found, Seen) else Seen(found, [], [])


@cache
def stage_layers(name: str) -> tuple[str, ...]:
    """Names of the layers that give the stages of the registered network ``name``; none where it declares none."""
    decoder = models.entry(name).decoder
    if decoder is None:
        return ()
    with torch.device("meta"):
        stages = models.build(name).get_submodule(decoder)
    return tuple(f"{decoder}.{index}.{[*dict(stage.named_modules())][-1]}" for index, stage in stages.named_children())


def require_stages(option: str, name: str, fewest: int = 1) -> None:
    """ConfigError unless the registered network ``name`` declares so many stages as ``option`` needs."""
    count = len(stage_layers(name))
    if count < fewest:
        known = ", ".join(other for other in models.names() if len(stage_layers(other)) >= fewest)
        raise ConfigError(
            f"{option} needs {fewest} or more decoder stages, network '{name}' declares {count or 'none'}; those that"
            f" do: {known}"
        )


def require_same_sizes(student: Staged, teacher: Staged) -> None:
    """ConfigError unless the stages of both are of the same sizes."""
    told = [", ".join(f"{height}x{width}" for height, width in of.sizes) for of in (student, teacher)]
    if student.sizes != teacher.sizes:
        raise ConfigError(
            f"--feature-distill compares decoder stages of the same sizes, the network's are {told[0]}, the teacher's"
            f" {told[1]}; give a teacher with as many levels"
        )
