"""Faults on the simulated board, met by the unchanged driver under pynq. Runs in .venv-board, with EDGESEG_SIM=1.

    python faults.py DEPLOY_FOLDER

DEPLOY_FOLDER is of the stand-in accelerator of tests/rtl/shell. Prints JSON: for each fault the error's class and
sentence, and whether the next frame was exact. Every wait of the driver is bounded, so this ends.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pynq

from board.driver import SegmentationOverlay
from board.errors import BoardError
from hw_build.implement.board_sim.library import Fault
from hw_build.implement.deploy.simulated import bit_container

FOLDER = sys.argv[1]
BITFILE = os.path.join(FOLDER, "edgeseg.bit")
AFI0_READ_CONTROL, AFI0_WRITE_CONTROL = 0xF8008000, 0xF8008014
TLAST_ALWAYS, TLAST_NEVER, SILENT, STUCK = 0xF1, 0xF2, 0xF3, 0xF4  # orders to the stand-in
TIMEOUT_S = 1e-3
GOLDEN = np.load(os.path.join(FOLDER, "golden.npz"))
IMAGE, MASK = GOLDEN["codes"][0], GOLDEN["logits"][0, ..., 0] > 0
DEVICE = pynq.Device.active_device
FOUND = {}


def exact(accel):
    """A frame, and whether every pixel of it is golden."""
    return bool(np.array_equal(accel.segment(IMAGE), MASK))


def fails(call):
    """Class and sentence of the error that ``call`` raises."""
    try:
        result = call()
    except BoardError as error:
        return type(error).__name__, str(error)
    return "no error", repr(result)


def record(name, call, accel=None):
    """Notes what ``call`` raises and whether the accelerator, or a new one, answers right afterwards."""
    kind, sentence = fails(call)
    if accel is not None:
        right = exact(accel)
    else:
        with SegmentationOverlay(BITFILE) as again:
            right = exact(again)
    FOUND[name] = {"error": kind, "sentence": sentence, "next_frame_exact": right}


def ordered(order):
    """An image that brings an order to the stand-in."""
    image = IMAGE.copy()
    image[0, 0, :2] = order, 0xA5
    return image


def copy_of(name, bitfile=None, handoff=None, **io_spec):
    """Path of the bitstream in a copy of the folder, changed."""
    folder = os.path.join(FOLDER, name)
    shutil.copytree(FOLDER, folder, ignore=lambda _, names: [n for n in names if "." not in n])
    if bitfile is not None:
        with open(os.path.join(folder, "edgeseg.bit"), "wb") as opened:
            opened.write(bitfile)
    if handoff is not None:
        with open(os.path.join(folder, "edgeseg.hwh"), "w") as opened:
            opened.write(handoff)
    path = os.path.join(folder, "io_spec.json")
    with open(path) as opened:
        values = json.load(opened)
    values.update(io_spec)
    with open(path, "w") as opened:
        json.dump(values, opened)
    return os.path.join(folder, "edgeseg.bit")


def while_running(accel):
    """Faults of a job."""
    board = DEVICE.board
    for fault in (Fault.READ_SLVERR, Fault.READ_DECERR, Fault.WRITE_SLVERR, Fault.WRITE_DECERR):

        def bus_error(fault=fault):
            board.inject(fault)
            return accel.segment(IMAGE)

        record(f"bus answers {fault.name}", bus_error, accel)
    for name, order in (("TLAST too early", TLAST_ALWAYS), ("TLAST too late", TLAST_NEVER)):
        record(name, lambda order=order: accel.segment(ordered(order)), accel)
    for name, order in (("accelerator gives no words", SILENT), ("accelerator takes no pixels", STUCK)):
        record(name, lambda order=order: accel.segment(ordered(order)), accel)

    def stopped_in_mid_frame():
        accel.timeout_s, DEVICE.cycles_per_poll = 1e-6, 50  # a frame takes more than 256 cycles
        try:
            return accel.segment(IMAGE)
        finally:
            accel.timeout_s, DEVICE.cycles_per_poll = TIMEOUT_S, 20_000

    record("reset in mid-frame", stopped_in_mid_frame, accel)

    def left_stream():
        stream = accel.stream([IMAGE] * 3, frames_per_job=1)
        next(stream)
        stream.close()
        raise BoardError("left")

    record("stream left while a job runs", left_stream, accel)

    def interrupted():
        kept = type(DEVICE).read_registers

        def interrupting(self, address, length):
            if board.busy:
                type(DEVICE).read_registers = kept
                signal.raise_signal(signal.SIGINT)  # as Ctrl-C
            return kept(self, address, length)

        type(DEVICE).read_registers = interrupting
        try:
            return accel.segment(IMAGE)
        except KeyboardInterrupt:
            raise BoardError(f"interrupted, busy afterwards: {board.busy}") from None

    record("Ctrl-C while a job runs", interrupted, accel)

    def cancelled():
        async def use():
            DEVICE.cycles_per_poll = 1
            frame = asyncio.ensure_future(accel.segment_async(IMAGE))
            await asyncio.sleep(0.01)
            running = board.busy
            frame.cancel()
            await asyncio.gather(frame, return_exceptions=True)
            raise BoardError(f"cancelled {frame.cancelled()}, busy before: {running}, afterwards: {board.busy}")

        try:
            asyncio.run(use())
        finally:
            DEVICE.cycles_per_poll = 20_000

    record("asynchronous frame cancelled", cancelled, accel)

    def memory_hangs():
        board.inject(Fault.READ_HANG)
        try:
            return accel.segment(IMAGE)
        finally:
            board.inject(Fault.NONE)
            accel.recover()

    record("memory never answers", memory_hangs, accel)


def while_loading():
    """Faults of a folder, of the machine, or of another process."""
    record("image of another size", lambda: ACCEL.segment(IMAGE[:8]), ACCEL)

    ACCEL.close()
    with open(BITFILE, "rb") as opened:
        whole = opened.read()
    half = copy_of("truncated", bitfile=whole[: len(whole) // 2])
    record("truncated bitstream", lambda: SegmentationOverlay(half))
    with open(os.path.join(FOLDER, "edgeseg.hwh")) as opened:
        handoff = opened.read()
    cut = copy_of("truncated-hwh", handoff=handoff[: len(handoff) // 2])
    record("truncated .hwh", lambda: SegmentationOverlay(cut))
    foreign = copy_of("foreign-hwh", handoff=handoff.replace("edgeseg:user:edgeseg", "some:user:other"))
    record(".hwh of another design", lambda: SegmentationOverlay(foreign))
    other = copy_of("other-network", network_hash="0x0123456789abcdee")
    record("bitstream of another network", lambda: SegmentationOverlay(other))
    real = copy_of("real", bitfile=bit_container("top", "7z020clg400", bytes(64)))
    record("real bitstream on the simulated board", lambda: SegmentationOverlay(real))
    record("no memory", lambda: SegmentationOverlay(BITFILE, frames_per_job=100_000).segment(IMAGE))

    for name, address in (("read", AFI0_READ_CONTROL), ("write", AFI0_WRITE_CONTROL)):

        def narrow(address=address):
            DEVICE.processing_system.write(address, 1)
            try:
                return SegmentationOverlay(BITFILE)
            finally:
                DEVICE.processing_system.write(address, 0)

        record(f"memory port of 32 bits, {name}", narrow)

    with SegmentationOverlay(BITFILE) as again:
        second = subprocess.run(
            [sys.executable, "-m", "board", "selftest", "--deploy", FOLDER], capture_output=True, text=True, timeout=120
        )
        FOUND["two processes at once"] = {
            "error": f"status {second.returncode}",
            "sentence": second.stderr.strip(),
            "next_frame_exact": exact(again),
        }


ACCEL = SegmentationOverlay(BITFILE, timeout_s=TIMEOUT_S)
assert exact(ACCEL)
while_running(ACCEL)
while_loading()
print(json.dumps(FOUND, indent=1))
