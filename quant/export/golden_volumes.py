"""Real volumes for the proof of an export: those of ``calib_data``, as 8-bit codes of their percentile window."""

from __future__ import annotations

import torch
from monai.transforms import ResizeWithPadOrCrop

import calib_data
from board.intensity import Window
from quant.base.errors import ConfigError
from quant.volumes.layouts import list_cases
from quant.volumes.scans import load_scan

_FOLDER, _CLASSES, _SPLITS = calib_data.FOLDER / "hippocampus", 3, ("train", "val")


def golden_volumes(count: int, size: tuple[int, ...], channels: int) -> list[calib_data.Sample]:
    """``count`` volumes, cut or filled up to ``size`` (x, y, z) around their middle, the same in each of ``channels``:
    codes (X, Y, Z, C) uint8, mask (X, Y, Z) bool of all classes.

    Raises:
        ConfigError: there are not so many.
    """
    cases = [case for split in _SPLITS for case in list_cases(_FOLDER, split)]
    if not 1 <= count <= len(cases):
        raise ConfigError(f"--images must be 1 to {len(cases)}, the volumes of calib_data, got {count}")
    fit = ResizeWithPadOrCrop(size)

    def fitted(planes: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(fit(planes)).to(planes.dtype)

    samples = []
    for case in cases[:count]:
        scan = load_scan(case, Window(), _CLASSES)
        codes, labels = fitted(scan.codes)[0], fitted(scan.labels[None])[0]
        spread = codes[..., None].expand(*size, channels)  # (X, Y, Z) -> (X, Y, Z, C)
        samples.append(calib_data.Sample(case.name, spread.numpy().copy(), (labels > 0).numpy()))
    return samples
