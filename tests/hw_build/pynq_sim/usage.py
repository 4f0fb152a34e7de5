"""What the unchanged driver and pynq do on the simulated board. Runs in .venv-board, with EDGESEG_SIM=1.

    python usage.py DEPLOY_FOLDER

DEPLOY_FOLDER is of the stand-in accelerator of tests/rtl/shell. Prints JSON: what was found, by name.
"""

import asyncio
import contextlib
import json
import os
import pty
import sys
import tty

import numpy as np
import pynq
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from board import registers as reg
from board.driver import SegmentationOverlay
from board.errors import InputError

FOLDER = sys.argv[1]
GOLDEN = np.load(os.path.join(FOLDER, "golden.npz"))
IMAGE, MASK = GOLDEN["codes"][0], GOLDEN["logits"][0, ..., 0] > 0
FCLK0_CONTROL = 0xF8000170
COPY_CYCLES, JOBS, FRAMES_PER_JOB = 1000, 4, 8
DEVICE = pynq.Device.active_device


def patched(name, function):
    """Puts ``function`` in the place of the device's method; returns that."""
    kept = getattr(type(DEVICE), name)
    setattr(type(DEVICE), name, function)
    return kept


def clock_divisor_at_download():
    """The processing system's divisor of fabric clock 0 when the bitstream is loaded, and pynq's clock afterwards."""
    before, seen = DEVICE.processing_system.read(FCLK0_CONTROL), []
    kept = patched(
        "download", lambda *arguments: (seen.append(DEVICE.processing_system.read(FCLK0_CONTROL)), kept(*arguments))
    )
    accel = SegmentationOverlay(os.path.join(FOLDER, "edgeseg.bit"))
    patched("download", kept)
    divisors = [(word >> 8 & 63) * (word >> 20 & 63) for word in (before, *seen)]
    return accel, {"divisors": divisors, "fclk0_mhz": pynq.Clocks.fclk0_mhz}


def through_pynq(accel):
    """The accelerator as pynq itself shows it: address and registers by name."""
    ip = accel.edgeseg_0
    return {
        "address": ip.mmio.base_addr,
        "identity": int(ip.register_map.IDENTITY),
        "hash": ip.read(reg.NETWORK_HASH_HI) << 32 | ip.read(reg.NETWORK_HASH_LO),
    }


def missing_calls(accel):
    """Whether the mask is right when pynq's flush, or invalidate, does nothing."""
    found = {}
    for name, image, mask in (("flush", IMAGE[::-1], MASK[::-1]), ("invalidate", IMAGE[:, ::-1], MASK[:, ::-1])):
        kept = patched(name, lambda *_: None)
        found[name] = bool(np.array_equal(accel.segment(image), mask))
        patched(name, kept)
    found["none"] = bool(np.array_equal(accel.segment(IMAGE[::-1]), MASK[::-1]))
    return found


class Kernel:
    """Linux' user-space I/O on the board's interrupt line, with a terminal in the place of /dev/uioN.

    A write arms it; once the line is high it can be read.
    """

    def __init__(self):
        self.file, self.user = pty.openpty()
        tty.setraw(self.user)
        os.set_blocking(self.file, False)
        self.interrupts = 0

    def path(self, line):
        """Of the first interrupt from the fabric, as pynq looks it up in /proc and /sys."""
        return os.ttyname(self.user) if line == 61 else None

    async def run(self):
        while True:
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                os.read(self.file, 4)
                while not DEVICE.board.interrupt:
                    DEVICE.board.run(100, until_interrupt=True)
                    await asyncio.sleep(0)
                self.interrupts += 1
                os.write(self.file, self.interrupts.to_bytes(4, "little"))


def asynchronous(accel):
    """A frame whose end the interrupt line tells."""
    kernel = Kernel()
    pynq.interrupt.get_uio_irq, DEVICE.cycles_per_poll = kernel.path, 50

    async def use():
        running = asyncio.ensure_future(kernel.run())
        mask = await accel.segment_async(IMAGE)
        running.cancel()
        return mask

    mask = asyncio.run(use())
    DEVICE.cycles_per_poll = 20_000
    return {
        "told by interrupt": kernel.interrupts > 0,
        "exact": bool(np.array_equal(mask, MASK)),
        "line": DEVICE.board.interrupt,
    }


def overlap(accel):
    """Clock cycles of some jobs one after the other and as a stream, where each copy takes COPY_CYCLES."""

    def slowly(function):
        return lambda self, *arguments: (self.board.step(COPY_CYCLES), function(self, *arguments))

    kept = {name: patched(name, slowly(getattr(type(DEVICE), name))) for name in ("flush", "invalidate")}
    DEVICE.cycles_per_poll = 20
    images = np.stack([np.roll(IMAGE, shift, axis=1) for shift in range(JOBS * FRAMES_PER_JOB)])
    groups = images.reshape(JOBS, FRAMES_PER_JOB, *IMAGE.shape)
    accel.segment_batch(images[:16])  # both pairs of buffers are there
    start = DEVICE.board.cycles
    apart = np.concatenate([accel.segment_batch(group) for group in groups])
    middle = DEVICE.board.cycles
    together = accel.segment_batch(images)
    end = DEVICE.board.cycles
    for name, function in kept.items():
        patched(name, function)
    DEVICE.cycles_per_poll = 20_000
    return {"apart": middle - start, "stream": end - middle, "equal": bool(np.array_equal(apart, together))}


def a_cell_run_again(accel):
    """A second overlay in the same program, as when a notebook's cell is run again: it closes the first."""
    again = SegmentationOverlay(os.path.join(FOLDER, "edgeseg.bit"))
    exact = bool(np.array_equal(again.segment(IMAGE), MASK))
    again.close()
    try:
        accel.segment(IMAGE)
    except InputError as error:
        return {"exact": exact, "first": str(error)}


def cacheable(_):
    """What the driver asks pynq's allocator for, by default and with ``cacheable``, and whether masks are exact."""
    asked = []

    def recording(self, shape, dtype, **options):
        asked.append(options)
        return kept(self, shape, dtype, **options)

    kept, exact = patched("allocate", recording), []
    for options in ({}, {"cacheable": True}):
        with SegmentationOverlay(os.path.join(FOLDER, "edgeseg.bit"), **options) as accel:
            exact.append(bool(np.array_equal(accel.segment(IMAGE), MASK)))
    patched("allocate", kept)
    return {"asked": asked, "exact": exact}


def ultrascale_handoff(_):
    """The .hwh of an UltraScale+ board beside the folder's own, as pynq reads it."""
    parser = RuntimeMetadataParser(Metadata(input=os.path.join(FOLDER, "ultrascale.hwh")))
    parameters = parser.ip_dict[parser.ps_name]["parameters"]
    return {
        "family": parser.family_ps,
        "address": parser.ip_dict["edgeseg_0"]["phys_addr"],
        "mhz": parser.clock_dict[0]["frequency"],
        "widths": [parameters[name] for name in ("C_MAXIGP0_DATA_WIDTH", "C_SAXIGP2_DATA_WIDTH")],
    }


ACCEL, CLOCKS = clock_divisor_at_download()
FOUND = {"clocks": CLOCKS}
for use in (through_pynq, missing_calls, asynchronous, overlap, ultrascale_handoff, a_cell_run_again, cacheable):
    FOUND[use.__name__] = use(ACCEL)
print(json.dumps(FOUND, indent=1))
