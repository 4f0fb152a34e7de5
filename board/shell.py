"""The accelerator by its registers: identify it, start a job, wait for its end, reset it.

``registers`` is anything with ``read(offset)`` and ``write(offset, int)``, such as ``pynq.MMIO``. Time-outs count the
accelerator's own clock cycles, so that they mean the same on a board and in a simulation of it.
"""

import time

from board import registers as reg
from board.errors import AcceleratorTimeout, BitstreamError, TransferError
from board.status import ERROR_BITS, explain_status

POLL_S = 0.0002
STOPPED_CLOCK_S = 5.0  # without one clock cycle
RESET_S = 2.0
LONGEST_JOB_CYCLES = 0xF0000000  # JOB_CYCLES wraps at 2**32


class Shell:
    """One accelerator behind its registers."""

    def __init__(self, registers, clock_mhz):
        self._registers = registers
        self.clock_mhz = clock_mhz

    def identify(self, spec):
        """Compares what is loaded with ``spec``; BitstreamError names the difference."""
        read = self._registers.read
        identity, version = read(reg.IDENTITY), read(reg.VERSION)
        if identity != reg.IDENTITY_VALUE:
            raise BitstreamError(
                f"the loaded bitstream is not an edgeseg accelerator (identity 0x{identity:08X}, "
                f"not 0x{reg.IDENTITY_VALUE:08X}); load the .bit of the deploy folder"
            )
        if version >> 16 != reg.VERSION_VALUE >> 16:
            raise BitstreamError(
                f"the bitstream has register map {version >> 16}, this driver knows {reg.VERSION_VALUE >> 16}; "
                "copy board/ and the bitstream from the same deploy folder"
            )
        found = read(reg.NETWORK_HASH_HI) << 32 | read(reg.NETWORK_HASH_LO)
        if found != spec.network_hash:
            raise BitstreamError(
                f"the bitstream holds network 0x{found:016x}, io_spec.json describes '{spec.network}' "
                f"0x{spec.network_hash:016x}; copy both from the same deploy folder"
            )
        shape = (read(reg.HEIGHT), read(reg.WIDTH), read(reg.CHANNELS))
        if shape != spec.shape:
            raise BitstreamError(
                f"the bitstream takes frames of {shape}, io_spec.json says {spec.shape}; copy both from the same "
                "deploy folder"
            )
        classes = read(reg.CLASSES) if version & 0xFFFF else 1  # version 1.0 has no such register
        newer = (version & 0xFFFF) > 1  # before version 1.2 results had the size of the image
        out_size = (read(reg.OUT_HEIGHT), read(reg.OUT_WIDTH)) if newer else shape[:2]
        if out_size != spec.out_size:
            raise BitstreamError(
                f"the bitstream gives results of {out_size}, io_spec.json says {spec.out_size}; copy both from the "
                "same deploy folder"
            )
        if classes != spec.classes:
            raise BitstreamError(
                f"the bitstream gives {classes} logits a pixel, io_spec.json says {spec.classes}; copy both from the "
                "same deploy folder"
            )

    def start(self, source, destination, frames, mask):
        """Starts a job of ``frames`` frames from address ``source`` to ``destination``; ``mask`` False: logits."""
        write = self._registers.write
        write(reg.STATUS, ERROR_BITS)
        write(reg.ISR, reg.ISR_DONE | reg.ISR_READY)
        write(reg.SOURCE_LO, source & 0xFFFFFFFF)
        write(reg.SOURCE_HI, source >> 32)
        write(reg.DESTINATION_LO, destination & 0xFFFFFFFF)
        write(reg.DESTINATION_HI, destination >> 32)
        write(reg.FRAMES, frames)
        write(reg.OUTPUT_MODE, reg.OUTPUT_MODE_MASK if mask else 0)
        write(reg.CTRL, reg.CTRL_START)

    def enable_interrupt(self, enable):
        """Lets the end of a job raise the interrupt line, or not; lowers the line."""
        self._registers.write(reg.IER, reg.IER_DONE if enable else 0)
        self._registers.write(reg.GIE, reg.GIE_ENABLE if enable else 0)
        self._registers.write(reg.ISR, reg.ISR_DONE | reg.ISR_READY)

    def idle(self):
        """No job runs."""
        return bool(self._registers.read(reg.CTRL) & reg.CTRL_IDLE)

    def watch(self, timeout_s):
        """Yields until the job has ended; AcceleratorTimeout after ``timeout_s`` of the accelerator's own time.

        The caller sleeps between two values, in whatever way suits it.
        """
        limit = min(int(timeout_s * self.clock_mhz * 1e6), LONGEST_JOB_CYCLES)
        seen, since = None, time.monotonic()
        while not self.idle():
            cycles = self._registers.read(reg.JOB_CYCLES)
            if cycles > limit:
                raise self._time_out(f"has not ended after {cycles} clock cycles ({timeout_s:g} s allowed)")
            if cycles != seen:
                seen, since = cycles, time.monotonic()
            elif time.monotonic() - since > STOPPED_CLOCK_S:
                raise self._time_out(f"stays at clock cycle {cycles}: its clock does not run")
            yield

    def wait(self, timeout_s):
        """Waits for the job's end, then ``check``."""
        for _ in self.watch(timeout_s):
            time.sleep(POLL_S)
        self.check()

    def check(self):
        """TransferError when the job that has ended flagged an error; the accelerator is reset then."""
        status = self._registers.read(reg.STATUS)
        if status & ERROR_BITS:
            raise TransferError(f"the job failed, {explain_status(status)}; {self._try_reset()}")

    def cycles(self):
        """(clock cycles of the last job, of its last frame)."""
        return self._registers.read(reg.JOB_CYCLES), self._registers.read(reg.FRAME_CYCLES)

    def reset(self):
        """Soft reset from any state; AcceleratorTimeout when the bus never answers what was begun."""
        self._registers.write(reg.SOFT_RESET, reg.SOFT_RESET_RESET)
        end = time.monotonic() + RESET_S
        while self._registers.read(reg.SOFT_RESET) & reg.SOFT_RESET_RESET:
            if time.monotonic() > end:
                status = self._registers.read(reg.STATUS)
                raise AcceleratorTimeout(
                    f"the soft reset does not end: the memory port leaves transfers unanswered, "
                    f"{explain_status(status)}; switch the board off and on"
                )
            time.sleep(POLL_S)

    def _time_out(self, what):
        status = self._registers.read(reg.STATUS)
        done = self._registers.read(reg.FRAMES_DONE)
        return AcceleratorTimeout(f"the job {what}, {done} frames done, {explain_status(status)}; {self._try_reset()}")

    def _try_reset(self):
        try:
            self.reset()
        except AcceleratorTimeout as error:
            return str(error)
        return "the accelerator has been reset and can be used again"
