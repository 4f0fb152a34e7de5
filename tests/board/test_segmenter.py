"""Images in, masks out, over a fake device whose memory is not coherent; each error, and a right frame after it."""

import asyncio
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import (
    CLOCK_MHZ,
    CYCLES_PER_POLL,
    FOUR_CLASSES,
    QUARTERED,
    SPEC,
    FakeDevice,
    images,
    logits_of,
    segmenter,
)

from board import registers as reg
from board import shell
from board.errors import AcceleratorTimeout, BitstreamError, DeviceError, InputError, TransferError
from board.uio import UioInterrupt
from quant.volumes.slabs import slabs


@pytest.fixture
def device():
    return FakeDevice()


def check_usable(accel):
    """The accelerator answers right after whatever happened."""
    codes = images(1, seed=9)[0]
    assert np.array_equal(accel.segment(codes), logits_of(codes)[..., 0] > 0)


def test_mask_logits_and_batch(device):
    codes = images(5)
    accel = segmenter(device, frames_per_job=2)
    mask = accel.segment(codes[0])
    assert mask.dtype == np.bool_ and np.array_equal(mask, logits_of(codes[0])[..., 0] > 0)
    logits = accel.segment(codes[1], logits=True)
    assert logits.dtype == np.int32 and np.array_equal(logits, logits_of(codes[1]))
    assert np.array_equal(accel.segment_batch(codes), logits_of(codes)[..., 0] > 0)
    assert np.array_equal(accel.segment_batch(list(codes), logits=True), logits_of(codes))
    assert accel.segment_batch([]).shape == (0, 16, 16)


def test_indices_logits_and_batch_of_four_classes_that_fill_no_beats():
    codes = images(5, spec=FOUR_CLASSES)
    logits = logits_of(codes, 4)
    accel = segmenter(FakeDevice(FOUR_CLASSES), frames_per_job=2)
    found = accel.segment_batch(codes)
    assert found.dtype == np.uint8 and np.array_equal(found, np.argmax(logits, axis=-1))
    assert (np.sort(logits)[..., -1] == np.sort(logits)[..., -2]).any(), "ties"
    assert np.array_equal(accel.segment_batch(codes, logits=True), logits)
    assert accel.segment_batch([]).dtype == np.uint8 and accel.segment_batch([], logits=True).shape == (0, 5, 7, 4)


def test_another_number_of_classes_and_a_bitstream_that_does_not_say(device):
    device.words[reg.CLASSES] = 4
    with pytest.raises(BitstreamError, match="the bitstream gives 4 logits a pixel, io_spec.json says 1; copy both"):
        segmenter(device)
    device.words[reg.VERSION] = 0x0001_0000  # the version before had one class and no such register
    check_usable(segmenter(device))


def test_results_stay_when_buffers_are_used_again(device):
    codes = images(9)
    masks = list(segmenter(device, frames_per_job=1).stream(codes))
    for mask, expected in zip(masks, logits_of(codes)[..., 0] > 0, strict=True):
        assert np.array_equal(mask, expected)


def test_images_that_are_views_or_strided(device):
    codes = images(2)
    assert np.array_equal(
        segmenter(device).segment(codes[0][:, ::-1]), (logits_of(codes[0][:, ::-1])[..., 0] > 0)
    )  # a mirrored image has negative strides


def test_stream_loads_the_next_images_while_a_job_runs(device):
    def source():
        for index, image in enumerate(images(3)):
            device.events.append(f"fetch {index}")
            yield image

    results = list(segmenter(device, frames_per_job=1).stream(source()))
    assert len(results) == 3
    events = [event for event in device.events if event not in ("invalidate",)]
    first_job = events[events.index("start") : events.index("done")]
    assert "fetch 1" in first_job and "flush" in first_job
    second_job = events[events.index("start", events.index("done")) :]
    assert "fetch 2" in second_job[: second_job.index("done")]


