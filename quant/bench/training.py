"""Training time per image of a quantized network against the float network: same machine, threads and run.

Both take whole steps (forward, loss, backward, Adam) on the same batch at the checkpoint's size, in the precision of
the recipes: bfloat16, or float32 where the processor has none. Reading and augmenting images is left out.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import calib_data
import models
from quant.base.freed_memory import keep_freed_memory
from quant.training.objective import Objective
from quant.training.step import network_input, speed_up, training_step
from quant.twin.networks import channels_in, classes_of, from_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

_PRECISION = "bfloat16"
_LEARNING_RATE = 1e-4


def training_contenders(checkpoint: dict[str, Any], images: int) -> dict[str, Callable[[], object]]:
    """One training step of the float network, as training prepares it and layer by layer as torch has it, and one
    of the checkpoint's, each on the same ``images`` images.
    """
    keep_freed_memory()
    channels = channels_in(checkpoint)
    samples = [calib_data.load(name, tuple(checkpoint["size"]), channels) for name in calib_data.names()[:images]]
    codes = torch.stack([torch.from_numpy(sample.codes) for sample in samples]).permute(0, 3, 1, 2)  # (N, 3, H, W)
    masks = torch.stack([torch.from_numpy(sample.mask) for sample in samples])[:, None].float()  # (N, 1, H, W)
    x = network_input(codes, "cpu")

    def stepper(network: nn.Module, *, prepared: bool = True) -> Callable[[], object]:
        if prepared:
            speed_up(network)
        network.train().to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
        return lambda: training_step(network, optimiser, x, masks, Objective(precision=_PRECISION))

    built = partial(models.build, checkpoint["model"], classes_of(checkpoint), channels)
    return {
        "float_training_ms": stepper(built()),
        "float_training_one_by_one_ms": stepper(built(), prepared=False),
        "qat_training_ms": stepper(from_checkpoint(checkpoint)),
    }
