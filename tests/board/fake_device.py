"""Registers and memory of an accelerator as its description promises, in Python; for the driver's own tests.

Memory is not coherent: a buffer's host copy and its device copy meet only at flush and invalidate. A job runs for
``polls`` reads of CTRL; results are ``logits_of(codes)``.
"""

import numpy as np

from board import registers as reg
from board.io_spec import IoSpec, decide
from board.segmenter import Segmenter

SPEC = IoSpec("fake", 0x0123_4567_89AB_CDEF, 16, 16, 3)
FOUR_CLASSES = IoSpec("fake", 0x0123_4567_89AB_CDEF, 5, 7, 3, 4)  # frames that fill no beats
QUARTERED = IoSpec("fake", 0x0123_4567_89AB_CDEF, 16, 16, 3, 1, 8, 8)  # results of another size
CLOCK_MHZ = 100.0
CYCLES_PER_POLL = 1000


def logits_of(codes, classes=1):
    """Logits (..., H, W, classes) int32 of codes (..., H, W, 3): any function of the pixel does; some are equal."""
    wide = codes.astype(np.int32)
    if classes > 1:
        return (wide[..., :1] >> np.arange(classes)) % 5 - 2
    return (wide[..., 0] + 2 * wide[..., 1] - 2 * wide[..., 2] - 40)[..., None]


class Buffer(np.ndarray):
    """The host's copy; ``device`` is the other one."""

    def __array_finalize__(self, parent):
        self.owner = getattr(parent, "owner", None)

    def flush(self):
        self.owner.sync(self, to_device=True)

    def invalidate(self):
        self.owner.sync(self, to_device=False)

    def freebuffer(self):
        self.owner.freed += 1


class FakeDevice:
    """``registers`` and ``allocate`` at once. ``status`` is flagged by the next job; ``hangs`` never lets it end."""

    def __init__(self, spec=SPEC):
        self.spec = spec
        self.words = {
            reg.IDENTITY: reg.IDENTITY_VALUE, reg.VERSION: reg.VERSION_VALUE, reg.HEIGHT: spec.height,
            reg.WIDTH: spec.width, reg.CHANNELS: spec.channels, reg.CLASSES: spec.classes,
            reg.OUT_HEIGHT: spec.out_height, reg.OUT_WIDTH: spec.out_width,
            reg.NETWORK_HASH_LO: spec.network_hash & 0xFFFFFFFF, reg.NETWORK_HASH_HI: spec.network_hash >> 32,
        }  # fmt: skip
        self.memory = np.full(1 << 20, 0x5A, np.uint8)
        self.next_address = self.freed = self.resets = self.cycles = self.left = self.status = self.flagged = 0
        self.polls, self.hangs, self.clock_runs, self.reset_ends, self.room = 3, False, True, True, 1 << 20
        self.events = []

    def read(self, offset):
        if offset == reg.CTRL:
            return self._poll()
        if offset == reg.SOFT_RESET:
            return 0 if self.reset_ends else reg.SOFT_RESET_RESET
        if offset == reg.STATUS:
            return self.flagged
        if offset in (reg.JOB_CYCLES, reg.FRAME_CYCLES):
            return self.cycles
        return self.words.get(offset, 0)

    def write(self, offset, value):
        assert type(value) is int, "pynq's MMIO refuses numpy integers"
        if offset == reg.CTRL:
            self.events.append("start")
            self.left, self.cycles = self.polls, 0
        elif offset == reg.SOFT_RESET:
            self.resets += 1
            self.left = self.flagged = 0
            self.hangs = False
        elif offset == reg.STATUS:
            self.flagged &= ~value
        else:
            self.words[offset] = value

    def _poll(self):
        if self.left:
            self.cycles += CYCLES_PER_POLL * self.clock_runs
            self.left -= not self.hangs
            if not self.left:
                self._finish()
        return 0 if self.left else reg.CTRL_IDLE

    def _finish(self):
        self.events.append("done")
        self.flagged, self.status = self.status, 0
        frames, source = self.words[reg.FRAMES], self.words[reg.SOURCE_LO]
        spec = self.spec
        held = self.memory[source : source + frames * spec.input_bytes].reshape(frames, -1)
        codes = held[:, : int(np.prod(spec.shape))].reshape(frames, *spec.shape)
        logits = logits_of(codes, spec.classes)[:, : spec.out_height, : spec.out_width]
        words = spec.pack(decide(logits) if self.words[reg.OUTPUT_MODE] else logits).view(np.uint8)
        start = self.words[reg.DESTINATION_LO]
        self.memory[start : start + words.size] = words

    def allocate(self, shape, dtype):
        buffer = np.full(shape, 0xA5, dtype).view(Buffer)
        if buffer.nbytes > self.room:
            raise RuntimeError("no room")
        buffer.owner, buffer.device_address = self, self.next_address
        buffer.host_address = buffer.ctypes.data
        self.next_address += -(-buffer.nbytes // 4096) * 4096
        self.__dict__.setdefault("buffers", []).append(buffer)
        return buffer

    def sync(self, part, to_device):
        whole = next(b for b in self.buffers if b.host_address <= part.ctypes.data < b.host_address + b.nbytes)
        start = whole.device_address + part.ctypes.data - whole.host_address
        seen, host = self.memory[start : start + part.nbytes], np.asarray(part).reshape(-1).view(np.uint8)
        self.events.append("flush" if to_device else "invalidate")
        if to_device:
            seen[:] = host
        else:
            host[:] = seen


def segmenter(device=None, **options):
    """A Segmenter on a FakeDevice."""
    device = device or FakeDevice()
    return Segmenter(device, device.allocate, device.spec, CLOCK_MHZ, **options)


def images(count, seed=0, spec=SPEC):
    """Codes (count, H, W, C) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (count, *spec.shape), dtype=np.uint8)
