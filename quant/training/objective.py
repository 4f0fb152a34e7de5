"""What a training step minimises: the loss for masks, of the decoder's stages as well, and distances from a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from quant.base.device import computes_in_bfloat16
from quant.layers.fused import FusedFilters
from quant.layers.learning import asking_teacher
from quant.training.loss import attention_distance, distillation_loss, segmentation_loss, soft_target_loss
from quant.training.stages import seen
from quant.volumes.loss import deep_supervision


@dataclass(frozen=True, kw_only=True)
class Objective:
    """``kind`` and ``epoch`` are of ``segmentation_loss``, ``precision`` of ``TrainConfig``: see
    ``computes_in_bfloat16``.

    The teacher is a network, whose prediction is weighed by ``distill`` and, where both are ``Staged``, its features by
    ``feature_distill``; or it spoke beforehand: its probabilities are further channels of the masks.
    ``deep_supervision`` weighs the loss of the heads of a ``Staged`` network: a mean, the half resolution counting
    twice what the quarter does, and so on. ``damping`` weighs how far the weights of a twin are from their quantized
    values, so that they do not swing between two of them: M. Nagel et al., "Overcoming oscillations in
    quantization-aware training", ICML 2022.
    """

    kind: str = "bce-dice"
    epoch: int = 0
    precision: str = "float32"
    teacher: nn.Module | None = None
    distill: float = 0.0
    deep_supervision: float = 0.0
    feature_distill: float = 0.0
    damping: float = 0.0

    def __call__(self, network: nn.Module, x: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """The loss () of ``network`` for input ``x`` (B, C, H, W) and float masks (B, 1, H, W)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=computes_in_bfloat16(self.precision, x.device)):
            found = seen(network, x)
            if self.teacher is not None:
                with asking_teacher():
                    taught = seen(self.teacher, x)
        # each term widens the logits itself: gradients add up in the precision of the pass
        logits, truth = found.logits, masks[:, :1]
        loss = segmentation_loss(logits.float(), truth, self.kind, self.epoch)
        if masks.shape[1] > 1:
            loss = loss + self.distill * soft_target_loss(logits.float(), masks[:, 1:])
        if found.auxiliary:
            of_stage = partial(segmentation_loss, kind=self.kind, epoch=self.epoch)
            auxiliary = [of_head.float() for of_head in found.auxiliary]
            loss = loss + self.deep_supervision * deep_supervision(of_stage, auxiliary, truth[..., ::2, ::2])
        if self.teacher is not None:
            loss = loss + self.distill * distillation_loss(logits.float(), taught.logits.float())
            if self.feature_distill:
                loss = loss + self.feature_distill * attention_distance(found.features, taught.features)
        if self.damping:
            filters = [module for module in network.modules() if isinstance(module, FusedFilters)]
            loss = loss + self.damping * sum(module.off_grid() for module in filters)
        return loss
