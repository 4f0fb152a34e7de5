"""The networks of `models` for hardware, from PyTorch to simulated RTL by the commands, each at a small size: exact."""

import pytest

import models
from tests.end2end.test_architectures import assert_exact

SIZES = {  # the least that its poolings take, or little more
    "cmunext-xxs-hw": 16,
    "cmunext-s-hw": 16,
    "cmunext-tiny-hw": 16,
    "unet-hw-w16": 16,
    "unet-hw": 16,
    "unext-s-hw": 32,
    "cfpnet-m-hw": 16,
    "lw-unet-0-hw": 32,
    "lw-unet-0-hw-se": 32,
    "lw-unet-1-hw": 32,  # the least with repeated blocks, and so with sums
}
WIDER = {f"lw-unet-{number}-{suffix}" for number in range(1, 6) for suffix in ("hw", "hw-se")} - set(SIZES)
WIDER.add("unet-hw-w4")


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_networks_for_hardware_are_exact_in_simulated_rtl(name, tmp_path):
    assert_exact(name, tmp_path, SIZES[name])


def test_every_network_for_hardware_is_here_or_a_wider_one():
    named = {name for name in models.names() if "-hw" in name}
    assert named == {*SIZES, *WIDER}