def test_stream_hands_out_results_while_the_next_job_runs(device):
    stream = segmenter(device, frames_per_job=1).stream(images(3))
    next(stream)
    assert device.events.count("start") == 2 and device.events.count("done") == 1
    assert len(list(stream)) == 2


def test_a_stream_that_is_left_ends_its_job(device):
    accel = segmenter(device, frames_per_job=1)
    stream = accel.stream(images(3))
    next(stream)
    with pytest.raises(InputError, match="a stream on it is still open"):
        accel.segment(images(1)[0])
    resets = device.resets
    stream.close()
    assert device.resets == resets + 1
    check_usable(accel)


def test_frames_per_job_of_a_stream(device):
    accel = segmenter(device, frames_per_job=4)
    assert len(list(accel.stream(images(4), frames_per_job=2))) == 4
    assert device.events.count("start") == 2
    with pytest.raises(InputError, match="frames_per_job must be 1 to 4, got 5"):
        list(accel.stream(images(1), frames_per_job=5))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"frames_per_job": 0}, "frames_per_job must be at least 1, got 0"),
        ({"timeout_s": 0}, "timeout_s must be positive and finite, got 0"),
        ({"timeout_s": float("inf")}, "timeout_s must be positive and finite, got inf"),
        ({"timeout_s": float("nan")}, "timeout_s must be positive and finite, got nan"),
    ],
)
def test_refused_options(device, options, sentence):
    with pytest.raises(InputError, match=sentence):
        segmenter(device, **options)


def test_timing_counts_the_device_clock(device):
    accel = segmenter(device, frames_per_job=2)
    accel.segment_batch(images(4))
    timing = accel.timing
    assert timing.frames == 4 and timing.host_s > 0
    assert timing.dma_s == pytest.approx(2 * device.polls * CYCLES_PER_POLL / (CLOCK_MHZ * 1e6))
    assert timing.compute_s == pytest.approx(device.polls * CYCLES_PER_POLL / (CLOCK_MHZ * 1e6))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((16, 17, 3), np.uint8), r"the image is uint8 \(16, 17, 3\), the network takes uint8 \(16, 16, 3\)"),
        (np.zeros((16, 16, 3), np.float32), r"the image is float32 \(16, 16, 3\)"),
        (np.zeros((16, 16), np.uint8), r"the image is uint8 \(16, 16\)"),
    ],
)
def test_wrong_images(device, image, sentence):
    accel = segmenter(device, frames_per_job=1)
    with pytest.raises(InputError, match=sentence):
        accel.segment(image)
    with pytest.raises(InputError, match=sentence):  # the first frame runs meanwhile
        accel.segment_batch([images(1)[0], image])
    check_usable(accel)


def test_bus_error_names_the_bit_and_resets(device):
    accel = segmenter(device)
    resets = device.resets
    device.status = reg.STATUS_READ_SLVERR
    with pytest.raises(TransferError, match=r"READ_SLVERR \(the memory refused a read\); .* can be used again"):
        accel.segment(images(1)[0])
    assert device.resets == resets + 1
    check_usable(accel)


def test_time_out_explains_the_status(device):
    accel = segmenter(device, timeout_s=1e-3)
    device.hangs, device.flagged = True, 0
    device.words[reg.FRAMES_DONE] = 0
    with pytest.raises(
        AcceleratorTimeout, match=r"not ended after \d+ clock cycles \(0.001 s allowed\), 0 frames done"
    ):
        accel.segment(images(1)[0])
    check_usable(accel)


def test_stopped_clock(device, monkeypatch):
    monkeypatch.setattr(shell, "STOPPED_CLOCK_S", 0.02)
    accel = segmenter(device)
    device.clock_runs, device.hangs = False, True
    with pytest.raises(AcceleratorTimeout, match="its clock does not run"):
        accel.segment(images(1)[0])
    device.clock_runs = True
    check_usable(accel)


