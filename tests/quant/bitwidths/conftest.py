"""One settled w4a4 twin of the smallest network for every test of this folder, scored on four shipped images."""

from pathlib import Path

import pytest
import trained

from quant.bitwidths.subject import Subject, SubjectConfig
from quant.twin.config import QuantConfig

NAME, SIZE = "cmunext-tiny-hw", (32, 32)


@pytest.fixture(scope="session")
def tiny_twin():
    return trained.settled_twin(NAME, SIZE, QuantConfig.read("w4a4"))


@pytest.fixture(scope="session")
def write_twin(tmp_path_factory):
    """Writes a twin as a checkpoint."""

    def write(twin) -> Path:
        folder = tmp_path_factory.mktemp("twin")
        return trained.write_checkpoint(folder / "tiny.pt", NAME, SIZE, twin, QuantConfig.read("w4a4"))

    return write


@pytest.fixture(scope="session")
def tiny(tiny_twin, write_twin):
    return write_twin(tiny_twin)


@pytest.fixture(scope="session")
def subject(tiny):
    return Subject(SubjectConfig(checkpoint=tiny, images=4))
