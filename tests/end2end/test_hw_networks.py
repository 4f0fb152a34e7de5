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
    **{f"lw-unet-{number}-hw{gates}": 32 for number in range(6) for gates in ("", "-se")},
    "unet-hw-w4": 16,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_networks_for_hardware_are_exact_in_simulated_rtl(name, tmp_path):
    assert_exact(name, tmp_path, SIZES[name])


def test_every_network_for_hardware_is_here():
    assert {name for name in models.names() if "-hw" in name} == set(SIZES)
