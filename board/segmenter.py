"""Images in, masks or class indices out: what a user calls, on any device that has registers and memory.

No arithmetic on the host: the largest of several logits is found by the accelerator.
"""

import asyncio
import contextlib
import time
from typing import NamedTuple

import numpy as np

from board.buffers import JobBuffers
from board.errors import BoardError, InputError
from board.io_spec import decide
from board.shell import Shell
from board.slices import Slices

FRAMES_PER_JOB = 8
TIMEOUT_S = 2.0
ASYNC_CHECK_S = 0.02


class Timing(NamedTuple):
    """Where the time of the last call went, in seconds; device times are counted by the accelerator's own clock."""

    frames: int
    host_s: float  # copies into and out of the buffers, cache maintenance, bits to bool
    dma_s: float  # the jobs from START to DONE: DMA, and the accelerator working alongside it
    compute_s: float  # the last frame: from the end of the frame before, or from START, to its last word


class Job(NamedTuple):
    """A running job: its buffers, how many frames, and whether it writes logits."""

    buffers: JobBuffers
    frames: int
    logits: bool


class Segmenter:
    """An accelerator, ready to segment.

    ``registers`` has ``read(offset)`` and ``write(offset, int)``, like pynq.MMIO. ``allocate`` is described in
    ``board.buffers``. ``spec`` is the network's ``board.io_spec.IoSpec``. ``frames_per_job`` is the largest number of
    frames in one job: a lone frame takes the accelerator's latency, each further frame of a job its shorter interval.
    ``timeout_s`` is the time allowed per frame, in seconds. ``find_interrupt`` returns an object with a coroutine
    ``wait()`` and a ``close()``, or None; without an interrupt, asynchronous calls poll.
    """

    def __init__(
        self,
        registers,
        allocate,
        spec,
        clock_mhz,
        frames_per_job=FRAMES_PER_JOB,
        timeout_s=TIMEOUT_S,
        find_interrupt=None,
    ):
        if frames_per_job < 1:
            raise InputError(f"frames_per_job must be at least 1, got {frames_per_job}")
        if not 0 < timeout_s < float("inf"):
            raise InputError(f"timeout_s must be positive and finite, got {timeout_s}")
        self.spec, self.frames_per_job, self.timeout_s = spec, frames_per_job, timeout_s
        self._shell = Shell(registers, clock_mhz)
        self._allocate, self._find_interrupt = allocate, find_interrupt or (lambda: None)
        self._pairs = []
        self._running = self._open = False
        self._timing = Timing(0, 0.0, 0.0, 0.0)
        self._shell.identify(spec)
        self._shell.reset()
        self._shell.enable_interrupt(False)  # a program that was killed may have left it on

    @property
    def timing(self):
        """``Timing`` of the last call."""
        return self._timing

    def segment(self, image, logits=False):
        """Returns the bool mask (H', W') of a uint8 image (H, W, C); of several classes uint8 indices (H', W'), the
        largest logit's; with ``logits``, its int32 logits (H', W', classes). H' and W' are H and W but where
        ``spec.resizes``.

        Raises InputError, TransferError, AcceleratorTimeout or DeviceError; the accelerator can be used after each.
        """
        return self.segment_batch([image], logits)[0]

    def segment_batch(self, images, logits=False):
        """Returns masks (N, H, W) of images (N, H, W, C), uint8, or of a list: see ``segment``."""
        results = list(self.stream(images, logits))
        if results:
            return np.stack(results)
        none = np.zeros((0, *self.spec.out_size, self.spec.classes), np.int32)
        return none if logits else decide(none)

    def stream(self, images, logits=False, frames_per_job=None):
        """Yields the result of each image of an iterator, in order.

        Double buffering: while one job runs, the next images are fetched and copied, and the previous results are
        returned. ``frames_per_job`` = 1 gives a live source the shortest delay.
        """
        size = self.frames_per_job if frames_per_job is None else frames_per_job
        if not 1 <= size <= self.frames_per_job:
            raise InputError(f"frames_per_job must be 1 to {self.frames_per_job}, got {size}")
        self._enter()
        running, spare = None, 0
        try:
            for group in groups(images, size):
                job = self._prepare(self._buffers(spare), group, logits)
                if running is not None:
                    self._finish(running)
                self._start(job)
                spare = 1 - spare
                if running is not None:
                    yield from self._results(running)
                running = job
            if running is not None:
                self._finish(running)
                yield from self._results(running)
        finally:
            self._leave()

    def segment_volume(self, codes):
        """Returns what the network decides of a volume of codes (X, Y, Z) uint8, slice by slice with its neighbours:
        bool (X, Y, Z), or of several classes uint8 indices. ``spec.volume.codes`` makes the codes of a scan.

        Raises as ``segment``, and InputError: its slices are larger than the network's image.
        """
        if self.spec.resizes:
            raise InputError("the network gives masks of another size than its image; take one that does not")
        slices = Slices(codes, self.spec.height, self.spec.width, self.spec.channels)
        return slices.on_volume(self.segment_batch(slices))

    def segment_scan(self, scan):
        """``segment_volume`` of a ``board.nifti.Scan``; InputError: the network is for images, or the scan does not fit
        ``spec.volume``.
        """
        if self.spec.volume is None:
            raise InputError(
                "this network is for images; give image files, or export one that was trained on slices of volumes"
            )
        return self.segment_volume(self.spec.volume.codes(scan))

    async def segment_async(self, image, logits=False):
        """``segment`` that lets other coroutines run until the accelerator's interrupt comes."""
        self._enter()
        interrupt = None
        try:
            job = self._prepare(self._buffers(0), [image], logits)
            interrupt = self._find_interrupt()
            self._shell.enable_interrupt(interrupt is not None)
            self._start(job)
            with self._reset_by_errors():
                for _ in self._shell.watch(self.timeout_s):
                    await interrupt_or_pause(interrupt)
            self._finish(job)
            return next(self._results(job))
        finally:
            self._shell.enable_interrupt(False)
            if interrupt is not None:
                interrupt.close()
            self._leave()

    def recover(self):
        """Soft reset: ends whatever runs."""
        self._shell.reset()
        self._running = False

    def close(self):
        """Ends whatever runs and frees the buffers; the object can't be used any more.

        Buffers stay where the hardware can't be stopped from writing to them (AcceleratorTimeout).
        """
        self._open = True
        if self._running:
            self.recover()
        for buffers in self._pairs:
            buffers.free()
        self._pairs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _enter(self):
        if self._open:
            raise InputError("the accelerator is closed, or a stream on it is still open; exhaust or close that first")
        self._open = True
        self._timing = Timing(0, 0.0, 0.0, 0.0)

    def _leave(self):
        """After a result or an error: a job that nobody waits for any more is ended."""
        self._open = False
        if self._running:
            self.recover()

    def _buffers(self, index):
        while len(self._pairs) <= index:
            self._pairs.append(JobBuffers(self._allocate, self.spec, self.frames_per_job))
        return self._pairs[index]

    def _prepare(self, buffers, images, logits):
        begun = time.perf_counter()
        buffers.load(images)
        self._spend(host_s=time.perf_counter() - begun)
        return Job(buffers, len(images), logits)

    def _start(self, job):
        source, destination = job.buffers.source.device_address, job.buffers.destination.device_address
        self._running = True
        self._shell.start(source, destination, job.frames, mask=not job.logits)

    def _finish(self, job):
        with self._reset_by_errors():
            self._shell.wait(self.timeout_s * job.frames)
        self._running = False
        job_cycles, frame_cycles = self._shell.cycles()
        second = self._shell.clock_mhz * 1e6
        self._spend(frames=job.frames, dma_s=job_cycles / second)
        self._timing = self._timing._replace(compute_s=frame_cycles / second)

    @contextlib.contextmanager
    def _reset_by_errors(self):
        """Around waiting: after an error of ours nothing runs any more; after any other, such as Ctrl-C, it does."""
        try:
            yield
        except BoardError:
            self._running = False
            raise

    def _results(self, job):
        begun = time.perf_counter()
        results = job.buffers.unload_logits(job.frames) if job.logits else job.buffers.unload_masks(job.frames)
        self._spend(host_s=time.perf_counter() - begun)
        return iter(results)

    def _spend(self, **spent):
        self._timing = self._timing._replace(**{name: getattr(self._timing, name) + n for name, n in spent.items()})


async def interrupt_or_pause(interrupt):
    """Until the interrupt, or a while: a lost interrupt must not become a hang."""
    if interrupt is None:
        await asyncio.sleep(0.001)
        return
    waiting = asyncio.ensure_future(interrupt.wait())
    try:
        await asyncio.wait({waiting}, timeout=ASYNC_CHECK_S)
    finally:
        waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)  # its file is closed next


def groups(items, size):
    """Lists of up to ``size`` consecutive items."""
    group = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
