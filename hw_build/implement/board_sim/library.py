"""``SimulatedBoard``: registers, memory, clock, interrupt and faults of a simulated board, through ``board.cpp``.

Standard library only (no numpy, no other module of hw_build) and Python 3.10, so that a board's own Python can load
it: whoever wants an array makes it on ``memory``.

    board = SimulatedBoard("build/demo/board_sim/libboard.so", memory_base=0x1000_0000, memory_bytes=1 << 20)
    board.memory[0:4] = b"..."                        # physical address memory_base, as the accelerator sees it
    board.write(BASE + 0x10, 0x1000_0000)             # through the AXI slave; takes some clock cycles
    board.write(BASE + 0x00, 1)
    board.run(1_000_000, until_interrupt=True)
    board.read(BASE + 0x3C)
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

OKAY, SLVERR, DECERR, NO_ANSWER = 0, 2, 3, -1
FIXED, INCR, WRAP = 0, 1, 2
AXI3, AXI4 = 3, 4
MAX_BEATS = 256
ALL_LINES = 0xFF


class Fault(IntEnum):
    """What :meth:`SimulatedBoard.inject` does to the memory port. Hangs last until ``Fault.NONE`` is injected."""

    NONE = 0
    READ_SLVERR = 1
    READ_DECERR = 2
    WRITE_SLVERR = 3
    WRITE_DECERR = 4
    READ_HANG = 5  # reads are accepted and not answered
    WRITE_HANG = 6  # writes are accepted and not answered
    READ_REFUSED = 7  # no read address is accepted
    WRITE_REFUSED = 8  # neither write address nor write data is accepted


class BusError(Exception):
    """A register access was answered with SLVERR or DECERR, or not at all. ``response`` says which."""

    def __init__(self, access: str, address: int, response: int) -> None:
        name = {SLVERR: "SLVERR", DECERR: "DECERR", NO_ANSWER: "no answer"}.get(response, str(response))
        super().__init__(f"{access} of register address 0x{address:08X}: {name}")
        self.address = address
        self.response = response


class ProtocolError(Exception):
    """The simulated hardware broke a rule of AXI; the sentence names rule, signal and cycle."""


class SimulatedBoard:
    """One board, in reset release state. Not thread-safe: one call at a time.

    ``memory`` is a writable view of the physical memory from ``memory_base`` on; the hardware reads and writes it
    directly, caches are the business of who sits between. Accesses elsewhere are answered DECERR. ``stall`` is the
    probability that a channel of the bus waits in a cycle, ``latency`` the greatest number of cycles that the memory
    takes; both follow ``seed``. Where there are several accelerators, each has a memory port and lines of its own, by
    its number.
    """

    def __init__(
        self,
        library: str | os.PathLike[str],
        *,
        memory_base: int = 0x1000_0000,
        memory_bytes: int = 1 << 20,
        protocol: int = AXI3,
        seed: int = 1,
        stall: float = 0.0,
        latency: int = 20,
    ) -> None:
        self._lib = _load(Path(library).resolve())
        self.memory_base = memory_base
        self.memory_bytes = memory_bytes
        self._handle = self._lib.board_create(memory_base, memory_bytes, protocol, seed)
        address = ctypes.addressof(self._lib.board_memory(self._handle).contents)
        self.memory = memoryview((ctypes.c_uint8 * memory_bytes).from_address(address)).cast("B")
        self.timing(stall=stall, latency=latency)

    def close(self) -> None:
        """Frees the simulation; ``memory`` must not be used any more."""
        if self._handle:
            self._lib.board_destroy(self._handle)
            self._handle = None

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, address: int) -> int:
        """One 32-bit read through the AXI slave. BusError unless it is answered OKAY."""
        values, responses = self.burst_read(address, 1)
        if responses[0] != OKAY:
            raise BusError("read", address, responses[0])
        return values[0]

    def write(self, address: int, value: int) -> None:
        """One 32-bit write through the AXI slave. BusError unless it is answered OKAY."""
        response = self.burst_write(address, [value])
        if response != OKAY:
            raise BusError("write", address, response)

    def burst_read(
        self, address: int, beats: int, *, burst: int = INCR, size: int = 2, axi_id: int = 0
    ) -> tuple[list[int], list[int]]:
        """Words and responses of a burst of ``beats`` of ``2**size`` bytes; [NO_ANSWER] if the slave hangs."""
        data, responses = (ctypes.c_uint32 * MAX_BEATS)(), (ctypes.c_int * MAX_BEATS)()
        done = self._lib.board_burst_read(self._handle, address, beats, burst, size, axi_id, data, responses)
        self._check()
        return list(data[:beats]), list(responses[:beats]) if done == OKAY else [NO_ANSWER]

    def burst_write(
        self,
        address: int,
        words: Sequence[int],
        *,
        burst: int = INCR,
        size: int = 2,
        strobes: int = 15,
        axi_id: int = 0,
    ) -> int:
        """Response of a burst that writes ``words``, the same byte strobes for each; NO_ANSWER if the slave hangs."""
        data = (ctypes.c_uint32 * MAX_BEATS)(*words)
        response = self._lib.board_burst_write(self._handle, address, len(words), burst, size, strobes, axi_id, data)
        self._check()
        return response

    def step(self, cycles: int = 1) -> None:
        """Runs the clock."""
        self._lib.board_run(self._handle, cycles, 0, 0)
        self._check()

    def run(
        self, max_cycles: int, *, until_idle: bool = False, until_interrupt: bool = False, of: int | None = None
    ) -> bool:
        """Runs the clock until no job runs, or an interrupt line is high; False after ``max_cycles`` without.

        Of all accelerators, or of the one with the number ``of``.
        """
        lines = ALL_LINES if of is None else 1 << of
        reached = self._lib.board_run(self._handle, max_cycles, lines * until_idle, lines * until_interrupt)
        self._check()
        return bool(reached)

    def reset(self) -> None:
        """Pulls the reset line, as the processing system does when it loads a bitstream; the memory stays."""
        self._lib.board_reset(self._handle)
        self._check()

    def inject(self, fault: Fault, *, after: int = 0, port: int = 0) -> None:
        """Lets ``fault`` happen to the next burst but ``after`` that accelerator ``port`` begins; NONE ends a hang."""
        self._lib.board_inject(self._handle, port, int(fault), after)

    def timing(self, *, stall: float, latency: int) -> None:
        """Changes how the bus stalls and how long the memory takes."""
        self._lib.board_timing(self._handle, stall, latency)

    @property
    def interrupt(self) -> bool:
        """An interrupt line is high."""
        return bool(self._lib.board_line(self._handle, 0))

    def interrupts(self, of: int) -> bool:
        """The interrupt line of accelerator ``of`` is high."""
        return bool(self._lib.board_line(self._handle, 0) >> of & 1)

    @property
    def busy(self) -> bool:
        """A job runs."""
        return bool(self._lib.board_line(self._handle, 1))

    def runs(self, of: int) -> bool:
        """A job runs on accelerator ``of``."""
        return bool(self._lib.board_line(self._handle, 1) >> of & 1)

    @property
    def cycles(self) -> int:
        """Clock cycles since the board was made."""
        return self._lib.board_cycles(self._handle)

    @property
    def bus(self) -> dict[str, int]:
        """What has happened on the first memory port since the board was made."""
        return self.bus_of(0)

    def bus_of(self, port: int) -> dict[str, int]:
        """What has happened on memory port ``port`` since the board was made."""
        names = ("read_bursts", "write_bursts", "read_beats", "write_beats", "most_reads", "most_writes", "longest")
        return {name: self._lib.board_count(self._handle, port, index) for index, name in enumerate(names)}

    def _check(self) -> None:
        text = self._lib.board_violation(self._handle).decode(errors="replace")
        if text:
            raise ProtocolError(text)


def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    u64, board, integer = ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int
    words, integers = ctypes.POINTER(ctypes.c_uint32), ctypes.POINTER(ctypes.c_int)
    signatures = {
        "board_create": (board, [u64, u64, integer, u64]),
        "board_destroy": (None, [board]),
        "board_memory": (ctypes.POINTER(ctypes.c_uint8), [board]),
        "board_burst_read": (integer, [board, u64, integer, integer, integer, integer, words, integers]),
        "board_burst_write": (integer, [board, u64, integer, integer, integer, integer, integer, words]),
        "board_run": (integer, [board, u64, integer, integer]),
        "board_reset": (None, [board]),
        "board_inject": (None, [board, integer, integer, u64]),
        "board_timing": (None, [board, ctypes.c_double, integer]),
        "board_line": (integer, [board, integer]),
        "board_cycles": (u64, [board]),
        "board_count": (u64, [board, integer, integer]),
        "board_violation": (ctypes.c_char_p, [board]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = arguments
    return lib
