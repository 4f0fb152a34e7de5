"""Contiguous memory of the simulated board, deliberately not coherent.

A buffer has two copies: the host's array, and the bytes that the hardware sees. They meet only when the program
flushes or invalidates, so a call that a real cache would need and that is missing shows here as a wrong result. Both
copies start as different garbage.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from pynq.buffer import PynqBuffer

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

PAGE_BYTES = 4096
HOST_GARBAGE, DEVICE_GARBAGE = 0xA5, 0x5A


class BoardMemory:
    """Allocates from ``memory``, which the hardware sees from address ``base`` on."""

    def __init__(self, memory: memoryview, base: int) -> None:
        self._memory, self._base = memory, base
        self._taken: dict[int, int] = {}  # address -> bytes

    def allocate(self, device: object, shape: tuple[int, ...] | int, dtype: DTypeLike) -> PynqBuffer:
        """A buffer as ``pynq.allocate`` returns it; RuntimeError when there is no room, as on a board."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self._place(count)
        self._taken[address] = count
        host = np.full(count, HOST_GARBAGE, np.uint8)
        start = address - self._base
        self._memory[start : start + count] = bytes([DEVICE_GARBAGE]) * count
        buffer = PynqBuffer(shape, dtype, buffer=host, device=device, device_address=address, bo=address)
        buffer.memory, buffer.pointer, buffer.return_to = self, address, self
        buffer.freed = True  # nothing is mapped that pynq would have to unmap
        return buffer

    def return_pointer(self, address: int) -> None:
        """What pynq calls when a buffer goes."""
        self._taken.pop(address, None)

    def to_device(self, address: int, host_address: int, count: int) -> None:
        """Copies ``count`` bytes of the host's copy to what the hardware sees."""
        start = address - self._base
        self._memory[start : start + count] = ctypes.string_at(host_address, count)

    def to_host(self, address: int, host_address: int, count: int) -> None:
        """The other way."""
        start = address - self._base
        ctypes.memmove(host_address, bytes(self._memory[start : start + count]), count)

    def _place(self, count: int) -> int:
        address = self._base
        for taken, size in sorted(self._taken.items()):
            if address + count <= taken:
                break
            address = -(-(taken + size) // PAGE_BYTES) * PAGE_BYTES
        if address + count > self._base + len(self._memory):
            raise RuntimeError(f"no {count} contiguous bytes are free")
        return address
