"""A cascade of two exports: joined to a folder, run by the integer reference, scored on images.

The folder holds ``cascade.json`` (``board.cascade_spec``) and the exports as ``first/`` and ``second/``. What runs them
here is the board's own ``Cascade``, with the integer reference in the place of both accelerators: one arithmetic.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from board.cascade_run import Cascade
from board.cascade_spec import CASCADE, STAGES, CascadeSpec, read_cascade
from board.io_spec import FrameLayout
from board.nifti import Scan, read_scan, require_labels_path, write_labels
from board.segmenter import groups
from quant.base.classes import require_classes
from quant.base.errors import ConfigError, DataError, as_data_error
from quant.base.progress import steps_with_bar
from quant.base.replace_file import replace_text
from quant.data.pairs import load_samples
from quant.export.export import GOLDEN_FILE, MANIFEST_FILE
from quant.export.manifest import read_manifest
from quant.integer import MODEL_FILE, IntegerReference
from quant.scores.masks import score
from quant.volumes.layouts import list_cases
from quant.volumes.scores import score_volume, summarise
from quant.volumes.slab_images import SLABS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from board.volume_spec import VolumeSpec

_FRAMES_AT_ONCE = 8


class Reference:
    """The integer reference in the place of an accelerator."""

    def __init__(self, export_dir: Path) -> None:
        self._reference = IntegerReference(export_dir)
        self.layout = FrameLayout(*self._reference.input_shape, self._reference.classes)

    def stream(self, frames: Iterable[np.ndarray], logits: bool) -> Iterator[np.ndarray]:
        """Logits (H, W, classes) int32 of each frame (H, W, C) uint8; there is nothing else to ask for."""
        for group in groups(frames, _FRAMES_AT_ONCE):
            yield from self._reference.run(np.stack(group))


def join(
    exports: tuple[Path, Path], out_dir: Path, *, weight: float, threshold: float, volume: VolumeSpec | None = None,
    crop: tuple[int, int], **options: Any,
) -> Cascade:  # fmt: skip
    """Writes the cascade of two exports to ``out_dir``; ``options`` are of ``CascadeSpec``, ``crop`` the second's size.

    Raises:
        ExportError: an export is missing or damaged.
        DataError: the networks or the options do not fit each other.
    """
    manifests = [read_manifest(folder) for folder in exports]
    scales = [manifest["output"]["logit_scale"] for manifest in manifests]
    networks = [manifest["model_sha256"] for manifest in manifests]
    with as_data_error():
        spec = CascadeSpec.of_scales(
            *scales, weight=weight, threshold=threshold, volume=volume, networks=networks, **options
        )
        cascade = _over(spec, exports)
    if cascade.crop != tuple(crop):
        raise DataError(
            f"'{exports[1]}' is for images of {cascade.crop[0]}x{cascade.crop[1]}, the recipe's crop is"
            f" {crop[0]}x{crop[1]}; export the second network at its crop"
        )
    out_dir = Path(out_dir)
    for folder, stage in zip(exports, STAGES, strict=True):
        (out_dir / stage).mkdir(parents=True, exist_ok=True)
        for name in (MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE):
            if Path(folder).resolve() != (out_dir / stage).resolve():
                shutil.copyfile(Path(folder) / name, out_dir / stage / name)
    replace_text(out_dir / CASCADE, spec.text())
    return cascade


def reference(folder: Path) -> Cascade:
    """The cascade of a folder of ``join`` on the integer reference.

    Raises:
        DataError, ExportError: a file is missing or wrong, or an export was changed since.
    """
    exports = [Path(folder) / stage for stage in STAGES]
    with as_data_error():
        spec = read_cascade(folder)
        for export, joined in zip(exports, spec.networks, strict=True):
            if read_manifest(export)["model_sha256"] != joined:
                raise DataError(f"'{export}' is not the export that '{folder}' was joined of; join them again")
        return _over(spec, exports)


def segment_scan(folder: Path, scan: Path, out: Path) -> str:
    """Writes the mask of a NIfTI scan, as the board would: the same bytes. Returns what there is to say, or nothing.

    Raises:
        DataError, ExportError: as ``reference``; or the scan is refused.
    """
    cascade = reference(folder)
    with as_data_error():
        require_labels_path(out, scan)
        read = read_scan(scan)
        found = cascade.segment_scan(read)
        write_labels(out, found.mask, read)
    return found.note


def evaluate_cascade(folder: Path, data_dir: Path, split: str, classes: int = 1) -> dict[str, Any]:
    """Scores of a split by stage 1 alone (``first``) and by both (``cascade``); ``without_a_find``: images or volumes
    where stage 1 found nothing to look at.

    A cascade for scans is scored volume by volume (``quant.volumes.scores``), of all ``classes`` taken as one; on the
    slices of ``slabs``, as a cascade for images, image by image.

    Raises:
        ConfigError, DataError, ExportError: see their messages.
    """
    require_classes(classes)
    cascade = reference(folder)
    if cascade.spec.volume is not None and not (Path(data_dir) / SLABS).is_file():
        return {"arithmetic": "integer", "split": split, **_by_volume(cascade, data_dir, split, classes)}
    if classes != 1:
        raise ConfigError("--classes is for labels of volumes, and these are images of one class; leave it out")
    frame = cascade.frame
    samples = load_samples(data_dir, split, (frame.height, frame.width), channels=frame.channels)
    images, truth = samples.codes.permute(0, 2, 3, 1).contiguous().numpy(), samples.masks[:, 0].numpy()
    logits = cascade.first_logits(images)
    found = cascade.second_stage(steps_with_bar("cascade", list(images)), logits)
    scores = {
        "first": score(logits > 0, truth, 1, surfaces=True),
        "cascade": score(np.stack([one.mask for one in found]), truth, 1, surfaces=True),
    }
    without = sum(one.crop is None for one in found)
    return {"arithmetic": "integer", "split": split, "images": len(found), "without_a_find": without, **scores}


def _by_volume(cascade: Cascade, data_dir: Path, split: str, classes: int) -> dict[str, Any]:
    first, both, without, unit = [], [], 0, "mm"
    for case in steps_with_bar("cascade", list_cases(data_dir, split)):
        image, label = case.read(classes)
        truth = label.voxels[0] > 0
        with as_data_error():
            slices = cascade.slices(
                cascade.spec.volume.codes(Scan(image.source, image.grey, image.affine, header=b"", swapped=False))
            )
        logits = cascade.first_logits(slices)
        found = cascade.second_of_volume(slices, logits)
        first.append(score_volume(slices.on_volume(logits > 0), truth, 1, image.spacing_mm))
        both.append(score_volume(found.mask, truth, 1, image.spacing_mm))
        without += found.crop is None
        unit = unit if image.has_spacing else "voxel"
    return {"unit": unit, "without_a_find": without, "first": summarise(first), "cascade": summarise(both)}


def _over(spec: CascadeSpec, exports: Iterable[Path]) -> Cascade:
    networks = [Reference(folder) for folder in exports]
    return Cascade(spec, [network.layout for network in networks], lambda stage: nullcontext(networks[stage]))
