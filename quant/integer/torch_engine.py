"""Runs an integer program with torch on any device: plain, and exact by construction.

Accumulators are computed in float64, where every integer below 2**53 is exact, and rounded: even an algorithm that
leaves the integers on its way (Winograd, FFT) is far below half a unit off. Codes follow by searching the thresholds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from quant.integer.program import Concat, Conv, MaxPool, Program, Staircase, Step, Sum, Upsample


class TorchEngine:
    """Codes (N, H, W, C) uint8 -> logits (N, H, W, classes) int32, on ``device``."""

    def __init__(self, program: Program, device: str, batch: int = 8) -> None:
        self.program, self.device, self.batch = program, torch.device(device), batch
        self._weights = {conv.name: self._tensor(conv.weights) for conv in program.convolutions}
        self._thresholds = {
            step.name: self._tensor(step.staircase.thresholds)
            for step in program.steps
            if getattr(step, "staircase", None) is not None
        }

    def run(self, codes: np.ndarray) -> np.ndarray:
        parts = [self._run_batch(codes[i : i + self.batch]) for i in range(0, len(codes), self.batch)]
        return np.concatenate(parts)

    def _run_batch(self, codes: np.ndarray) -> np.ndarray:
        tensors = {self.program.source: self._tensor(codes).permute(0, 3, 1, 2)}  # (N, H, W, C) -> (N, C, H, W)
        with torch.inference_mode():
            for step in self.program.steps:
                tensors[step.output] = self._step(step, tensors)
        logits = tensors[self.program.output].permute(0, 2, 3, 1)  # (N, C, H, W) -> (N, H, W, C)
        return logits.to(torch.int32).cpu().numpy()

    def _step(self, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        if isinstance(step, Conv):
            weights = self._weights[step.name]
            top, left, bottom, right = step.pads
            padded = functional.pad(tensors[step.source], (left, right, top, bottom))
            accumulators = functional.conv2d(padded, weights, groups=step.groups).round()
            if step.staircase is None:
                return accumulators + self._tensor(step.bias)[:, None, None]
            return self._climb(step.name, step.staircase, accumulators)
        if isinstance(step, Sum):
            return self._climb(step.name, step.staircase, tensors[step.sources[0]] + tensors[step.sources[1]])
        if isinstance(step, Upsample):
            upsampled = functional.interpolate(tensors[step.source], scale_factor=2, mode="bilinear")
            return self._climb(step.name, step.staircase, (16 * upsampled).round())
        if isinstance(step, Concat):
            return torch.cat([tensors[name] for name in step.sources], dim=1)
        assert isinstance(step, MaxPool)
        return functional.max_pool2d(tensors[step.source], 2)

    def _climb(self, name: str, staircase: Staircase, accumulators: torch.Tensor) -> torch.Tensor:
        thresholds = self._thresholds[name]  # (C, n) or (1, n)
        batch, channels, height, width = accumulators.shape
        if len(thresholds) == 1:
            rows = accumulators.reshape(1, -1)  # (N, C, H, W) -> (1, N*C*H*W)
            codes = torch.searchsorted(thresholds, rows, right=True).reshape(accumulators.shape)
        else:
            signed = accumulators * self._tensor(staircase.sign)[:, None, None]
            rows = signed.transpose(0, 1).reshape(channels, -1).contiguous()  # (N, C, H, W) -> (C, N*H*W)
            codes = torch.searchsorted(thresholds, rows, right=True)
            codes = codes.reshape(channels, batch, height, width).transpose(0, 1)
        return (codes + staircase.low).to(torch.float64)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, torch.float64)