def test_reset_that_does_not_end(device, monkeypatch):
    monkeypatch.setattr(shell, "RESET_S", 0.02)
    accel = segmenter(device, timeout_s=1e-3)
    device.hangs, device.reset_ends = True, False
    with pytest.raises(AcceleratorTimeout, match="the soft reset does not end: .* switch the board off and on"):
        accel.segment(images(1)[0])
    device.reset_ends = True
    check_usable(accel)


def test_interrupted_by_the_user_the_job_is_ended(device, monkeypatch):
    accel, resets = segmenter(device), device.resets

    def interrupted(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shell.time, "sleep", interrupted)
        accel.segment(images(1)[0])
    assert device.resets == resets + 1
    check_usable(accel)


def test_close_keeps_buffers_that_the_hardware_may_still_write(device, monkeypatch):
    monkeypatch.setattr(shell, "RESET_S", 0.02)
    accel = segmenter(device, frames_per_job=1)
    stream = accel.stream(images(3))
    next(stream)
    device.reset_ends = False
    with pytest.raises(AcceleratorTimeout):
        accel.close()
    assert device.freed == 0
    device.reset_ends = True
    stream.close()


def test_no_memory(device):
    device.room = 100
    accel = segmenter(device)
    with pytest.raises(
        DeviceError, match=r"14336 bytes of contiguous memory for 8 frames cannot be allocated \(no room"
    ):
        accel.segment(images(1)[0])
    device.room = 1 << 20
    check_usable(accel)


@pytest.mark.parametrize(
    ("register", "value", "sentence"),
    [
        (reg.IDENTITY, 0, "is not an edgeseg accelerator"),
        (reg.VERSION, 0x00020000, "register map 2, this driver knows 1"),
        (reg.NETWORK_HASH_LO, 1, "holds network 0x0123456700000001, io_spec.json describes 'fake' 0x0123456789abcdef"),
        (reg.OUT_WIDTH, 8, r"gives results of \(16, 8\), io_spec.json says \(16, 16\); copy both"),
        (reg.WIDTH, 32, r"takes frames of \(16, 32, 3\), io_spec.json says \(16, 16, 3\)"),
    ],
)
def test_bitstream_of_something_else(device, register, value, sentence):
    device.words[register] = value
    with pytest.raises(BitstreamError, match=sentence):
        segmenter(device)


def test_results_of_another_size():
    codes, accel = images(5), segmenter(FakeDevice(QUARTERED), frames_per_job=2)
    logits = logits_of(codes)[:, :8, :8]
    np.testing.assert_array_equal(accel.segment_batch(codes), logits[..., 0] > 0)
    np.testing.assert_array_equal(accel.segment_batch(codes, logits=True), logits)
    assert accel.segment_batch([]).shape == (0, 8, 8)


def test_before_version_1_2_results_have_the_size_of_the_image():
    device = FakeDevice()
    device.words |= {reg.VERSION: 0x00010001, reg.OUT_HEIGHT: 0, reg.OUT_WIDTH: 0}
    check_usable(segmenter(device))


def test_close_frees_and_refuses(device):
    with segmenter(device) as accel:
        accel.segment(images(1)[0])
    assert device.freed == 2
    with pytest.raises(InputError, match="the accelerator is closed"):
        accel.segment(images(1)[0])


class Interrupt:
    """Comes once the job has been polled to its end by somebody else; ``lost`` never comes."""

    def __init__(self, device, lost=False):
        self.device, self.lost, self.waits, self.closed = device, lost, 0, False

    def close(self):
        self.closed = True

    async def wait(self):
        self.waits += 1
        if self.lost:
            await asyncio.Event().wait()
        while self.device.left:
            self.device.read(reg.CTRL)
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["none", "comes", "lost"])
def test_async(device, kind):
    interrupt = None if kind == "none" else Interrupt(device, lost=kind == "lost")
    accel = segmenter(device, find_interrupt=lambda: interrupt)
    codes = images(1)[0]

    async def both():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(tick())
        mask = await accel.segment_async(codes)
        other.cancel()
        return mask, ticks

    mask, ticks = asyncio.run(both())
    assert np.array_equal(mask, logits_of(codes)[..., 0] > 0)
    assert ticks > 1
    assert device.words[reg.IER] == 0
    assert kind == "none" or (interrupt.waits and interrupt.closed)


