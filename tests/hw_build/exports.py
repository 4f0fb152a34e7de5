"""Export folders of small synthetic networks, for tests of the build: written as ``python -m quant export`` does."""

import hashlib
import json

import numpy as np
from PIL import Image

import calib_data
from board.io_spec import decide
from hw_build import lowering
from tests.hw_build import synthetic


def real_codes(names, height, width):
    """Codes (N, H, W, 3) of calibration images, shrunk to the network's size."""
    return np.stack([calib_data.load(name, (height, width)).codes for name in names])


def write_export(folder, model=None, *, height=16, width=32, frames=2):
    """Writes ``model`` (default: a U-Net of two levels with residual depthwise blocks) with its golden data."""
    folder.mkdir(parents=True, exist_ok=True)
    model = model or synthetic.unet(height, width, levels=1, dims=(4, 6))
    model.save(str(folder / "model.qonnx"))
    names = calib_data.names()[:frames]
    codes = real_codes(names, height, width)
    logits = lowering.execute_codes(model, codes).astype(np.int32)
    np.savez_compressed(
        folder / "golden.npz",
        codes=codes,
        logits=logits,
        masks=decide(logits).astype(np.uint8),
        names=np.array(names),
        model_sha256=np.array(hashlib.sha256((folder / "model.qonnx").read_bytes()).hexdigest()),
    )
    (folder / "manifest.json").write_text(json.dumps({"model": {"name": "synthetic"}}))
    return folder


def change_golden(folder, **changes):
    """Rewrites arrays of golden.npz, each by a function of the old one."""
    with np.load(folder / "golden.npz") as archive:
        arrays = dict(archive)
    arrays.update({key: change(arrays[key].copy()) for key, change in changes.items()})
    np.savez_compressed(folder / "golden.npz", **arrays)


def save_image(path, codes):
    Image.fromarray(codes).save(path)
    return path
