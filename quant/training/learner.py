"""A network while it learns: its optimiser, its moving average, its teacher, on one process or several."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from quant.evaluation.predict import predict_masks
from quant.layers.passes import freeze
from quant.scores.masks import score
from quant.training.epoch_batches import epoch_batches, seed_of
from quant.training.objective import Objective
from quant.training.ranks import gather, share_statistics
from quant.training.stages import Staged, require_same_sizes
from quant.training.step import network_input, speed_up, training_step
from quant.twin.networks import settle
from quant.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightning_fabric import Fabric

    from quant.data.pairs import Samples
    from quant.training.train_config import TrainConfig

_RANK_SEEDS = 1_000_003  # between the seeds of two processes


class Learner:
    """Trains ``network``, float or twin, under ``config``; ``teacher`` is a trained network, ``Staged`` where its
    features are learned from, or None.
    """

    def __init__(self, network: nn.Module, teacher: nn.Module | None, config: TrainConfig, fabric: Fabric) -> None:
        self._config, self._fabric = config, fabric
        self._network = network
        self._ranges = network.learn_ranges() if isinstance(network, Twin) and config.ranges == "learned" else []
        if fabric.world_size > 1:
            share_statistics(network)
        speed_up(network)
        self._to_device(network)
        self._teacher = None
        if teacher is not None:
            speed_up(teacher)
            self._teacher = self._to_device(teacher)
        self._averaged = None
        if config.ema:
            self._averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
        self._learning = network
        if config.deep_supervision or (config.feature_distill and teacher is not None):
            classes = config.classes if config.deep_supervision else 0
            self._learning = Staged(network, config.model, (config.in_channels, *config.image_size), classes)
        if config.feature_distill and isinstance(teacher, Staged) and isinstance(self._learning, Staged):
            require_same_sizes(self._learning, teacher)
        optimiser = self._make_optimiser()
        self._plateau = ReduceLROnPlateau(optimiser) if config.schedule == "plateau" else None
        self._parallel, self._optimiser = fabric.setup(self._learning, optimiser)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        """Adam with a group of weights and, where ranges are learned, a group of these, which do not decay."""
        learned = {id(exponent) for exponent in self._ranges}
        groups = [{"params": [value for value in self._learning.parameters() if id(value) not in learned]}]
        if self._ranges:
            groups.append({"params": self._ranges, "weight_decay": 0.0})
        return torch.optim.Adam(groups, lr=self._config.lr, weight_decay=self._config.weight_decay)

    def _to_device(self, network: nn.Module) -> nn.Module:
        return network.to(self._fabric.device, memory_format=torch.channels_last)

    def centre_ranges(self) -> None:
        """Moves learned ranges, which are rounded up to octaves, as far from halving as from doubling."""
        with torch.no_grad():
            for exponent in self._ranges:
                exponent.copy_(torch.ceil(exponent) - 0.5)

    def state(self) -> dict[str, Any]:
        """All that a later ``load_state`` needs to continue as if nothing had happened."""
        averaged, plateau = self._averaged, self._plateau
        return {
            "state": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "plateau": plateau and plateau.state_dict(),
            "heads": self._learning.heads.state_dict() if isinstance(self._learning, Staged) else None,
            "averaged": averaged and {"state": averaged.module.state_dict(), "steps": averaged.n_averaged.item()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes over what ``state`` gave; the network itself was built with its weights."""
        self._optimiser.load_state_dict(state["optimiser"])
        if self._plateau is not None:
            self._plateau.load_state_dict(state["plateau"])
        if isinstance(self._learning, Staged):
            self._learning.heads.load_state_dict(state["heads"])
        if self._averaged is not None:
            self._averaged.module.load_state_dict(state["averaged"]["state"])
            self._averaged.n_averaged.fill_(state["averaged"]["steps"])

    def batches(self, samples: Samples) -> int:
        """Steps in an epoch."""
        return math.ceil(len(samples) / (self._config.batch * self._fabric.world_size))

    def train_epoch(self, samples: Samples, epoch: int, on_batch: Callable[[], None]) -> float:
        """One pass over ``samples``, drawn from a generator seeded by (seed, epoch); returns the mean loss.

        What a network draws for itself, as dropout does, is seeded so too, and by the process.
        Nothing in it waits for the device, so that a GPU is never without work between two steps.
        """
        config, fabric = self._config, self._fabric
        self._parallel.train()
        if epoch >= config.first_frozen_epoch:
            self._freeze_norms(adopt=epoch == config.first_frozen_epoch)
        rate = config.learning_rate(epoch) if self._plateau is None else self._optimiser.param_groups[0]["lr"]
        rates = (rate, config.range_learning_rate(epoch, rate))
        for group, rate in zip(self._optimiser.param_groups, rates, strict=False):
            group["lr"] = rate
        torch.manual_seed(seed_of(config, epoch) + _RANK_SEEDS * fabric.global_rank)
        batches = epoch_batches(config, samples, epoch, rank=fabric.global_rank, processes=fabric.world_size)
        objective = Objective(
            kind=config.loss,
            epoch=epoch,
            precision=config.precision,
            teacher=self._teacher,
            distill=config.distill,
            deep_supervision=config.deep_supervision,
            feature_distill=config.feature_distill,
            damping=config.damping(epoch),
        )
        total, count = torch.zeros((), dtype=torch.float64, device=fabric.device), 0
        for codes, masks in batches:
            loss = training_step(
                self._parallel,
                self._optimiser,
                network_input(codes, fabric.device),
                masks.to(fabric.device, torch.float32),
                objective,
                backward=fabric.backward,
            )
            self._average()
            total, count = total + loss * len(codes), count + len(codes)
            on_batch()
        loss = float(fabric.all_reduce(total / count, reduce_op="mean"))
        if self._plateau is not None:
            self._plateau.step(loss)
        return loss

    def _freeze_norms(self, *, adopt: bool) -> None:
        """Lets the network's BNs normalise by their statistics; with ``adopt`` first by those of the average."""
        for name, norm in self._network.named_modules():
            if not isinstance(norm, _BatchNorm) or norm.running_mean is None:
                continue
            freeze(norm)
            if adopt and self._averaged is not None:
                averaged = self._averaged.module.get_submodule(name)
                norm.running_mean.copy_(averaged.running_mean)
                norm.running_var.copy_(averaged.running_var)

    def _average(self) -> None:
        """Ranges are not averaged: the mean of two may lie in another octave than the one that the weights live in.

        Those of the average are asked for each time: ``load_state`` makes them anew.
        """
        if self._averaged is None:
            return
        self._averaged.update_parameters(self._network)
        if self._ranges:
            with torch.no_grad():
                for kept, exponent in zip(self._averaged.module.learn_ranges(), self._ranges, strict=True):
                    kept.copy_(exponent)

    def candidate(self) -> nn.Module:
        """What would be kept now: the average, if there is one; of a twin a copy with its BN shifts moved off the
        accumulator grid, so that any arithmetic gives its integers.
        """
        network = self._network if self._averaged is None else self._averaged.module
        if not isinstance(network, Twin):
            return network
        settled = copy.deepcopy(network).cpu().eval()
        settle(settled, self._config.model)
        return self._to_device(settled)

    def score(self, candidate: nn.Module, samples: Samples) -> dict[str, Any]:
        """Scores on all of ``samples``, of which each process predicts a share, made equal by repetition."""
        config, fabric = self._config, self._fabric
        share = math.ceil(len(samples) / fabric.world_size)
        mine = (torch.arange(share) * fabric.world_size + fabric.global_rank) % len(samples)
        predictions = predict_masks(candidate, samples.codes[mine], config.batch, str(fabric.device))
        if fabric.world_size > 1:
            gathered = gather(torch.from_numpy(predictions).to(fabric.device, torch.uint8))  # (P, share, H, W)
            in_order = gathered.transpose(0, 1).flatten(0, 1)[: len(samples)]
            predictions = in_order.cpu().numpy().astype(predictions.dtype)
        return score(predictions, samples.masks[:, 0].numpy(), config.classes, surfaces=False)
