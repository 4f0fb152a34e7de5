"""Exports a trained twin as an exact integer graph: ``model.qonnx``, ``golden.npz`` and ``manifest.json``.

Nothing is written under these names unless all representations agree: Brevitas, QONNX execution and the engines of
the integer reference give the same logits on the golden images, and float32 execution, of Brevitas and QONNX, follows
the integer thresholds on every accumulator. The manifest is the last file to appear.

golden.npz: ``codes`` (N, H, W, C) uint8, ``logits`` (N, H, W, classes) int32, ``masks`` (N, H, W) uint8 (the truth, 0
or 1), ``names`` (N,), ``model_sha256`` (hex, of model.qonnx). Of a network that was trained on slices of volumes the
manifest has ``volume``: what a scan must be (``board.volume_spec``). Networks for volumes have (X, Y, Z) in the place
of (H, W), volumes of ``calib_data`` as golden images, and torch as the one engine; they do not lower.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import platform
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

import calib_data
import models
from board.errors import InputError
from board.slices import require_slices
from board.volume_spec import VolumeSpec
from models.cost import count_parameters, layer_costs
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, ExportError
from quant.export.golden_volumes import golden_volumes
from quant.export.trained_proof import prove_tables, prove_trained
from quant.integer import MODEL_FILE
from quant.integer.compiled.engine import compiled_engine
from quant.integer.ort_engine import OrtEngine
from quant.integer.parse import parse
from quant.integer.program import Conv, Program
from quant.integer.proof import prove_steps, require_settled
from quant.integer.torch_engine import TorchEngine
from quant.operators import of_node
from quant.twin.activations import not_exported
from quant.twin.networks import channels_in, classes_of, from_checkpoint, require_size
from quant.twin.structure import Structure

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import nn

    from quant.twin.twin import Twin

GOLDEN_FILE, MANIFEST_FILE = "golden.npz", "manifest.json"
GOLDEN_IMAGES = 2
TIE_RULE = "round half up"
_OPSET = 13
_SIDES_OF_VOLUMES = 3
_PACKAGES = ("torch", "brevitas", "qonnx", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Golden:
    """Real images with what the network makes of them."""

    names: tuple[str, ...]
    codes: np.ndarray  # (N, H, W, C) uint8, or (N, X, Y, Z, C)
    masks: np.ndarray  # (N, H, W) bool, or (N, X, Y, Z)
    logits: np.ndarray  # (N, H, W, classes) int32, or (N, X, Y, Z, classes)


def export(
    checkpoint_path: Path, out_dir: Path, *, size: tuple[int, ...] | None = None, images: int = GOLDEN_IMAGES
) -> dict[str, Any]:
    """Exports a quantized checkpoint and returns the manifest.

    Args:
        checkpoint_path: checkpoint of a quantized twin.
        out_dir: folder for the three files; files of an earlier export are replaced.
        size: height and width of the network's image, x, y and z of its volume; the checkpoint's by default.
        images: how many images or volumes of ``calib_data`` become golden.

    Raises:
        CheckpointError: the checkpoint is missing, truncated or of another network.
        ConfigError: ``size`` or ``images`` makes no sense.
        ExportError: the network has no exact integer form; nothing is written.
    """
    checkpoint_path, out_dir = Path(checkpoint_path), Path(out_dir)
    checkpoint = checkpoints.load(checkpoint_path, of_volumes=True)
    is_of_volumes, size = len(checkpoint["size"]) == _SIDES_OF_VOLUMES, tuple(size or checkpoint["size"])
    _require_exportable(checkpoint, checkpoint_path, size)
    _require_folder(out_dir)
    if not is_of_volumes:
        channels = channels_in(checkpoint)
        network = models.build(checkpoint["model"], classes_of(checkpoint), channels)
        require_size(network, checkpoint["model"], size, channels)
    twin = from_checkpoint({**checkpoint, "size": list(size)})
    network = models.build(checkpoint["model"], classes_of(checkpoint), twin.in_channels)
    volume = None if is_of_volumes else _volume_of_slices(checkpoint, checkpoint_path)
    if (sentence := not_exported(twin.network)) is not None:
        raise ExportError(sentence)
    take = golden_volumes if is_of_volumes else _golden_samples
    samples = take(images, size, twin.in_channels)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as partial:
        model = qonnx_model(twin, Path(partial) / MODEL_FILE, size)
        program = parse(model)
        distance = require_settled(program)
        steps = prove_steps(model, program)
        structure = Structure(network, twin.in_channels, twin.size)
        steps += prove_trained(twin, structure.convolutions(), program)
        steps += prove_tables(twin, structure.tables(), program)
        codes = np.stack([sample.codes for sample in samples])
        golden = Golden(
            names=tuple(sample.name for sample in samples),
            codes=codes,
            masks=np.stack([sample.mask for sample in samples]),
            logits=_agreed_logits(twin, model, program, codes),
        )
        model_sha256, classes = _sha256(Path(partial) / MODEL_FILE), program.channels[program.output]
        _write_golden(Path(partial) / GOLDEN_FILE, golden, model_sha256)
        manifest = {
            "format": 1,
            "model": _describe_model(checkpoint, network, twin.in_channels, size),
            "checkpoint": {"file": checkpoint_path.name, "sha256": _sha256(checkpoint_path)},
            "model_sha256": model_sha256,
            "input": _describe_input(program),
            **({} if volume is None else {"volume": volume.as_dict()}),
            "output": {
                "logit_scale": program.logit_scale,
                "classes": classes,
                "mask": "logit > 0" if classes == 1 else "index of the largest logit, the first of equals",
            },
            "tie_rule": TIE_RULE,
            "quant": checkpoint["quant"],
            "layers": _describe_layers(program),
            "verification": {
                "images": list(golden.names),
                "logits_compared": int(golden.logits.size),
                "thresholds_compared": steps,
                "smallest_threshold_distance": distance,
            },
            "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in _PACKAGES}},
        }
        (Path(partial) / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _publish(Path(partial), out_dir)
    return manifest


def _require_folder(out_dir: Path) -> None:
    """ConfigError where ``out_dir`` is there and no folder, or a name that ONNX cannot write below."""
    if out_dir.exists() and not out_dir.is_dir():
        raise ConfigError(f"--out '{out_dir}' is not a folder; give a folder for the three files of an export")
    try:
        str(out_dir).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"--out {str(out_dir)!a} is not UTF-8 text, which ONNX needs; rename that folder") from None


def _golden_samples(images: int, size: tuple[int, int], channels: int) -> list[calib_data.Sample]:
    names = [calib_data.DEMO_IMAGE, *(name for name in calib_data.names() if name != calib_data.DEMO_IMAGE)]
    if not 1 <= images <= len(names):
        raise ConfigError(f"--images must be 1 to {len(names)}, the images of calib_data, got {images}")
    return [calib_data.load(name, size, channels) for name in names[:images]]


def _volume_of_slices(checkpoint: dict[str, Any], path: Path) -> VolumeSpec | None:
    """What a scan must be for a network that sees its slices; None for one of images, or of several channels a slice.

    Raises:
        CheckpointError: what the checkpoint says of volumes makes no sense.
    """
    if "volumes" not in checkpoint:
        return None
    volumes, channels = checkpoint["volumes"], channels_in(checkpoint)
    spacing = volumes.get("spacing_mm") or volumes.get("file_spacing_mm")
    try:
        require_slices(volumes.get("slices"))
        if volumes.get("channels") != channels or channels % volumes["slices"]:
            raise InputError(
                f"its {volumes['slices']} slices are {volumes.get('channels')!r} channels, the network takes {channels}"
            )
        if channels != volumes["slices"]:
            return None
        return VolumeSpec.from_dict(
            {
                "window": volumes.get("window"),
                "slices": volumes["slices"],
                "orientation": volumes.get("orientation"),
                "spacing_mm": list(spacing) if isinstance(spacing, tuple) else spacing,
            }
        )
    except InputError as error:
        raise CheckpointError(f"checkpoint '{path}' is damaged in 'volumes' ({error}); train it again") from None


def _require_exportable(checkpoint: dict[str, Any], path: Path, size: tuple[int, ...]) -> None:
    if len(size) != len(checkpoint["size"]):
        raise ConfigError(
            f"--size {'x'.join(map(str, size))} is not for checkpoint '{path}', whose network takes"
            f" {'x'.join(map(str, checkpoint['size']))}; leave it out"
        )
    if checkpoint["normalisation"] != checkpoints.NORMALISATION:
        raise ExportError(
            f"checkpoint '{path}' normalises its input by '{checkpoint['normalisation']}', which makes zero padding a"
            f" non-integer code; train on '{checkpoints.NORMALISATION}', without mean and deviation"
        )
    if checkpoint["quant"] is None:
        raise ExportError(f"checkpoint '{path}' holds a float network; train its twin with --quant w4a4 --init-from it")


def qonnx_model(twin: Twin, path: Path, size: tuple[int, ...]) -> ModelWrapper:
    """Exports and cleans the graph (constants folded, shapes and names given), batch 1, and saves it at ``path``.

    The ``doc_string`` of each convolution and each quantizer of activations is its module's name.
    """
    example = torch.zeros(1, twin.in_channels, *size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_qonnx(twin, args=example, export_path=str(path), opset_version=_OPSET, dynamo=False)
    model = ModelWrapper(str(path))
    filters = [node for node in model.graph.node if (operator := of_node(node)) is not None and operator.is_filters]
    _, *quantizers = _activation_quantizers(model)  # the first is the image's
    for nodes, layers in ((filters, twin.convolutions()), (quantizers, twin.quantizers())):
        for node, layer in zip(nodes, layers, strict=True):
            node.doc_string = layer  # now, in order of execution, which the cleaning changes
    model = cleanup_model(model)
    for node in model.graph.node:
        if (operator := of_node(node)) is not None:
            operator.tidy(model, node)
    model.save(str(path))
    return model


def _activation_quantizers(model: ModelWrapper) -> list[NodeProto]:
    """The Quant nodes that read no constant, as those of weights do."""
    constants = {initializer.name for initializer in model.graph.initializer}
    for node in model.graph.node:
        if set(node.input) <= constants:
            constants.update(node.output)
    return [node for node in model.graph.node if node.op_type == "Quant" and node.input[0] not in constants]


def _agreed_logits(twin: Twin, model: ModelWrapper, program: Program, codes: np.ndarray) -> np.ndarray:
    """Integer logits (N, H, W, classes) of QONNX, Brevitas and the integer engines, or an error."""
    source, output = model.graph.input[0].name, model.graph.output[0].name
    float_codes = np.moveaxis(codes, -1, 1).astype(np.float32) / 256  # (N, H, W, C) -> (N, C, H, W)
    executed = np.concatenate([execute_onnx(model, {source: image[None]})[output] for image in float_codes])
    with torch.no_grad():
        trained = torch.cat([twin(torch.from_numpy(image[None])) for image in float_codes]).numpy()
    _require_equal(executed, trained, "QONNX execution", "Brevitas")
    logits = np.moveaxis(executed / program.logit_scale, 1, -1)  # (N, C, H, W) -> (N, H, W, C)
    integers = np.round(logits).astype(np.int32)
    _require_equal(logits, integers, "QONNX execution", "its integer grid")
    _require_equal(TorchEngine(program, "cpu", batch=1).run(codes), integers, "the integer reference (torch)", "QONNX")
    if program.is_of_volumes:
        return integers
    _require_equal(OrtEngine(program).run(codes), integers, "the integer reference (onnxruntime)", "QONNX")
    compiled = compiled_engine(program)
    if compiled is not None:
        _require_equal(compiled.run(codes), integers, "the integer reference (compiled)", "QONNX")
    return integers


def _require_equal(found: np.ndarray, expected: np.ndarray, name: str, expected_name: str) -> None:
    differing = np.argwhere(found != expected)
    if len(differing):
        first = tuple(int(index) for index in differing[0])
        raise ExportError(
            f"{name} differs from {expected_name} in {len(differing)} of {expected.size} logits of the golden images,"
            f" first at {first}: {found[first]} against {expected[first]}; settle the BN shifts and export again"
        )


def _write_golden(path: Path, golden: Golden, model_sha256: str) -> None:
    np.savez_compressed(
        path,
        codes=golden.codes,
        logits=golden.logits,
        masks=golden.masks.astype(np.uint8),
        names=np.array(golden.names),
        model_sha256=np.array(model_sha256),
    )


def _describe_model(
    checkpoint: dict[str, Any], network: nn.Module, channels: int, size: tuple[int, ...]
) -> dict[str, Any]:
    costs = layer_costs(network, channels, *size)
    return {
        "name": checkpoint["model"],
        "parameters": count_parameters(network),
        "gmac_conv": sum(cost.conv_macs for cost in costs) / 1e9,
        "gmac_thop": sum(cost.thop_macs for cost in costs) / 1e9,
        "scores": checkpoint.get("scores"),
        "trained": not checkpoint.get("untrained", False),
    }


def _describe_input(program: Program) -> dict[str, Any]:
    *sides, channels = program.input_shape
    codes = program.codes[program.source]
    return {
        **dict(zip("xyz" if program.is_of_volumes else ("height", "width"), sides, strict=True)),
        "channels": channels,
        "bits": 8,
        "scale": codes.scale,
        "normalisation": checkpoints.NORMALISATION,
    }


def _describe_layers(program: Program) -> list[dict[str, Any]]:
    """Name, kind, output codes and, of a convolution, shape and weight range of each step."""
    layers = []
    for step in program.steps:
        layer: dict[str, Any] = {"name": step.name, "kind": type(step).__name__.lower(), "output": step.output}
        if step.output in program.codes:
            codes = program.codes[step.output]
            bits = (codes.high - codes.low).bit_length()
            layer |= {"scale": codes.scale, "codes": [codes.low, codes.high], "bits": bits}
        if isinstance(step, Conv):
            layer |= {
                "weights": list(step.weights.shape),
                "groups": step.groups,
                "weight_codes": [int(step.weights.min()), int(step.weights.max())],
                "accumulator": [int(step.low.min()), int(step.high.max())],
            }
        layers.append(layer)
    return layers


def _publish(partial: Path, out_dir: Path) -> None:
    """Moves the finished files into ``out_dir``; while that lasts there is no manifest."""
    out_dir.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (out_dir / MANIFEST_FILE).unlink()
    for name in (MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE):
        (partial / name).replace(out_dir / name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
