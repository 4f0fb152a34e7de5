"""The float network of an architecture in onnxruntime, in float32 and in its own static 8-bit quantization.

The 8-bit form is onnxruntime's: QDQ, weights with one scale per channel, activations unsigned, ranges calibrated on the
images.
Its weights have 7 bits (``reduce_range``): with 8 the kernels saturate on processors without VNNI and compute another
network there. The kernels, and so the times, are the same.
Weights are fresh, of one seed, and BNs take the statistics of the images: time does not depend on the values, but
ranges should be real.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import models
from quant.data.pairs import to_input, to_planes
from quant.twin.untrained import take_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

_OPSET = 17
_SOURCE = "image"
_SEED = 0


def sessions(name: str, codes: np.ndarray, threads: int, classes: int = 1) -> dict[str, onnxruntime.InferenceSession]:
    """``float32`` and ``int8``: sessions of the registered network ``name`` that take images (N, C, H, W) in float32.

    ``codes`` (N, H, W, C) uint8 calibrate; ``classes`` logits a pixel; ``threads`` 0 leaves the number to onnxruntime.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = models.build(name, classes, codes.shape[-1])
    images = as_images(codes)
    take_statistics(network, to_planes(codes))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        paths = {form: Path(folder) / f"{form}.onnx" for form in ("float32", "folded", "int8")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                (torch.from_numpy(images[:1]),),
                paths["float32"],
                opset_version=_OPSET,
                dynamo=False,
                input_names=[_SOURCE],
                dynamic_axes={_SOURCE: {0: "batch"}},
            )
        _quantize(paths, images)
        return {
            form: onnxruntime.InferenceSession(paths[form], options, providers=["CPUExecutionProvider"])
            for form in ("float32", "int8")
        }


def as_images(codes: np.ndarray) -> np.ndarray:
    """(N, H, W, C) uint8 -> (N, C, H, W) float32 in [0, 1)."""
    return to_input(to_planes(codes)).numpy()


def run(session: onnxruntime.InferenceSession, images: np.ndarray) -> np.ndarray:
    """Logits (N, classes, H, W) of ``images`` (N, C, H, W)."""
    return session.run(None, {_SOURCE: images})[0]


def _quantize(paths: dict[str, Path], images: np.ndarray) -> None:
    quant_pre_process(paths["float32"], paths["folded"], skip_symbolic_shape=True)
    quantize_static(
        paths["folded"],
        paths["int8"],
        _Images(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        reduce_range=True,
    )


class _Images(CalibrationDataReader):
    """One image (1, C, H, W) after the other."""

    def __init__(self, images: np.ndarray) -> None:
        self._rest: Iterator[np.ndarray] = iter(images[:, None])

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._rest, None)
        return None if image is None else {_SOURCE: image}
