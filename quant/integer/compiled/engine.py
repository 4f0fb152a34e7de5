"""Runs an integer program by the compiled kernels: an image a thread."""

from __future__ import annotations

import os
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from quant.integer.compiled.library import library
from quant.integer.compiled.plan import Plan
from quant.operators import of_step

if TYPE_CHECKING:
    from quant.integer.program import Program


class CompiledEngine:
    """Codes (N, H, W, C) uint8 -> logits (N, H, W, classes) int32, with a thread for each of ``plans``."""

    name = "compiled"

    def __init__(self, plans: list[Plan]) -> None:
        self._plans: queue.SimpleQueue[Plan] = queue.SimpleQueue()
        for plan in plans:
            self._plans.put(plan)
        self._pool = ThreadPoolExecutor(len(plans))

    def run(self, codes: np.ndarray) -> np.ndarray:
        return np.stack(list(self._pool.map(self._run_image, codes)))

    def _run_image(self, codes: np.ndarray) -> np.ndarray:
        plan = self._plans.get()
        try:
            return plan.run(codes)
        finally:
            self._plans.put(plan)


def compiled_engine(program: Program, threads: int = 0) -> CompiledEngine | None:
    """On ``threads`` threads, 0: one a processor; None where there are no kernels, for lack of a compiler or of a
    processor that they are made for, or none for a step of ``program``.
    """
    kernels = library()
    if kernels is None:
        return None
    plans = []
    for _ in range(threads or len(os.sched_getaffinity(0))):
        plan = Plan(program, kernels)
        for step in program.steps:
            if not of_step(step).compile(plan, step):
                return None
            plan.release(step)
        plans.append(plan)
    return CompiledEngine(plans)
