"""Runs a built design: streams in, streams out, with seeded idle and stall patterns, cycle by cycle in C++.

Python only hands arrays over and returns every few thousand cycles to show progress, so Ctrl-C works in long runs.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import BuildError
from hw_build.simulate.wrapper import ProbePort, bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hw_build.kernels.base import StreamPort

RUNNING, FINISHED, DEADLOCK, FAILED = range(4)
SLICE_SECONDS = 0.2  # between two returns to Python


class SimulationError(BuildError):
    """The simulated design broke the stream protocol, stopped by itself or delivered too much."""


class DeadlockError(SimulationError):
    """No stream moved for the watchdog's time. ``probes`` holds the probe values read at that moment."""

    def __init__(self, message: str, probes: list[int]) -> None:
        super().__init__(message)
        self.probes = probes


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a progress callback is told."""

    cycle: int
    beats_in: tuple[int, ...]
    beats_out: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Beats and the cycles in which they were handed over; cycle 0 is the first one after reset.

    ``outputs[i]`` is uint8 (beats, bytes per beat), ``output_cycles[i]`` and ``input_cycles[i]`` uint64 (beats,),
    ``output_lasts[i]`` uint8 (beats,), zero for ports without TLAST. ``log`` is what the model printed.
    """

    outputs: list[np.ndarray]
    output_cycles: list[np.ndarray]
    output_lasts: list[np.ndarray]
    input_cycles: list[np.ndarray]
    cycles: int
    seconds: float
    probes: list[int] = field(default_factory=list)
    log: str = ""

    @property
    def khz(self) -> float:
        """Simulated clock cycles per millisecond of wall clock."""
        return self.cycles / max(self.seconds, 1e-9) / 1e3


