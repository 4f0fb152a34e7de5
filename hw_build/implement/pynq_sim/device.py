"""``SimulatedDevice``: what pynq asks of a device, answered by the simulated board that a "bitstream" names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pynq.pl_server.device import Device
from pynq.pl_server.embedded_device import parse_bit_header
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from hw_build.implement.board_sim.library import SimulatedBoard
from hw_build.implement.deploy.simulated import DESIGN
from hw_build.implement.pynq_sim.memory import BoardMemory
from hw_build.implement.pynq_sim.zynq import ProcessingSystem

MEMORY_BASE = 0x10000000
MEMORY_BYTES = 32 << 20
WINDOW_BYTES = 4096


class SimulatedDevice(Device):
    """One Zynq-7000 board. ``board`` is the simulation, None until a bitstream has been loaded.

    The clock runs while registers are accessed: some cycles for each access, ``cycles_per_poll`` at most when a program
    asks whether a running job has ended.
    """

    _probe_priority_ = 10  # before the embedded device

    @classmethod
    def _probe_(cls) -> list[Device]:
        return [cls()]

    def __init__(self) -> None:
        super().__init__("edgeseg_simulated")
        self.name = "edgeseg simulated board"
        self.arch = "armv7l"
        self.capabilities = {"REGISTER_RW": True}
        self.board: SimulatedBoard | None = None
        self.processing_system = ProcessingSystem()
        self.cycles_per_poll = 20_000
        self._control_bases: list[int] = []
        self._memory: BoardMemory | None = None

    def read_registers(self, address: int, length: int) -> bytes:
        """The bytes of ``length`` / 4 registers from ``address`` on."""
        words = (self._read(address + offset) for offset in range(0, length, 4))
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        """Writes whole words."""
        for offset in range(0, len(data), 4):
            value = int.from_bytes(bytes(data[offset : offset + 4]), "little")
            if self._accelerator(address + offset) is not None:
                self._loaded().write(address + offset, value)
            else:
                self._require_register(address + offset)
                self.processing_system.write(address + offset, value)

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> Any:
        """A buffer; the memory comes with the bitstream, as pynq has it."""
        return self._buffers().allocate(self, shape, dtype)

    def flush(self, bo: int, offset: int, host_address: int, count: int) -> None:
        """Host to hardware."""
        self._buffers().to_device(bo + offset, host_address, count)

    def invalidate(self, bo: int, offset: int, host_address: int, count: int) -> None:
        """Hardware to host."""
        self._buffers().to_host(bo + offset, host_address, count)

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> RuntimeMetadataParser:
        """What the .hwh beside the bitstream says."""
        parser = RuntimeMetadataParser(Metadata(input=Path(bitfile_name).with_suffix(".hwh")))
        parser.bin_data = parse_bit_header(Path(bitfile_name).read_bytes())["data"]
        return parser

    def download(self, bitstream: Any, parser: RuntimeMetadataParser | None = None) -> None:
        """Starts the simulation that the bitstream names, in the state after reset; its memory is new."""
        header = parse_bit_header(Path(bitstream.bitfile_name).read_bytes())
        if header["design"] != DESIGN:
            raise RuntimeError(f"the simulated board cannot load a real bitstream (design {header['design']})")
        named = json.loads(header["data"])
        if self.board is not None:
            self.board.close()
        self.board = SimulatedBoard(named["library"], memory_base=MEMORY_BASE, memory_bytes=MEMORY_BYTES)
        self._control_bases = named["control_bases"]
        self._memory = BoardMemory(self.board.memory, MEMORY_BASE)
        self.post_download(bitstream, parser, self.name)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """Nothing is kept between programs."""

    def insert_device_tree(self, abs_dtbo: str) -> None:
        """There is no kernel."""

    remove_device_tree = insert_device_tree

    def shutdown(self) -> None:
        """No bus to quiet."""

    def _read(self, address: int) -> int:
        number = self._accelerator(address)
        if number is None:
            self._require_register(address)
            return self.processing_system.read(address)
        board = self._loaded()
        if board.runs(number) and address == self._control_bases[number]:  # somebody polls for its end: time passes
            board.run(self.cycles_per_poll, until_idle=True, of=number)
        return board.read(address)

    def _accelerator(self, address: int) -> int | None:
        """The number of the accelerator that has ``address``; None where none has, or nothing is loaded."""
        bases = self._control_bases if self.board is not None else []
        return next((number for number, base in enumerate(bases) if base <= address < base + WINDOW_BYTES), None)

    def _require_register(self, address: int) -> None:
        if not self.processing_system.holds(address):
            raise RuntimeError(f"nothing answers at 0x{address:08X}: a board would hang here")

    def _loaded(self) -> SimulatedBoard:
        if self.board is None:
            raise RuntimeError("no bitstream is loaded")
        return self.board

    def _buffers(self) -> BoardMemory:
        self._loaded()
        assert self._memory is not None, "it is made with the board"
        return self._memory
