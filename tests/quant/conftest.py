"""The networks of these tests are tiny: more than one thread only makes them wait for each other."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import trained

from quant.export.export import export
from quant.twin.config import QuantConfig

torch.set_num_threads(1)

SIZE = (32, 48)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A settled w4a4 twin of the smallest network, for images of 32x48."""
    quant = QuantConfig.read("w4a4")
    twin = trained.settled_twin("cmunext-tiny-hw", SIZE, quant)
    return trained.write_checkpoint(tmp_path_factory.mktemp("tiny") / "tiny.pt", "cmunext-tiny-hw", SIZE, twin, quant)


@pytest.fixture(scope="session")
def exported(checkpoint, tmp_path_factory):
    """Its export."""
    folder = tmp_path_factory.mktemp("exported") / "tiny"
    export(checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """Bright squares on a dark ground: what a network of 1,685 parameters learns in a few epochs."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(11)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for index in range(24):
        mask = np.zeros((32, 32), np.uint8)
        top, left = rng.integers(2, 18, 2)
        mask[top : top + 12, left : left + 12] = 255
        image = np.clip(mask * 0.6 + rng.normal(40, 10, mask.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    (folder / "train.txt").write_text("\n".join(map(str, range(16))))
    (folder / "val.txt").write_text("\n".join(map(str, range(16, 24))))
    return folder
