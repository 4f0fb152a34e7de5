"""Labels of a scan by one network's integer arithmetic, slice by slice: the file that the board writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from board.nifti import read_scan, require_labels_path, write_labels
from quant.base.errors import ExportError, as_data_error
from quant.export.manifest import volume_of
from quant.integer import IntegerReference
from quant.volumes.predict import decide_in_integers

if TYPE_CHECKING:
    from pathlib import Path


def segment_scan(export_dir: Path, scan: Path, out: Path) -> float:
    """Writes the labels of a NIfTI scan on its own grid; returns the share of its voxels that are foreground.

    Raises:
        ExportError: the export is missing or damaged, or of a network that was not trained on slices of volumes.
        DataError: the scan is damaged, of another orientation or spacing, or larger than the network's image.
    """
    spec = volume_of(export_dir)
    if spec is None:
        raise ExportError(
            f"'{export_dir}' is of a network for images; give image files to `python -m quant predict`, or export one"
            " that was trained on slices of volumes as they are"
        )
    with as_data_error():
        require_labels_path(out, scan)
        read = read_scan(scan)
        labels = decide_in_integers(IntegerReference(export_dir), torch.from_numpy(spec.codes(read))[None]).numpy()
        write_labels(out, labels, read)
    return float((labels > 0).mean())
