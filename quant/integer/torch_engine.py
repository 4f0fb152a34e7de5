"""Runs an integer program with torch on any device: plain, and exact by construction.

Accumulators are computed in float64, where every integer below 2**53 is exact, and rounded: even an algorithm that
leaves the integers on its way (Winograd, FFT) is far below half a unit off. Codes follow by searching the thresholds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from quant.operators import of_step

if TYPE_CHECKING:
    from quant.integer.program import Program, Staircase


class TorchEngine:
    """Codes (N, H, W, C) or (N, X, Y, Z, C) uint8 -> logits int32 with classes in the place of C, on ``device``."""

    name = "torch"

    def __init__(self, program: Program, device: str, batch: int = 8) -> None:
        self.program, self.device, self.batch = program, torch.device(device), batch
        self.weights = {conv.name: self.tensor(conv.weights) for conv in program.convolutions}
        self._thresholds = {
            step.name: self.tensor(step.staircase.thresholds)
            for step in program.steps
            if getattr(step, "staircase", None) is not None
        }

    def run(self, codes: np.ndarray) -> np.ndarray:
        parts = [self._run_batch(codes[i : i + self.batch]) for i in range(0, len(codes), self.batch)]
        return np.concatenate(parts)

    def _run_batch(self, codes: np.ndarray) -> np.ndarray:
        tensors = {self.program.source: self.tensor(codes).movedim(-1, 1)}  # (N, H, W, C) -> (N, C, H, W)
        with torch.inference_mode():
            for step in self.program.steps:
                tensors[step.output] = of_step(step).run(self, step, tensors)
        logits = tensors[self.program.output].movedim(1, -1)  # (N, C, H, W) -> (N, H, W, C)
        return logits.to(torch.int32).cpu().numpy()

    def climb(self, name: str, staircase: Staircase, accumulators: torch.Tensor) -> torch.Tensor:
        """Codes of accumulators (N, C, ...), by the thresholds of the step ``name``."""
        thresholds = self._thresholds[name]  # (C, n) or (1, n)
        batch, channels, *sides = accumulators.shape
        signed = accumulators * by_channel(self.tensor(staircase.sign), accumulators)
        if len(thresholds) == 1:
            rows = signed.reshape(1, -1)  # (N, C, H, W) -> (1, N*C*H*W)
            codes = torch.searchsorted(thresholds, rows, right=True).reshape(accumulators.shape)
        else:
            rows = signed.transpose(0, 1).reshape(channels, -1).contiguous()  # (N, C, H, W) -> (C, N*H*W)
            codes = torch.searchsorted(thresholds, rows, right=True)
            codes = codes.reshape(channels, batch, *sides).transpose(0, 1)
        return (codes + staircase.low).to(torch.float64)

    def tensor(self, values: np.ndarray) -> torch.Tensor:
        """In float64, on the device."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, torch.float64)


def by_channel(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(C,) or (1,) -> a shape that is spread over ``like`` (N, C, ...)."""
    return values.reshape(-1, *[1] * (like.dim() - 2))
