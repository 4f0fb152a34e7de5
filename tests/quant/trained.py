"""Quantized twins that look trained (BNs with statistics, settled thresholds), as checkpoints and as exports."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

import calib_data
import models
from quant.base import checkpoint as checkpoints
from quant.data.pairs import to_input
from quant.twin.config import QuantConfig
from quant.twin.networks import settle
from quant.twin.prepare import calibrate, fill_weight_range
from quant.twin.structure import convolution_sites
from quant.twin.twin import build_twin

SEED = 5


def calibration_codes(size: tuple[int, int], count: int = 4) -> np.ndarray:
    """(count, H, W, 3) uint8."""
    return np.stack([calib_data.load(name, size).codes for name in calib_data.names()[:count]])


def trained_network(name: str, size: tuple[int, int]) -> nn.Module:
    """A float network whose BNs have the statistics of four real images."""
    torch.manual_seed(SEED)
    network = models.build(name)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.3, 0.7)
        with torch.no_grad():
            norm.weight[:: norm.num_features // 2].neg_()
    with torch.no_grad():
        network.train()(to_input(torch_codes(size)))
    return network.eval()


def torch_codes(size: tuple[int, int]) -> torch.Tensor:
    """The calibration images as (N, 3, H, W) uint8."""
    return torch.from_numpy(calibration_codes(size)).permute(0, 3, 1, 2).contiguous()


def settled_twin(name: str, size: tuple[int, int], quant: QuantConfig):
    return twin_of(trained_network(name, size), name, size, quant)


def twin_of(network: nn.Module, name: str, size: tuple[int, int], quant: QuantConfig):
    twin = build_twin(network, 3, quant)
    fill_weight_range(twin, convolution_sites(network))
    calibrate(twin, torch_codes(size))
    settle(twin, name)
    return twin.eval()


def write_checkpoint(path: Path, name: str, size: tuple[int, int], twin, quant: QuantConfig | None, **changes) -> Path:
    values = {
        "model": name,
        "quant": quant.as_dict() if quant else None,
        "size": list(size),
        "state": twin.state_dict(),
        **changes,
    }
    checkpoints.save(path, values)
    return path
