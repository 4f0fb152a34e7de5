"""The processes that train one network together: one alone, or those that ``torchrun`` started (Lightning Fabric, DDP).

Every process holds the whole network and takes its share of each batch; gradients are averaged, and BN statistics are
those of the whole batch. So n processes with batch b compute what one with batch n*b computes, up to the order of sums.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import distributed, nn

from quant.base.errors import ConfigError
from quant.twin.quantized_layers import QuantizedNorm


def is_first_process() -> bool:
    """Whether this process is the one that writes files and prints results."""
    return os.environ.get("RANK", "0") == "0"


def join(device: str) -> Fabric:
    """Joins the processes of ``torchrun``, if any, on ``device`` (cpu, cuda; alone also cuda:N).

    Raises:
        ConfigError: one GPU named for several processes.
    """
    accelerator, _, index = device.partition(":")
    processes, here = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes == 1:
        return Fabric(accelerator=accelerator, devices=[int(index)] if index else 1)
    if index:
        raise ConfigError(
            f"--device {device} names one GPU, but torchrun started {processes} processes; use --device cuda"
        )
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=processes // here,
        strategy=DDPStrategy(broadcast_buffers=False),  # BN statistics are equal already
    )
    fabric.launch()
    return fabric


class _MeanOverProcesses(torch.autograd.Function):
    """Mean of a tensor over all processes; every process' loss depends on it, so its gradient is a mean as well."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return _mean(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _mean(gradient)


def _mean(x: torch.Tensor) -> torch.Tensor:
    mean = x / distributed.get_world_size()
    distributed.all_reduce(mean)
    return mean


class SharedBatchNorm2d(nn.BatchNorm2d):
    """BN over the batches of all processes. ``nn.SyncBatchNorm`` does the same, but on GPUs alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()
        mean = _MeanOverProcesses.apply(values.mean((0, 2, 3)))  # (C,)
        centred = values - mean[:, None, None]
        variance = _MeanOverProcesses.apply((centred**2).mean((0, 2, 3)))
        with torch.no_grad():
            count = distributed.get_world_size() * x.numel() / x.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        factor = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * factor[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class SharedQuantizedNorm(QuantizedNorm, SharedBatchNorm2d):
    """The same, its output quantized."""


def share_statistics(network: nn.Module) -> None:
    """Makes the BNs of ``network`` take their statistics over all processes; parameters and names stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
        elif type(module) is QuantizedNorm:
            module.__class__ = SharedQuantizedNorm


def gather(mine: torch.Tensor) -> torch.Tensor:
    """``mine`` (M, ...) of every process -> (P, M, ...)."""
    parts = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, mine)
    return torch.stack(parts)
