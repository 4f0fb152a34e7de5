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
    """Codes (N, H, W, C) uint8 -> logits (N, H, W, classes) int32, on ``threads`` threads; 0: one a processor."""

    name = "compiled"

    def __init__(self, program: Program, threads: int = 0) -> None:
        self.program = program
        self._plans: queue.SimpleQueue[Plan] = queue.SimpleQueue()
        threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads)
        for _ in range(threads):
            plan = _plan(program)
            assert plan is not None, "`compiled_engine` asks first"
            self._plans.put(plan)

    def run(self, codes: np.ndarray) -> np.ndarray:
        return np.stack(list(self._pool.map(self._run_image, codes)))

    def _run_image(self, codes: np.ndarray) -> np.ndarray:
        plan = self._plans.get()
        try:
            return plan.run(codes)
        finally:
            self._plans.put(plan)


def compiled_engine(program: Program, threads: int = 0) -> CompiledEngine | None:
    """None where there are no kernels, for lack of a compiler, or none for a step of ``program``."""
    if _plan(program) is None:
        return None
    return CompiledEngine(program, threads)


def _plan(program: Program) -> Plan | None:
    kernels = library()
    if kernels is None:
        return None
    plan = Plan(program, kernels)
    for step in program.steps:
        if not of_step(step).compile(plan, step):
            return None
        plan.release(step)
    return plan
