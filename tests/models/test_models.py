"""Parameters and MACs against the published figures, and the shape contract of every registered network."""

import json
import subprocess
import sys

import pytest
import torch

import models
from models.__main__ import main, summary
from models.errors import ConfigError

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


@pytest.mark.parametrize("name", ["cmunext-s", "cmunext-xxs", "cmunext-xxs-hw", "unet3", "cmunext-tiny-hw"])
def test_output_is_one_logit_a_pixel_also_when_not_square(name):
    network = models.build(name).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 48)).shape == (2, 1, 32, 48)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown network 'resnet'; known networks: cmunext, .*cmunext-xxs-hw"):
        models.build("resnet")


def test_command_line_prints_json_and_refuses_an_unknown_name(capsys):
    command = [sys.executable, "-m", "models", "describe", "cmunext-tiny-hw", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    description = json.loads(listed.stdout)
    assert sum(layer["parameters"] for layer in description["layers"]) == description["parameters"]
    assert main(["describe", "resnet"]) != 0
    assert capsys.readouterr().err.count("\n") == 1
