"""Learning rates over the epochs, and the optimiser that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from quant.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

MOMENTUM = 0.99


@dataclass(frozen=True)
class PolySchedule:
    """rate(epoch) = ``lr`` (1 - epoch / ``epochs``)^``power``, as DeepLab has it; 0.9 is nnU-Net's power."""

    lr: float
    epochs: int
    power: float = 0.9

    def __post_init__(self) -> None:
        if not self.lr > 0 or self.epochs < 1 or not self.power >= 0:
            raise ConfigError(
                f"a poly schedule has a rate above 0, epochs and a power of at least 0, got {self.lr}, {self.epochs},"
                f" {self.power}"
            )

    def rate(self, epoch: int) -> float:
        """Learning rate of ``epoch``, from 0."""
        return self.lr * (1 - epoch / self.epochs) ** self.power


def sgd(parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float) -> torch.optim.SGD:
    """nnU-Net's optimiser: Nesterov momentum of 0.99."""
    return torch.optim.SGD(parameters, lr=lr, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay)
