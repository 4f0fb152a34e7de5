"""Time per image of the integer reference against onnxruntime in float32 and int8, and of training a quantized network
against training its float network: same architecture, machine, threads and run.

The float network has the same architecture in full precision; onnxruntime folds its BNs into the convolutions and picks
its own kernels, and its int8 form is its own (`quant.bench.sessions`). All are timed in turn, repetition by repetition:
a busy machine slows all alike. Medians are given. The integer time starts at codes and ends at logits; the others leave
out making floats of the codes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import calib_data
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError
from quant.bench import sessions as bench_sessions
from quant.bench.training import training_contenders
from quant.export.export import export
from quant.integer import IntegerReference
from quant.twin.networks import classes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnxruntime import InferenceSession

BATCH_IMAGES = 4


def bench(
    checkpoint_path: Path, *, export_dir: Path | None = None, repetitions: int = 15, threads: int = 0
) -> dict[str, Any]:
    """Medians in milliseconds per image: one image at a time and ``BATCH_IMAGES`` at a time, integer, float32 and int8.

    ``ratio`` is integer over float32 for a data set, each in the way that suits it better, ``ratio_int8`` integer over
    int8; below 1 the integer reference is faster. ``qat_over_float_throughput`` is images per second in
    quantization-aware training over those in float training; below 1 the quantized network trains slower.
    ``joined_over_one_by_one_throughput`` is what BNs and activations in one pass give float training. Without
    ``export_dir`` the checkpoint is exported first.

    Raises:
        CheckpointError, ConfigError, ExportError: see their messages.
    """
    if repetitions < 1:
        raise ConfigError(f"--repetitions must be at least 1, got {repetitions}")
    checkpoint = checkpoints.load(checkpoint_path)
    with tempfile.TemporaryDirectory() as folder:
        if export_dir is None:
            export_dir = Path(folder) / "export"
            export(checkpoint_path, export_dir)
        reference = IntegerReference(export_dir, threads=threads)
    height, width, channels = reference.input_shape
    names = calib_data.names()[:BATCH_IMAGES]
    codes = np.stack([calib_data.load(name, (height, width), channels).codes for name in names])
    images = bench_sessions.as_images(codes)
    sessions = bench_sessions.sessions(checkpoint["model"], codes, threads, classes_of(checkpoint))
    contenders: dict[str, Callable[[], object]] = {
        "integer_batch_ms": lambda: reference.run(codes),
        "integer_single_ms": lambda: [reference.run(image[None]) for image in codes],
    }
    for form, session in sessions.items():
        contenders[f"{form}_batch_ms"] = partial(bench_sessions.run, session, images)
        contenders[f"{form}_single_ms"] = partial(_one_by_one, session, images)
    medians = _interleaved_medians(contenders, repetitions)
    if threads:
        torch.set_num_threads(threads)
    training = _interleaved_medians(training_contenders(checkpoint, BATCH_IMAGES), repetitions)
    best = {
        form: min(medians[f"{form}_batch_ms"], medians[f"{form}_single_ms"]) for form in ("integer", "float32", "int8")
    }
    return {
        **medians,
        "ratio": best["integer"] / best["float32"],
        "ratio_int8": best["integer"] / best["int8"],
        "ratio_single": medians["integer_single_ms"] / medians["float32_single_ms"],
        **training,
        "qat_over_float_throughput": training["float_training_ms"] / training["qat_training_ms"],
        "joined_over_one_by_one_throughput": training["float_training_one_by_one_ms"] / training["float_training_ms"],
        "engine": reference.engine,
        "network": checkpoint["model"],
        "height": height,
        "width": width,
        "threads": threads,
        "repetitions": repetitions,
    }


def _one_by_one(session: InferenceSession, images: np.ndarray) -> None:
    for image in images:
        bench_sessions.run(session, image[None])


def _interleaved_medians(contenders: dict[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median milliseconds per image, after one untimed run of each."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for repetition in range(repetitions + 1):
        for name, run in contenders.items():
            started = time.perf_counter()
            run()
            if repetition:
                times[name].append((time.perf_counter() - started) / BATCH_IMAGES * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}
