"""How long a frame takes: on the host alone, without any device, and through the accelerator."""

import time

import numpy as np

from board.buffers import JobBuffers

REPETITIONS = 200


class HostBuffer(np.ndarray):
    """Memory of this machine in the place of pynq's: nothing to flush."""

    device_address = 0

    def flush(self):
        """Nothing: coherent."""

    invalidate = freebuffer = flush


def bench_host(spec, repetitions=REPETITIONS):
    """Median milliseconds of a frame on the host: copy in, copy mask out, copy logits out."""

    def allocate(shape, dtype):
        return np.zeros(shape, dtype).view(HostBuffer)

    rng = np.random.default_rng(1)
    buffers = JobBuffers(allocate, spec, 1)
    image = rng.integers(0, 256, (spec.height, spec.width, spec.channels), dtype=np.uint8)
    buffers.destination[:] = rng.integers(0, 1 << 32, spec.logit_words, dtype=np.uint32)
    calls = {
        "load_ms": lambda: buffers.load([image]),
        "mask_ms": lambda: buffers.unload_masks(1),
        "logits_ms": lambda: buffers.unload_logits(1),
    }
    result = {name: _median_ms(call, repetitions) for name, call in calls.items()}
    result["frame_ms"] = result["load_ms"] + result["mask_ms"]
    return result


def bench_device(accel, codes, frames):
    """Frames per second and milliseconds of a frame for ``frames`` frames of ``codes`` (N, H, W, C) in jobs."""
    images = [codes[index % len(codes)] for index in range(frames)]
    begun = time.perf_counter()
    accel.segment_batch(images)
    seconds = time.perf_counter() - begun
    timing = accel.timing
    return {
        "frames": frames,
        "frames_per_second": frames / seconds,
        "frame_ms": 1e3 * seconds / frames,
        "host_ms": 1e3 * timing.host_s / frames,
        "dma_ms": 1e3 * timing.dma_s / frames,
        "compute_ms": 1e3 * timing.compute_s,
    }


def _median_ms(call, repetitions):
    times = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(times))
