"""Runs an integer program with onnxruntime's 8-bit kernels on the CPU: several images at a time, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from quant.integer.ort_graph import GraphBuilder, widest_lanes

if TYPE_CHECKING:
    from quant.integer.program import Program

LANES = 4


class OrtEngine:
    """Codes (N, H, W, C) uint8 -> logits (N, H, W, classes) int32. ``threads`` 0 leaves the choice to onnxruntime."""

    name = "onnxruntime"

    def __init__(self, program: Program, threads: int = 0) -> None:
        self.program, self.threads = program, threads
        self.lanes = widest_lanes(program, LANES)
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}

    def run(self, codes: np.ndarray) -> np.ndarray:
        parts, start = [], 0
        while start < len(codes):
            lanes = self.lanes if len(codes) - start >= self.lanes else 1
            parts.append(self._run_lanes(codes[start : start + lanes]))
            start += lanes
        return np.concatenate(parts)

    def _run_lanes(self, codes: np.ndarray) -> np.ndarray:
        lanes, height, width, channels = codes.shape
        session = self._session(lanes)
        side_by_side = codes.transpose(1, 2, 0, 3).reshape(1, height, width, lanes * channels)
        (logits,) = session.run(None, {self.program.source: side_by_side})
        # (1, H, W, lanes * classes) -> (lanes, H, W, classes)
        return np.ascontiguousarray(logits.reshape(height, width, lanes, -1).transpose(2, 0, 1, 3))

    def _session(self, lanes: int) -> onnxruntime.InferenceSession:
        if lanes not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 3
            model = GraphBuilder(self.program, lanes).build().SerializeToString()
            self._sessions[lanes] = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return self._sessions[lanes]
