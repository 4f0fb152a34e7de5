"""Well-known segmentation networks, from PyTorch to simulated RTL by the commands: every integer exact.

Twin and export prove themselves against the float network, Brevitas, QONNX and both integer engines; ``build`` proves
each step, and the RTL streams two frames with random stalls of source and sink.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hw_build.cli.main import main as hw_build
from models import registry
from quant.__main__ import main as quant

sys.path.insert(0, str(Path(__file__).parents[1] / "quant"))
from architectures import ARCHITECTURES, SmallGates, UNet
from test_rearrangement import network as moved_values

SMALL = {
    "small_unet_transposed": lambda: UNet((3, 4)),
    "small_gated_unet": SmallGates,
}
FEW_BITS = ("w3a3", "w2a4")
PUBLISHED = ("cmunext-xxs", "mobile-cmunext")


@dataclass(frozen=True, kw_only=True)
class Config:
    in_channels: int = 3
    classes: int = 1
    input_size: int = 32


@pytest.fixture
def register(monkeypatch):
    """Registers a network as a user does, for one test."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    return lambda name, make: registry.register(name, "of a test", Config(), lambda config: make())


def assert_exact(name, folder, size, bits="w4a4"):
    checkpoint, export, out = (str(folder / part) for part in ("twin.pt", "export", "build"))
    model = ["--model", name, "--quant", bits, "--size", str(size)]
    assert quant(["untrained", *model, "--out", checkpoint]) == 0
    assert quant(["export", "--checkpoint", checkpoint, "--out", export]) == 0
    with np.load(folder / "export" / "golden.npz") as golden:
        assert np.ptp(golden["logits"]) > 8, "the network says something"
    assert hw_build(["check", f"{export}/model.qonnx"]) == 0
    where = ["--export", export, "--out", out]
    assert hw_build(["build", *where, "--board", "pynq-z2", "--stop-after", "stitch"]) == 0
    assert hw_build(["simulate", *where, "--frames", "2", "--idle", "0.3", "--stall", "0.4", "--seed", "5"]) == 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "small_gated_unet" else name for name in SMALL]
)
def test_small_networks_are_exact_in_simulated_rtl(name, register, tmp_path):
    register(name, SMALL[name])
    assert_exact(name, tmp_path, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_are_exact_in_simulated_rtl(name, register, tmp_path):
    register(name, ARCHITECTURES[name])
    assert_exact(name, tmp_path, 32)


@pytest.mark.slow
def test_values_that_move_are_exact_in_simulated_rtl(register, tmp_path):
    register("moved_values", moved_values)
    assert_exact("moved_values", tmp_path, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_exact_in_simulated_rtl(name, tmp_path):
    assert_exact(name, tmp_path, 32)


@pytest.mark.slow
@pytest.mark.parametrize("bits", FEW_BITS)
def test_networks_of_few_bits_are_exact_in_simulated_rtl(bits, tmp_path):
    assert_exact("cmunext-tiny-hw", tmp_path, 16, bits)
