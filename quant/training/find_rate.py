"""The learning rate to begin with, by a range test: the rate rises from step to step, and the one at which the loss
falls the fastest is taken (L. Smith, WACV 2017; MONAI's ``LearningRateFinder``).
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.optimizers import LearningRateFinder
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from quant.base.errors import TrainingError
from quant.training.epoch_batches import epoch_batches
from quant.training.loss import segmentation_loss
from quant.training.step import network_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quant.data.pairs import Samples
    from quant.training.train_config import TrainConfig

FIRST, LAST, STEPS = 1e-6, 0.1, 100  # a step of Adam moves a weight by about its rate
_FEWEST = 5  # rates with a loss that is a number


def find_rate(network: nn.Module, config: TrainConfig, samples: Samples, device: torch.device) -> float:
    """The rate of Adam for ``network``, which is left as it is: one of ``STEPS`` from ``FIRST`` to ``LAST``, in equal
    ratios, each tried for one batch of ``config`` in float32, without a teacher.

    Raises:
        TrainingError: hardly any loss is a number, or none is lower than one before.
    """
    tried = copy.deepcopy(network).to(device)
    finder = LearningRateFinder(
        tried,
        torch.optim.Adam(tried.parameters(), lr=FIRST, weight_decay=config.weight_decay),
        _Loss(config.loss),
        device=device,
        verbose=False,
    )
    torch.manual_seed(config.seed)
    loader = DataLoader(_Batches(config, samples, device), batch_size=None)
    finder.range_test(loader, end_lr=LAST, num_iter=STEPS, auto_reset=False)
    losses = np.array(finder.history["loss"])
    finite = len(losses) if np.isfinite(losses).all() else int(np.argmin(np.isfinite(losses)))
    finder.history = {name: values[:finite] for name, values in finder.history.items()}
    if finite < _FEWEST or not (np.diff(losses[:finite]) < 0).any():
        raise TrainingError("no learning rate makes the loss fall; give --lr a number, or look at the data")
    rate, _ = finder.get_steepest_gradient()
    assert rate is not None
    return float(rate)


class _Loss(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return segmentation_loss(logits, masks, self._kind)


class _Batches(IterableDataset):
    """Batches (input, masks) without end, drawn as in training."""

    def __init__(self, config: TrainConfig, samples: Samples, device: torch.device) -> None:
        self._config, self._samples, self._device = config, samples, device

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for epoch in itertools.count():
            for codes, masks in epoch_batches(self._config, self._samples, epoch):
                yield network_input(codes, self._device), masks[:, :1].to(self._device, torch.float32)
