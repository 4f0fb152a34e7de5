"""Parameters and MACs against the published figures, and the shape contract of every registered network."""

import dataclasses
import json
import subprocess
import sys
import types

import pytest
import torch
from torch import nn

import models
from models import registry, unet3
from models.__main__ import main, summary
from models.errors import ConfigError
from models.layers import Concat

# name: parameters, GMAC as thop counts, GMAC of the convolutions alone (None: not published)
PUBLISHED = {
    "cmunext-s": (417_505, 1.0901, 1.0124),
    "cmunext": (3_149_185, 7.4177, 7.2306),
    "cmunext-l": (8_286_721, 17.183, 16.853),
    "cmunext-xxs": (40_837, 0.4682, None),
    "cmunext-xxs-table2": (48_393, 0.4722, None),
    "mobile-cmunext": (46_569, 0.4866, None),
    "cmunext-xxs-hw": (42_373, None, 0.412),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_macs_are_the_published_ones(name):
    parameters, gmac_thop, gmac_conv = PUBLISHED[name]
    row = summary(name)
    assert row["parameters"] == parameters
    if gmac_thop is not None:
        assert row["gmac_thop"] == pytest.approx(gmac_thop, rel=0.005)
    if gmac_conv is not None:
        assert row["gmac_conv"] == pytest.approx(gmac_conv, rel=0.005)


def parameters_of_hw_blocks(dims, depths, kernels):
    """Each convolution has a BN of two parameters a channel, no bias; the head alone has one."""
    convolution = lambda i, o, k: i * o * k * k + 2 * o  # noqa: E731
    total = convolution(3, dims[0], 3) + dims[0] + 1
    for c, o, depth, k in zip((dims[0], *dims), dims, depths, kernels, strict=False):
        depthwise = c * k * k + 2 * c
        total += depth * (2 * depthwise + convolution(c, 4 * c, 1) + convolution(4 * c, c, 1)) + convolution(c, o, 3)
    for low, c in zip(dims[1:], dims, strict=False):
        total += convolution(low, c, 3) + convolution(c, c, 3) + convolution(c, 4 * c, 1) + convolution(4 * c, c, 1)
    return total


def test_s_for_hardware_is_s_in_the_blocks_of_the_hardware():
    config, published = models.entry("cmunext-s-hw").config, models.entry("cmunext-s").config
    assert (config.dims, config.depths, config.kernels) == (published.dims, published.depths, published.kernels)
    assert parameters_of_hw_blocks(config.dims, config.depths, config.kernels) == summary("cmunext-s-hw")["parameters"]
    network = models.build("cmunext-s-hw")
    assert not any(isinstance(module, (nn.GELU, Concat)) for module in network.modules())
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [conv for conv in convolutions if conv.bias is not None] == [network.head]
    assert {conv.groups for conv in convolutions} == {1, *config.dims[:-1]}  # dense, or a group a channel


@pytest.mark.parametrize(
    "name", ["cmunext-s", "cmunext-s-hw", "cmunext-xxs", "cmunext-xxs-hw", "unet3", "cmunext-tiny-hw"]
)
def test_output_is_one_logit_a_pixel_also_when_not_square(name):
    network = models.build(name).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 48)).shape == (2, 1, 32, 48)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown network 'resnet'; known networks: .*cmunext, .*cmunext-xxs-hw"):
        models.build("resnet")
    for counts, sentence in (
        ((0,), "at least 1 class, got 0"),
        ((1, 0), "at least 1 channel, got 0"),
        (("2",), "1 class, got '2'"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            models.build("cmunext-tiny-hw", *counts)


def test_command_line_prints_json_and_refuses_an_unknown_name(capsys):
    command = [sys.executable, "-m", "models", "describe", "cmunext-tiny-hw", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    description = json.loads(listed.stdout)
    assert sum(layer["parameters"] for layer in description["layers"]) == description["parameters"]
    assert main(["describe", "resnet"]) != 0
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (dataclasses.make_dataclass("Bare", [("in_channels", int)])(3), "it lacks classes, input_size"),
        (types.SimpleNamespace(in_channels=3, classes=1, input_size=64), "must be a dataclass with in_channels"),
    ],
)
def test_a_configuration_without_what_every_network_has_is_refused(config, sentence):
    with pytest.raises(ConfigError, match=sentence):
        registry.register("bare", "", config, lambda config: None)
    assert "bare" not in registry.names()


def test_a_network_whose_own_code_fails_is_named_with_its_line(monkeypatch, capsys):
    def broken(config):
        return nn.Conv2d(3, 0 // config.classes, "three")

    monkeypatch.setattr(registry, "_ENTRIES", {})
    registry.register("broken", "", unet3.UNet3Config(dims=(1, 1, 1)), broken)
    assert main(["describe", "broken"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("error: network 'broken' cannot be made: ") and "correct its configuration or its code" in line
    )
    assert "defect" not in line
