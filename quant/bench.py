"""Time per image of the integer reference against float32 onnxruntime, and of training a quantized network against
training its float network: same architecture, machine, threads and run.

The float network has the same architecture in full precision; onnxruntime folds its BNs into the convolutions and picks
its own kernels. Both are timed in turn, repetition by repetition, so that a busy machine slows both alike; medians are
given. The integer time starts at pixel codes and ends at logits; the float time leaves out making floats of the codes.
"""

from __future__ import annotations

import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

import calib_data
import models
from quant import checkpoint as checkpoints
from quant.bench_training import training_contenders
from quant.errors import ConfigError
from quant.export import export
from quant.integer import IntegerReference

_OPSET = 17
BATCH_IMAGES = 4


def bench(
    checkpoint_path: Path, *, export_dir: Path | None = None, repetitions: int = 15, threads: int = 0
) -> dict[str, Any]:
    """Medians in milliseconds per image: one image at a time and ``BATCH_IMAGES`` at a time, integer and float32.

    ``ratio`` is integer over float32 for a data set, each in the way that suits it better; below 1 the integer
    reference is faster. ``qat_over_float_throughput`` is images per second in quantization-aware training over those in
    float training; below 1 the quantized network trains slower. Without ``export_dir`` the checkpoint is exported
    first.

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
    codes = np.stack([calib_data.load(name, (height, width)).codes for name in calib_data.names()[:BATCH_IMAGES]])
    images = np.ascontiguousarray(codes.transpose(0, 3, 1, 2)).astype(np.float32) / 256  # (N, H, W, C) -> (N, C, H, W)
    session = _float_session(checkpoint["model"], (channels, height, width), threads)
    source = session.get_inputs()[0].name
    contenders = {
        "float32_single_ms": lambda: [session.run(None, {source: image[None]}) for image in images],
        "integer_batch_ms": lambda: reference.run(codes),
        "float32_batch_ms": lambda: session.run(None, {source: images}),
        "integer_single_ms": lambda: [reference.run(image[None]) for image in codes],
    }
    medians = _interleaved_medians(contenders, repetitions)
    if threads:
        torch.set_num_threads(threads)
    training = _interleaved_medians(training_contenders(checkpoint, BATCH_IMAGES), repetitions)
    integer = min(medians["integer_batch_ms"], medians["integer_single_ms"])
    float32 = min(medians["float32_batch_ms"], medians["float32_single_ms"])
    return {
        **medians,
        "ratio": integer / float32,
        "ratio_single": medians["integer_single_ms"] / medians["float32_single_ms"],
        **training,
        "qat_over_float_throughput": training["float_training_ms"] / training["qat_training_ms"],
        "network": checkpoint["model"],
        "height": height,
        "width": width,
        "threads": threads,
        "repetitions": repetitions,
    }


def _float_session(name: str, shape: tuple[int, int, int], threads: int) -> onnxruntime.InferenceSession:
    graph = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            models.build(name).eval(),
            (torch.zeros(1, *shape),),
            graph,
            opset_version=_OPSET,
            dynamo=False,
            input_names=["image"],
            dynamic_axes={"image": {0: "batch"}},
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(graph.getvalue(), options, providers=["CPUExecutionProvider"])


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
