"""The registers of a Zynq-7000's processing system that pynq and the driver touch, as after PYNQ's boot loader."""

from __future__ import annotations

SLCR = 0xF8000000
AFI0, AFI1 = 0xF8008000, 0xF8009000
PAGE_BYTES = 0x1000
_PLL = {"ARM": (0x100, 26), "DDR": (0x104, 21), "IO": (0x108, 20)}  # feedback divisors, times 50 MHz
_ARM_CLOCK = (0x120, 0x200)  # divisor 2 in bits 8 to 13
_FABRIC_CLOCKS = (0x170, 0x180, 0x190, 0x1A0)


class ProcessingSystem:
    """Words of the system-level control registers and of both memory ports; plain storage, as far as software sees."""

    def __init__(self) -> None:
        self.words = {SLCR + offset: divisor << 12 for offset, divisor in _PLL.values()}
        self.words[SLCR + _ARM_CLOCK[0]] = _ARM_CLOCK[1]
        self.words.update({SLCR + offset: 0x00101400 for offset in _FABRIC_CLOCKS})

    def holds(self, address: int) -> bool:
        """One of its registers is at ``address``."""
        return any(base <= address < base + PAGE_BYTES for base in (SLCR, AFI0, AFI1))

    def read(self, address: int) -> int:
        """The word at ``address``."""
        return self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Stores the word."""
        self.words[address] = value
