"""Networks as people write them, through the commands: what ``quant`` exports, ``hw_build`` lowers, and the other way.

Each is written untrained at 8 bits, exported and checked at 32x32: it lowers, and its integer logits follow the float
network of the same weights; or one sentence says why not. A few are built as well, every step exact, or simulated.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import calib_data
import models
from hw_build.cli.main import main as hw_build
from hw_build.operators import operators
from hw_build.operators.activations import Activation
from hw_build.operators.operator import Affine, Monotonic
from models import registry
from quant.__main__ import main as quant
from quant.data.pairs import to_input, to_planes
from quant.operators.table import TableActivation
from quant.twin.untrained import take_statistics

sys.path.insert(0, str(Path(__file__).parents[1] / "quant"))
from written_networks import LOWERS, Written, block

SIZE = 32
LEAST_CORRELATION = 0.99  # an attribute that was lost left 0.4 to 0.92
QUICK = ("plus", "cat_of_three", "pre_activation", "dilated", "leaky_relu")
BUILT = ("upsampled_head", "post_activation")
SIMULATED = (
    "average_of_the_image",
    "average_ceil",
    "average_padded_ceil",
    "average_of_odd_sides",
    "coordinate_attention",
    "strips",
)
STALLS = ("--idle", "0.3", "--stall", "0.4", "--seed", "5")


@dataclass(frozen=True, kw_only=True)
class Config:
    in_channels: int = 3
    classes: int = 1
    input_size: int = SIZE


@pytest.fixture
def registered(monkeypatch):
    """Registers a network as a user does, for one test."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))

    def register(name, make):
        channels = next(module.in_channels for module in make().modules() if isinstance(module, nn.Conv2d))
        registry.register(name, "written for a test", Config(in_channels=channels), lambda config: make())
        return channels

    return register


def exported(name, folder):
    """Exports an untrained twin of ``name`` by the commands; returns the status of the last."""
    checkpoint = ["--checkpoint", str(folder / "twin.pt")]
    written = quant(["untrained", "--model", name, "--quant", "w8a8", "--size", str(SIZE), "--out", checkpoint[1]])
    return written or quant(["export", *checkpoint, "--out", str(folder / "export")])


def float_logits(name, channels, codes):
    """Logits (N, H, W, 1) of the float network that ``quant untrained`` makes the twin from."""
    torch.manual_seed(1)
    network = models.build(name)
    samples = [calib_data.load(image, (SIZE, SIZE), channels) for image in calib_data.names()[:4]]
    take_statistics(network, to_planes(np.stack([sample.codes for sample in samples])))
    with torch.no_grad():
        return network.eval()(to_input(to_planes(codes))).permute(0, 2, 3, 1).numpy()


def walk(name, channels, folder):
    assert exported(name, folder) == 0
    with np.load(folder / "export" / "golden.npz") as golden:
        codes, logits = golden["codes"], golden["logits"]
    assert codes.shape == (2, SIZE, SIZE, channels)
    wanted = float_logits(name, channels, codes)
    assert np.corrcoef(wanted.ravel(), logits.ravel())[0, 1] > LEAST_CORRELATION
    assert hw_build(["check", str(folder / "export" / "model.qonnx")]) == 0, "export and hardware take the same"


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in LOWERS]
)
def test_what_is_exported_lowers_and_is_the_network(name, registered, tmp_path):
    channels = registered(name, LOWERS[name])
    walk(name, channels, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT)
def test_built_networks_are_exact(name, registered, tmp_path):
    registered(name, LOWERS[name])
    assert exported(name, tmp_path) == 0
    options = ["--export", str(tmp_path / "export"), "--board", "zcu104", "--out", str(tmp_path / "build")]
    assert hw_build(["build", *options, "--stop-after", "stitch"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_networks_are_exact_under_stalls(name, registered, tmp_path):
    registered(name, LOWERS[name])
    assert exported(name, tmp_path) == 0
    options = ["--export", str(tmp_path / "export"), "--out", str(tmp_path / "build")]
    assert hw_build(["build", *options, "--board", "zcu104"]) == 0
    assert hw_build(["simulate", *options, *STALLS]) == 0


NOT_EXPORTED = {
    "falling_prelu": (nn.PReLU(4, -0.25), r"activation 'a\.2' \(PReLU\) has a slope that is not positive"),
}


@pytest.mark.parametrize("name", NOT_EXPORTED)
def test_what_is_not_exported_is_one_sentence(name, registered, tmp_path, capsys):
    activation, sentence = NOT_EXPORTED[name]
    registered(name, lambda: Written(lambda net, x: net.a(x), a=block(activation=lambda: activation)))
    assert exported(name, tmp_path) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
    assert sentence.replace("\\", "") in message
    assert not (tmp_path / "export").exists()


def test_a_network_that_cannot_be_a_twin_is_one_sentence_of_untrained(registered, tmp_path, capsys):
    registered("strided", lambda: Written(lambda net, x: net.a(x), a=block(stride=(1, 2))))
    assert exported("strided", tmp_path) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: 'a.0' has stride (1, 2); only the same") and message.count("\n") == 1


def test_quant_and_hardware_have_one_opinion_of_activations():
    arithmetic = {"Div", "Mul", "Pow", "Sub"}  # of which exports make some
    assert set(TableActivation.names) - arithmetic <= set(Activation.names)
    monotonic = (operator for operator in operators() if isinstance(operator, Monotonic))
    activations = {name for operator in monotonic if not isinstance(operator, Affine) for name in operator.names}
    assert activations == {"Relu", "Clip", "LeakyRelu", "PRelu", "HardSigmoid"}
