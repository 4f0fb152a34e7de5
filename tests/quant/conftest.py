"""The networks of these tests are tiny: more than one thread only makes them wait for each other."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import trained

from quant.config import QuantConfig
from quant.export import export

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