def test_async_time_out(device):
    accel = segmenter(device, timeout_s=1e-3)
    device.hangs = True
    with pytest.raises(AcceleratorTimeout):
        asyncio.run(accel.segment_async(images(1)[0]))
    check_usable(accel)


@pytest.mark.parametrize("end", ["time-out", "bus error", "cancelled"])
def test_async_leaves_no_interrupt_enabled(device, end):
    interrupt = Interrupt(device, lost=end == "cancelled")
    accel = segmenter(device, timeout_s=1e-3 if end == "time-out" else 2, find_interrupt=lambda: interrupt)
    device.hangs, device.status = end != "bus error", reg.STATUS_READ_SLVERR

    async def use():
        frame = asyncio.ensure_future(accel.segment_async(images(1)[0]))
        await asyncio.sleep(0.005)
        if end == "cancelled":
            frame.cancel()
        await asyncio.gather(frame, return_exceptions=True)
        return frame

    frame = asyncio.run(use())
    assert frame.cancelled() if end == "cancelled" else frame.exception()
    assert device.words[reg.IER] == device.words[reg.GIE] == 0 and interrupt.closed
    device.status = 0
    check_usable(accel)


def test_interrupt_that_another_program_left_enabled_is_disabled(device):
    device.words[reg.IER] = device.words[reg.GIE] = 1
    segmenter(device)
    assert device.words[reg.IER] == device.words[reg.GIE] == 0


def test_uio_interrupt_arms_waits_and_can_be_cancelled():
    driver_end, kernel_end = socket.socketpair()

    async def use():
        interrupt = UioInterrupt(driver_end.fileno())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(interrupt.wait(), 0.01)
        assert kernel_end.recv(4) == b"\1\0\0\0"
        waiting = asyncio.ensure_future(interrupt.wait())
        await asyncio.sleep(0)
        assert kernel_end.recv(4) == b"\1\0\0\0" and not waiting.done()
        kernel_end.send(b"\7\0\0\0")
        await asyncio.wait_for(waiting, 1)

    with driver_end, kernel_end:
        asyncio.run(use())


@pytest.mark.parametrize("spec", [SPEC, FOUR_CLASSES], ids=["one class", "four classes"])
def test_a_volume_goes_slice_by_slice_with_its_neighbours(spec):
    accel, rng = segmenter(FakeDevice(spec), frames_per_job=2), np.random.default_rng(3)
    codes = rng.integers(0, 256, (6, 4, 5), dtype=np.uint8)
    top, left = (spec.height - 4) // 2, (spec.width - 6) // 2
    padded = np.zeros((spec.width, spec.height, 5), np.uint8)
    padded[left : left + 6, top : top + 4] = codes
    frames = slabs(torch.from_numpy(padded)[None], 3).permute(0, 2, 3, 1).numpy()
    logits = logits_of(frames, spec.classes)
    expected = logits[..., 0] > 0 if spec.classes == 1 else logits.argmax(-1).astype(np.uint8)
    found = accel.segment_volume(codes)
    assert found.dtype == expected.dtype and accel.timing.frames == 5
    np.testing.assert_array_equal(found, expected[:, top : top + 4, left : left + 6].transpose(2, 1, 0))


def test_volumes_that_do_not_fit_and_networks_that_take_none():
    accel = segmenter(FakeDevice())
    with pytest.raises(InputError, match=r"slices of 17x4 \(y, x\) are larger than the network's image of 16x16"):
        accel.segment_volume(np.zeros((4, 17, 2), np.uint8))
    with pytest.raises(InputError, match="this network is for images; give image files"):
        accel.segment_scan(None)
    with pytest.raises(InputError, match="gives masks of another size than its image"):
        segmenter(FakeDevice(QUARTERED)).segment_volume(np.zeros((4, 4, 2), np.uint8))
