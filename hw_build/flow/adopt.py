"""``python -m hw_build adopt``: makes an ONNX file of any tool an export that `build`, `demo` and `deploy` accept.

The golden data are computed by qonnx from the network as the intake normalises it, which is also what is stored: one
file with all its data, batch 1. The codes are those of images, or random. If the network's scales are not powers of
two, its float logits are multiples of the output scale only to within float32 rounding, and the golden data have exact
sums where float32 would round them; the manifest says how far both are from float32.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from board.io_spec import decide
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.export import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE
from hw_build.base.image import read_folder
from hw_build.base.manifest import refusal_of_name
from hw_build.base.step_engine import fresh_folder, hash_file
from hw_build.flow.check import check, refuse
from hw_build.lowering import execute_codes, execute_context
from hw_build.lowering.forms import scales
from hw_build.lowering.intake import load_network

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

_FILES = (MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE)
_PACKAGES = ("onnx", "qonnx", "onnxruntime", "numpy")
_SEED = 0
_MASK = ("logit > 0", "index of the largest logit, the first of equals")  # of one class, of several
_MOST_FRAMES = 10_000


@dataclass(frozen=True, kw_only=True)
class AdoptConfig:
    """``model`` becomes the export ``out`` with ``count`` golden frames, from the folder ``images`` or random.

    ``input_scale``: the value of one code of the image, if the file does not quantize it to 8 bits first.
    """

    model: Path
    out: Path
    images: Path | None = None
    count: int = 2
    input_scale: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _MOST_FRAMES:
            raise ConfigError(f"--count must be 1 to {_MOST_FRAMES}, got {self.count}")
        if (why := refusal_of_name(self.model.stem)) is not None:
            raise ConfigError(f"the file names the network: {why}; rename it")


def adopt(config: AdoptConfig) -> dict[str, Any]:
    """Writes the export and returns its manifest.

    Raises:
        BuildError: the file is not a network, or ``out`` holds something other than an export, which would be lost.
        LoweringError: the network cannot be lowered; the sentence is that of `check`.
        ConfigError: an image is missing, or the network takes no images.
    """
    out = config.out.absolute()
    foreign = sorted(path.name for path in out.iterdir() if path.name not in _FILES) if out.is_dir() else []
    if foreign:
        raise BuildError(
            f"'{out}' holds other files than an export's, as '{foreign[0]}', which would be lost; give another folder"
        )
    refuse(check(config.model, input_scale=config.input_scale))
    model = load_network(config.model, config.input_scale)
    _, channels, height, width = model.get_tensor_shape(model.graph.input[0].name)
    names, codes = _frames(config, (height, width, channels))
    frames = [codes[index : index + 1] for index in range(len(codes))]
    exact = [(execute_codes(model, frame), _real_logits(model, frame)) for frame in frames]  # of one execution
    logits, real = (np.concatenate(each) for each in zip(*exact, strict=True))
    rounding = float(np.abs(real - logits).max())
    of_float32 = np.concatenate([_real_logits(model, frame, exact_sums=False) for frame in frames])
    by_float32 = np.abs(np.round(of_float32) - logits)
    with fresh_folder(out) as folder:
        model.save(str(folder / MODEL_FILE))
        sha256 = hash_file(folder / MODEL_FILE)
        np.savez_compressed(
            folder / GOLDEN_FILE,
            codes=codes,
            logits=logits.astype(np.int32),
            masks=decide(logits).astype(np.uint8),
            names=np.array(names),
            model_sha256=np.array(sha256),
        )
        manifest = {
            "format": 1,
            "model": {"name": config.model.stem},
            "adopted": {"file": config.model.name, "sha256": hash_file(config.model)},
            "model_sha256": sha256,
            "input": {"height": height, "width": width, "channels": channels, "scale": scales(model)[0]},
            "output": {
                "logit_scale": scales(model)[1],
                "classes": logits.shape[-1],
                **_own_size(logits.shape[1:3], (height, width)),
                "mask": _MASK[logits.shape[-1] > 1],
            },
            "verification": {
                "against": f"qonnx' float execution to {rounding:.2g} of a step{_told(by_float32)}",
                "images": names,
                "logits_compared": int(logits.size),
                "largest_rounding_in_steps": rounding,
                "logits_that_float32_sums_change": int(np.count_nonzero(by_float32)),
                "largest_change_in_steps": int(by_float32.max()),
            },
            "versions": {package: version(package) for package in _PACKAGES},
        }
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _own_size(size: tuple[int, ...], of_image: tuple[int, int]) -> dict[str, int]:
    """What a manifest says of the ``size`` of results that is not that of the image."""
    return {} if size == of_image else {"height": size[0], "width": size[1]}


def _real_logits(model: ModelWrapper, codes: np.ndarray, *, exact_sums: bool = True) -> np.ndarray:
    """The float logits of one frame, ``codes`` (1, H, W, C), float64 (1, H, W, classes), in steps."""
    output, step = model.graph.output[0].name, scales(model)[1]
    return execute_context(model, codes, exact_sums=exact_sums)[output].astype(np.float64) / step


def _told(by_float32: np.ndarray) -> str:
    """What float32's own sums make of the logits, for the report; ``by_float32`` are the changes in steps."""
    count = np.count_nonzero(by_float32)
    if count == 0:
        return ""
    return (
        f" and exact sums; with those of float32 {count:,} of {by_float32.size:,} logits differ, "
        f"by at most {by_float32.max():.0f} steps"
    )


def _frames(config: AdoptConfig, shape: tuple[int, int, int]) -> tuple[list[str], np.ndarray]:
    """Names and codes (N, H, W, C) uint8."""
    if config.images is None:
        codes = np.random.default_rng(_SEED).integers(0, 256, (config.count, *shape), dtype=np.uint8)
        return [f"random_{index}" for index in range(config.count)], codes
    frames = read_folder(config.images, config.count, shape[:2], shape[2])
    return list(frames), np.stack(list(frames.values()))
