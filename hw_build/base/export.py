"""Reads an export folder: ``model.qonnx``, ``golden.npz`` and ``manifest.json``, and checks that they belong together.

The golden data are the truth of a build: input codes and integer logits of the very model, which names its hash.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hw_build.base.errors import BuildError
from hw_build.base.manifest import read_manifest
from hw_build.base.step_engine import hash_file

MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE = "model.qonnx", "golden.npz", "manifest.json"
_GOLDEN_KEYS = ("codes", "logits", "masks", "names", "model_sha256")


class UnfitLogitsError(BuildError):
    """Golden logits of another size than the images, which the manifest does not say; ``model`` is the network."""

    def __init__(self, sentence: str, model: Path) -> None:
        super().__init__(sentence)
        self.model = model


@dataclass(frozen=True, kw_only=True)
class Export:
    """An export: codes (N, H, W, C) uint8, logits (N, H', W', classes) int32, masks (N, H', W') uint8, names of images.

    H' and W' are H and W but where the manifest says otherwise. ``model_sha256`` names its network.
    """

    folder: Path
    model: Path
    golden: Path
    model_sha256: str
    codes: np.ndarray
    logits: np.ndarray
    masks: np.ndarray
    names: tuple[str, ...]
    manifest: dict[str, Any]

    @property
    def channels(self) -> int:
        """Of the network's image."""
        return self.codes.shape[3]

    @property
    def classes(self) -> int:
        """Logits of a pixel."""
        return self.logits.shape[3]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's image."""
        return self.codes.shape[1], self.codes.shape[2]

    def frames(self, count: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Codes (N, H, W, C), logits (N, H', W', classes) and names of ``count`` images, the list repeated."""
        order = np.arange(count) % len(self.names)
        return self.codes[order], self.logits[order], [self.names[index] for index in order]


def read_export(folder: Path) -> Export:
    """Reads and checks ``folder``.

    Raises:
        BuildError: a file is missing, cannot be read, or does not belong to the model; an `UnfitLogitsError` where the
            logits have a size that the manifest does not say.
    """
    folder = Path(folder)
    paths = {name: folder / name for name in (MODEL_FILE, GOLDEN_FILE, MANIFEST_FILE)}
    for path in paths.values():
        if not path.is_file():
            raise BuildError(
                f"export '{folder}' has no {path.name}; write it with `python -m quant export --out {folder}`, or of "
                f"an ONNX file with `python -m hw_build adopt MODEL.onnx --out {folder}`"
            )
    arrays = _read_golden(paths[GOLDEN_FILE])
    if str(arrays["model_sha256"]) != hash_file(paths[MODEL_FILE]):
        raise BuildError(
            f"golden file '{paths['golden.npz']}' was made from another model than '{paths['model.qonnx']}' "
            "(the hashes differ); export again"
        )
    sha256 = str(arrays["model_sha256"])
    manifest = read_manifest(
        paths[MANIFEST_FILE],
        model_sha256=sha256,
        size=arrays["codes"].shape[1:],
        classes=arrays["logits"].shape[3],
    )
    size, found = ("x".join(map(str, arrays[name].shape[1:3])) for name in ("codes", "logits"))
    output = manifest.get("output", {})
    if found != f"{output.get('height', arrays['codes'].shape[1])}x{output.get('width', arrays['codes'].shape[2])}":
        raise UnfitLogitsError(
            f"export '{folder}' has logits of {found} for images of {size}, which its manifest does not say: export "
            "the network for a size that its poolings divide, or bring it in with `python -m hw_build adopt`",
            paths[MODEL_FILE],
        )
    return Export(
        folder=folder,
        model=paths[MODEL_FILE],
        golden=paths[GOLDEN_FILE],
        model_sha256=sha256,
        codes=arrays["codes"],
        logits=arrays["logits"],
        masks=arrays["masks"],
        names=tuple(str(name) for name in arrays["names"]),
        manifest=manifest,
    )


def _read_golden(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in _GOLDEN_KEYS}
    except TypeError:
        raise BuildError(f"golden file '{path}' is one array, not an archive of several; export again") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise BuildError(f"golden file '{path}' is corrupt or not one ({error}); export again") from None
    codes, logits, masks = arrays["codes"], arrays["logits"], arrays["masks"]
    fits = (
        (codes.dtype, codes.ndim) == (np.uint8, 4)
        and (logits.dtype, logits.ndim) == (np.int32, 4)
        and min(logits.shape) > 0
        and masks.shape == logits.shape[:3]
        and logits.shape[:1] == arrays["names"].shape == codes.shape[:1]
    )
    if not fits:
        found = ", ".join(f"{key} {arrays[key].dtype}{arrays[key].shape}" for key in ("codes", "logits", "masks"))
        raise BuildError(
            f"golden file '{path}' must hold codes uint8 (N, H, W, C), logits int32 (N, H', W', classes), masks "
            f"(N, H', W'), got {found}; export again"
        )
    return arrays
