"""The IoU gate for CI: float, QAT, QONNX and integer IoU on one split of a data folder, and a verdict.

The quantized network is run in its three forms: Brevitas in torch, the exported QONNX graph and the integer reference.
Their masks must be the same, and the IoU of each may lie at most ``max_drop`` below that of the float network on the
same images. QONNX execution is slow (seconds per image at 256x256), so it takes the first ``qonnx_images`` of the
split.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from rich.console import Console

from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError, GateError
from quant.data.crops import load_seen
from quant.data.pairs import Samples, require_foreground, to_input
from quant.evaluation.predict import decide, predict_masks
from quant.export.export import export
from quant.integer import MODEL_FILE, IntegerReference
from quant.scores.masks import score
from quant.twin.networks import channels_in, classes_of, from_checkpoint

BATCH_IMAGES = 8
SCORE = "iou_pooled8"


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What is compared; ``max_drop`` in IoU (0.01 is one point of a hundred)."""

    float_checkpoint: Path
    quantized_checkpoint: Path
    data: Path
    split: str = "val"
    max_drop: float = 0.01
    qonnx_images: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:  # nor is NaN
            raise ConfigError(f"--max-drop must be 0 to 1, got {self.max_drop}")
        if self.qonnx_images < 1:
            raise ConfigError(f"--qonnx-images must be at least 1, got {self.qonnx_images}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One form of the network on the first ``images`` images; ``reference`` is the float network's IoU on the same."""

    form: str
    images: int
    iou_pooled8: float
    iou: float
    reference: float
    differing_pixels: int  # from the quantized network in torch

    @property
    def drop(self) -> float:
        """How far the pooled IoU lies below the float network's."""
        return self.reference - self.iou_pooled8

    def complaint(self, max_drop: float) -> str | None:
        """Why the gate is closed, or None."""
        if self.differing_pixels:
            return f"{self.form} differs from Brevitas in {self.differing_pixels} pixels of {self.images} images"
        if self.drop > max_drop:
            return (
                f"IoU of {self.form}, {self.iou_pooled8:.4f}, lies {self.drop:.4f} below the float network's"
                f" {self.reference:.4f} on {self.images} images, more than --max-drop {max_drop:g}"
            )
        return None


def run_gate(config: GateConfig) -> list[Row]:
    """Rows for float, Brevitas, QONNX and integers, in this order; the verdict is ``require_open``.

    Raises:
        CheckpointError, ConfigError, DataError, ExportError: see their messages.
    """
    float_state, quantized_state = (
        checkpoints.load(path) for path in (config.float_checkpoint, config.quantized_checkpoint)
    )
    _require_comparable(float_state, quantized_state, config)
    classes = classes_of(quantized_state)
    channels = channels_in(quantized_state)
    samples = load_seen(quantized_state, config.data, config.split, classes=classes, channels=channels)
    require_foreground(samples, config.data, config.split)
    truth = samples.masks[:, 0].numpy()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        # on a terminal alone: elsewhere rich would leave an empty line on stderr
        status = stack.enter_context(console.status("float network")) if console.is_terminal else None

        def stage(name: str) -> None:
            if status is not None:
                status.update(name)

        float_masks = predict_masks(from_checkpoint(float_state), samples.codes, BATCH_IMAGES)
        stage("quantized network in torch")
        quantized_masks = predict_masks(from_checkpoint(quantized_state), samples.codes, BATCH_IMAGES)
        stage("QONNX export and execution")
        export(config.quantized_checkpoint, Path(folder) / "export", images=1)
        qonnx_masks = _qonnx_masks(Path(folder) / "export" / MODEL_FILE, samples, config.qonnx_images)
        stage("integer reference")
        reference = IntegerReference(Path(folder) / "export")
        integer_masks = decide(reference.run(samples.codes.permute(0, 2, 3, 1).contiguous().numpy()))
    forms = {
        "float": float_masks,
        "quantized (Brevitas)": quantized_masks,
        "quantized (QONNX)": qonnx_masks,
        "quantized (integers)": integer_masks,
    }
    rows = []
    for form, masks in forms.items():
        images = len(masks)
        scores = score(masks, truth[:images], classes, surfaces=False)
        rows.append(
            Row(
                form=form,
                images=images,
                iou_pooled8=scores[SCORE],
                iou=scores["iou"],
                reference=score(float_masks[:images], truth[:images], classes, surfaces=False)[SCORE],
                differing_pixels=0 if form == "float" else int((masks != quantized_masks[:images]).sum()),
            )
        )
    return rows


def require_open(rows: list[Row], max_drop: float) -> None:
    """Raises GateError with every complaint, when there is any."""
    complaints = [complaint for row in rows if (complaint := row.complaint(max_drop)) is not None]
    if complaints:
        raise GateError(f"{'; '.join(complaints)}: train longer or with more bits, or allow it with --max-drop")


def _require_comparable(float_state: dict, quantized_state: dict, config: GateConfig) -> None:
    if float_state["quant"] is not None:
        raise ConfigError(f"'{config.float_checkpoint}' is quantized; give a float checkpoint with --float")
    if quantized_state["quant"] is None:
        raise ConfigError(f"'{config.quantized_checkpoint}' is not quantized; give a quantized one with --quantized")
    first, second = (
        {**state, "classes": classes_of(state), "channels": channels_in(state)}
        for state in (float_state, quantized_state)
    )
    for key in ("model", "size", "classes", "channels"):
        if first.get(key) != second.get(key):
            raise ConfigError(
                f"the float checkpoint has {key} {first.get(key)}, the quantized one {second.get(key)};"
                " compare two checkpoints of one network and size"
            )


def _qonnx_masks(path: Path, samples: Samples, images: int) -> np.ndarray:
    model = ModelWrapper(str(path))
    source, output = model.graph.input[0].name, model.graph.output[0].name
    inputs = to_input(samples.codes[:images]).numpy()
    logits = np.concatenate([execute_onnx(model, {source: image[None]})[output] for image in inputs])
    return decide(logits.transpose(0, 2, 3, 1))  # (N, C, H, W) -> (N, H, W, C)


def markdown(rows: list[Row], max_drop: float) -> str:
    """A table for a CI job's summary."""
    lines = [
        "| network | images | IoU, pooled over 8 | IoU, per image | below float | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        verdict = "failed" if row.complaint(max_drop) else "passed"
        below = "" if row.form == "float" else f"{row.drop:+.4f} (at most {max_drop:g})"
        lines.append(f"| {row.form} | {row.images} | {row.iou_pooled8:.4f} | {row.iou:.4f} | {below} | {verdict} |")
    return "\n".join(lines) + "\n"


def junit(rows: list[Row], max_drop: float) -> str:
    """JUnit XML: one test case a form of the network."""
    complaints = [row.complaint(max_drop) for row in rows]
    suite = ElementTree.Element(
        "testsuite", name="edgeseg.iou", tests=str(len(rows)), failures=str(sum(c is not None for c in complaints))
    )
    for row, complaint in zip(rows, complaints, strict=True):
        case = ElementTree.SubElement(suite, "testcase", classname="edgeseg.iou", name=row.form)
        if complaint:
            ElementTree.SubElement(case, "failure", message=complaint)
        output = ElementTree.SubElement(case, "system-out")
        output.text = f"{SCORE}={row.iou_pooled8:.6f} iou={row.iou:.6f} images={row.images}"
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
