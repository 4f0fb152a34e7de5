"""What quantization says to the networks that people compare with: a twin, or one sentence; and of their sizes."""

import pytest
import torch
from torch import nn

import models
from quant.__main__ import main
from quant.base.errors import ConfigError
from quant.data.pairs import load_samples
from quant.training import learner as learning
from quant.training.learner import Learner
from quant.training.ranks import join
from quant.training.train_config import TrainConfig
from quant.twin.networks import require_size
from quant.twin.structure import convolution_sites


def test_unet_for_hardware_has_an_integer_form():
    assert len(convolution_sites(models.build("unet-hw-w16"))) == 5 * 2 + 4 * 3 + 1


@pytest.mark.parametrize("name", ["unext-s", "givted-net", "lucf-net"])
def test_what_has_no_integer_form_is_refused_in_one_line(tmp_path, capsys, name):
    out = tmp_path / "x.pt"
    assert main(["untrained", "--model", name, "--quant", "w4a4", "--size", "64", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "fitting"), [("unet-hw-w16", 48), ("unext-s-hw", 64), ("cfpnet-m-hw", 40), ("lw-unet-0-hw", 64)]
)
def test_a_size_that_does_not_fit_gets_one_that_does(name, fitting):
    wanted = rf"network '{name}' does not accept images of 36x36: .*; {fitting}x{fitting} fits$"
    with pytest.raises(ConfigError, match=wanted):
        require_size(models.build(name), name, (36, 36), 3)


def test_a_norm_over_one_pixel_is_a_sentence():
    network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.InstanceNorm2d(1))
    with pytest.raises(ConfigError, match="network 'single' does not accept images of 8x8: Expected more than 1"):
        require_size(network, "single", (8, 8), 3)


@pytest.mark.parametrize(("said", "sentence"), [("a height of 8", "a height of 8"), ("", "AssertionError")])
def test_an_assertion_of_forward_is_a_sentence(said, sentence):
    class Strict(nn.Conv2d):
        def forward(self, x):
            if x.shape[2] % 16:
                raise AssertionError(said)  # as an assert of a module that pytest does not rewrite
            return super().forward(x)

    with pytest.raises(ConfigError, match=f"does not accept images of 8x8: {sentence}; 16x16 fits"):
        require_size(Strict(3, 1, 1), "strict", (8, 8), 3)


def settings(folder, **changes):
    return TrainConfig(model="cmunext-tiny-hw", data=str(folder), size=32, batch=16, lr=1e-2, epochs=30, **changes)


def test_a_plateau_divides_the_rate_by_ten_and_goes_on_where_it_was(squares, monkeypatch):
    samples, rates = load_samples(squares, "train", (32, 32)), []

    def step(_network, optimiser, *_arguments, **_named):
        rates.append(optimiser.param_groups[0]["lr"])
        return torch.tensor(1.0)

    monkeypatch.setattr(learning, "training_step", step)
    config = settings(squares, schedule="plateau")
    first, second = (Learner(models.build(config.model), None, config, join("cpu")) for _ in range(2))
    for epoch in range(8):
        first.train_epoch(samples, epoch, lambda: None)
    second.load_state(first.state())
    for epoch in range(8, 13):
        second.train_epoch(samples, epoch, lambda: None)
    assert rates == [1e-2] * 12 + [pytest.approx(1e-3)]


def test_dropout_draws_from_the_seed_of_the_epoch(squares):
    samples, config = load_samples(squares, "train", (32, 32)), settings(squares)
    network, losses = models.build(config.model), []
    for elsewhere in (5, 6):
        copied = models.build(config.model)
        copied.load_state_dict(network.state_dict())
        learner = Learner(nn.Sequential(nn.Dropout(0.5), copied), None, config, join("cpu"))
        torch.manual_seed(elsewhere)
        losses.append(learner.train_epoch(samples, 1, lambda: None))
    assert losses[0] == losses[1]


def test_an_unknown_loss_is_named():
    with pytest.raises(ConfigError, match="unknown loss 'dice'; known: bce-dice, bce"):
        settings("data", loss="dice")