class Simulator:
    """A built design. :meth:`run` starts from reset each time, so runs do not influence each other."""

    def __init__(
        self,
        name: str,
        library: Path,
        inputs: list[StreamPort],
        outputs: list[StreamPort],
        pins: dict[str, int],
        probe: ProbePort | None,
    ) -> None:
        self.name = name
        self.library = library
        self.inputs = inputs
        self.outputs = outputs
        self.pins = pins
        self.probe = probe
        self._lib = _load(library)

    def run(
        self,
        inputs: Sequence[np.ndarray],
        expected_beats: Sequence[int],
        *,
        idle: float = 0.0,
        stall: float = 0.0,
        seed: int = 0,
        max_idle_cycles: int = 20_000,
        settle_cycles: int = 100,
        cycles_per_beat: Sequence[float] | None = None,
        pins: dict[str, int] | None = None,
        probe_count: int = 0,
        inner_beats: Sequence[int] = (),
        allow_more: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> RunResult:
        """Stream ``inputs`` through and collect ``expected_beats`` of each output.

        ``inputs[i]`` is uint8 (beats, bytes per beat). A source idles with probability ``idle`` before each beat, a
        sink withholds TREADY with probability ``stall`` in each cycle. ``cycles_per_beat[i]`` throttles input i: beat
        k is not offered before cycle k * cycles_per_beat[i]. After the last handshake ``settle_cycles`` more must
        bring no further beat; ``allow_more`` closes the sinks then, for designs whose nodes run by themselves.
        ``probe_count`` values are read from the probe port at the end. DeadlockError comes after ``max_idle_cycles``
        without a handshake at the ports, and without a change of the probe values ``inner_beats``, which count the
        beats of streams inside: a deep design may be at work for long between its last input and its first output.
        """
        if not (0 <= idle < 1 and 0 <= stall < 1):
            raise ValueError(f"idle {idle} and stall {stall} are probabilities, each must be in [0, 1)")
        unknown = set(pins or {}) - set(self.pins)
        if unknown:
            raise ValueError(f"{self.name}: unknown pins {sorted(unknown)}, built with {sorted(self.pins)}")
        arrays = [self._checked_input(i, array) for i, array in enumerate(inputs)]
        if len(arrays) != len(self.inputs) or len(expected_beats) != len(self.outputs):
            raise ValueError(
                f"{self.name}: {len(arrays)} inputs and {len(expected_beats)} expected outputs given, "
                f"it has {len(self.inputs)} and {len(self.outputs)}"
            )
        paces = list(cycles_per_beat) if cycles_per_beat is not None else [0.0] * len(arrays)
        input_cycles = [np.zeros(len(a), np.uint64) for a in arrays]
        outputs = [np.zeros((n, bytes_of(p)), np.uint8) for n, p in zip(expected_beats, self.outputs, strict=True)]
        lasts = [np.zeros(n, np.uint8) for n in expected_beats]
        output_cycles = [np.zeros(n, np.uint64) for n in expected_beats]

        lib = self._lib
        handle = lib.sim_create(seed, idle, stall, max_idle_cycles, settle_cycles)
        try:
            for i, array in enumerate(arrays):
                lib.sim_source(handle, i, array.ctypes.data, len(array), input_cycles[i].ctypes.data, paces[i])
            for i, array in enumerate(outputs):
                lib.sim_sink(
                    handle, i, array.ctypes.data, lasts[i].ctypes.data, len(array), output_cycles[i].ctypes.data,
                    allow_more,
                )  # fmt: skip
            for index, pin in enumerate(self.pins):
                lib.sim_pin(handle, index, (pins or {}).get(pin, 0))
            start = monotonic()
            status = lib.sim_reset(handle)
            if status == RUNNING:
                status = self._advance(handle, inner_beats, progress)
            seconds = monotonic() - start
            probes = [lib.sim_probe(handle, a) for a in range(probe_count)] if status != FAILED else []
            if status == DEADLOCK:
                raise DeadlockError(self._deadlock_text(handle, arrays, outputs, max_idle_cycles), probes)
            if status == FAILED:
                printed = lib.sim_log().decode(errors="replace").strip()
                reason = lib.sim_error(handle).decode(errors="replace")
                raise SimulationError(f"{self.name}: {reason}" + (f"; it printed: {printed}" if printed else ""))
            return RunResult(
                outputs=outputs, output_cycles=output_cycles, output_lasts=lasts, input_cycles=input_cycles,
                cycles=lib.sim_cycle(handle), seconds=seconds, probes=probes,
                log=lib.sim_log().decode(errors="replace"),
            )  # fmt: skip
        finally:
            lib.sim_destroy(handle)

    def _advance(self, handle: int, inner_beats: Sequence[int], progress: Callable[[Progress], None] | None) -> int:
        lib = self._lib
        budget = 1000
        moved: list[int] = [0] * len(inner_beats)
        while True:
            start = monotonic()
            status = lib.sim_advance(handle, budget)
            if status == DEADLOCK and (now := [lib.sim_probe(handle, a) for a in inner_beats]) != moved:
                moved = now
                lib.sim_watch_on(handle)
                continue
            if status != RUNNING:
                return status
            elapsed = max(monotonic() - start, 1e-6)
            budget = int(min(max(budget * SLICE_SECONDS / elapsed, 100), 4 * budget))
            if progress:
                beats_in = tuple(lib.sim_taken(handle, i) for i in range(len(self.inputs)))
                beats_out = tuple(lib.sim_got(handle, i) for i in range(len(self.outputs)))
                progress(Progress(cycle=lib.sim_cycle(handle), beats_in=beats_in, beats_out=beats_out))

    def _checked_input(self, index: int, array: np.ndarray) -> np.ndarray:
        port = self.inputs[index]
        array = np.ascontiguousarray(array, dtype=np.uint8)
        if array.ndim != 2 or array.shape[1] != bytes_of(port):
            raise ValueError(
                f"{self.name}: input {index} ({port.tdata}) has shape {array.shape}, "
                f"must be (beats, {bytes_of(port)}) bytes"
            )
        spare = 8 * bytes_of(port) - port.width_bits
        if spare and len(array) and int(array[:, -1].max()) >> (8 - spare):
            raise ValueError(f"{self.name}: input {index} has bits set above its {port.width_bits} bits")
        return array

    def _deadlock_text(self, handle: int, arrays: list, outputs: list, watchdog: int) -> str:
        lib = self._lib
        stands = []
        for i, (port, array) in enumerate(zip(self.inputs, arrays, strict=True)):
            taken = lib.sim_taken(handle, i)
            if taken < len(array):
                stands.append(f"input {port.tdata} took {taken} of {len(array)} beats")
        for i, (port, array) in enumerate(zip(self.outputs, outputs, strict=True)):
            got = lib.sim_got(handle, i)
            if got < len(array):
                stands.append(f"output {port.tdata} gave {got} of {len(array)} beats")
        cycle = lib.sim_cycle(handle)
        return f"{self.name}: deadlock, no stream moved for {watchdog} cycles up to cycle {cycle}: {', '.join(stands)}"


def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    u64, pointer, f64, index = ctypes.c_uint64, ctypes.c_void_p, ctypes.c_double, ctypes.c_int
    signatures = {
        "sim_create": (pointer, [u64, f64, f64, u64, u64]),
        "sim_source": (None, [pointer, index, pointer, u64, pointer, f64]),
        "sim_sink": (None, [pointer, index, pointer, pointer, u64, pointer, index]),
        "sim_pin": (None, [pointer, index, u64]),
        "sim_reset": (index, [pointer]),
        "sim_advance": (index, [pointer, u64]),
        "sim_watch_on": (None, [pointer]),
        "sim_cycle": (u64, [pointer]),
        "sim_taken": (u64, [pointer, index]),
        "sim_got": (u64, [pointer, index]),
        "sim_probe": (u64, [pointer, u64]),
        "sim_error": (ctypes.c_char_p, [pointer]),
        "sim_log": (ctypes.c_char_p, []),
        "sim_destroy": (None, [pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib
