"""The networks that people compare with: published parameters and MACs, and the contract that all networks share.

Figures are those of table III of Carvalho & Vestias 2025 and of table 4 of Liu et al. 2022, with the digits that a
measurement of the published code gives; they are from outside of this project.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

import models
from models.__main__ import summary
from models.cost import count_parameters
from models.errors import ConfigError
from models.unet import UNet, UNetConfig
from models.unext import GroupShift

# name: parameters in M, GMAC as thop counts, true GMAC (None: not known from outside)
PEERS = {
    "unet": (34.5270, 65.522, 65.347),
    "unetpp": (9.1597, 34.903, None),
    "unext-s": (0.2536, 0.1038, None),
    "cfpnet-m": (0.7589, 3.472, 1.58),
    "givted-net": (0.1922, 0.3743, None),
    "unet-v2": (24.9034, 5.098, None),
    "transunet": (105.3220, 32.229, 38.526),
    "lucf-net": (6.9305, 8.590, None),
}
# parameters in M with and without squeeze-and-excitation, true GMAC, and the paper's own parameters and GMAC
LW_UNETS = (
    (0.851, 0.778, 1.82, 0.85, 1.85),
    (1.270, 1.134, 2.95, 1.27, 2.99),
    (2.220, 1.912, 4.69, 2.22, 4.75),
    (3.549, 3.058, 7.44, 3.55, 7.51),
    (5.320, 4.516, 8.31, 5.32, 8.38),
    (7.357, 6.222, 8.93, 7.36, 9.01),
)
LARGE = ("unet", "unetpp", "unet-v2", "transunet", "lucf-net", "lw-unet-2", "lw-unet-5-hw-se")  # on shapes alone
SMALL = (
    *("unext-s", "unext-s-hw", "cfpnet-m", "cfpnet-m-hw", "givted-net"),
    *("unet-hw-w16", "lw-unet-0", "lw-unet-0-hw", "lw-unet-0-hw-se"),
)
FOR_HARDWARE = ("unext-s-hw", "cfpnet-m-hw", "unet-hw", "lw-unet-0-hw", "lw-unet-0-hw-se")


@pytest.mark.parametrize("name", PEERS)
def test_parameters_and_macs_are_the_published_ones(name):
    parameters, gmac_thop, gmac = PEERS[name]
    row = summary(name)
    assert round(row["parameters"] / 1e6, 4) == parameters
    assert row["gmac_thop"] == pytest.approx(gmac_thop, rel=0.005)
    if gmac is not None:
        assert row["gmac"] == pytest.approx(gmac, rel=0.005)


@pytest.mark.parametrize("number", range(len(LW_UNETS)))
def test_lw_unet_has_the_sizes_of_the_paper(number):
    parameters, without_gates, gmac, paper_parameters, paper_gmac = LW_UNETS[number]
    row, found = summary(f"lw-unet-{number}"), models.entry(f"lw-unet-{number}")
    assert round(row["parameters"] / 1e6, 3) == parameters
    assert round(row["parameters"] / 1e6, 2) == paper_parameters
    assert row["gmac"] == pytest.approx(gmac, rel=0.005)
    assert row["gmac"] == pytest.approx(paper_gmac, rel=0.02)
    with torch.device("meta"):
        plain = count_parameters(found.build(replace(found.config, squeeze=False)))
        for_hardware = count_parameters(models.build(f"lw-unet-{number}-hw"))
    assert round(plain / 1e6, 3) == without_gates
    skips = [found.config.dims[stage] for stage in (0, 1, 2, 4)]
    assert plain - for_hardware == 3 * sum([*skips, found.config.last])  # the decoder's biases before a BN


def test_twins_lack_the_biases_that_a_norm_takes():
    """Differences to the published networks, worked out by hand, layer by layer."""
    built = lambda name: count_parameters(models.build(name))  # noqa: E731
    full = count_parameters(UNet(UNetConfig(for_hardware=True)))
    levels = (64, 128, 256, 512, 1024)
    assert built("unet") - full == 2 * sum(levels) + 3 * sum(levels[:-1])
    dims = (8, 16, 32, 64, 128)
    blocks = (64, 128, 64, 32)
    biases = sum(dims) + sum(dims[:-1]) + dims[0] + 3 * sum(blocks)  # convolutions down, up, last; those of the blocks
    layer_norms = 2 * sum(blocks) + 2 * (64 + 128) + 2 * sum(blocks)  # in blocks, behind patches, behind blocks
    batch_norms = 2 * (64 + 128) + 3 * 2 * sum(blocks) + 2 * dims[0]  # behind patches, in blocks, behind the last
    assert built("unext-s") - built("unext-s-hw") == biases + layer_norms - batch_norms
    joins, modules, downs = 35 + 131 + 259, 2 * 64 + 6 * 128, 64 + 128
    removed, added = 2 * (joins + 2 * modules + downs), 2 * (modules + (64 - 35) + 128) + 1  # the last: the head's bias
    assert built("cfpnet-m") - built("cfpnet-m-hw") == removed - added


@pytest.mark.parametrize("name", FOR_HARDWARE)
def test_a_twin_is_of_convolutions_with_a_norm_and_relu(name):
    network = models.build(name)
    gates = {module for gate in network.modules() if type(gate).__name__ == "ChannelGate" for module in gate.modules()}
    kinds = {type(module) for module in network.modules() if module not in gates and not list(module.children())}
    assert not kinds & {nn.LayerNorm, nn.GELU, nn.Linear, nn.Sigmoid, nn.InstanceNorm2d, nn.LeakyReLU}
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module not in gates:
            assert (module.bias is not None) == (module is network.head)
        if isinstance(module, nn.Sequential):
            behind = dict(zip(module, list(module)[1:], strict=False))
            for conv in (each for each in module if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d))):
                assert conv in gates or isinstance(behind[conv], nn.BatchNorm2d)


def test_the_width_of_unet_hw_scales_all_channels():
    assert UNetConfig(width=1 / 8).dims == (8, 16, 32, 64, 128)
    with pytest.raises(ConfigError, match=r"width 0.3 gives 19.2 channels; take a multiple of 1/64"):
        UNetConfig(width=0.3)


@pytest.mark.parametrize("name", SMALL)
def test_a_forward_keeps_the_size_and_every_parameter_learns(name):
    torch.manual_seed(4)
    network = models.build(name).eval()  # by running statistics, or a bias before a BN would have no gradient
    logits = network(torch.rand(1, 3, 64, 96))
    assert logits.shape == (1, 1, 64, 96)
    logits.square().mean().backward()
    unreached = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert not unreached
    assert all(bool(parameter.grad.isfinite().all()) for parameter in network.parameters())


@pytest.mark.parametrize("name", LARGE)
def test_a_large_network_keeps_the_size(name):
    with torch.device("meta"):
        network = models.build(name, classes=3).eval()
        assert network(torch.rand(2, 3, 64, 96)).shape == (2, 3, 64, 96)


@pytest.mark.parametrize("name", ["unext-s", "givted-net", "lw-unet-0"])
def test_weights_are_those_of_the_seed(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([parameter.detach().flatten() for parameter in models.build(name).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("channels", [10, 7])
@pytest.mark.parametrize("axis", [2, 3])
def test_shifts_move_groups_by_two_up_to_two_down(channels, axis):
    image = torch.arange(1.0, channels * 6 * 5 + 1).view(1, channels, 6, 5)  # groups of 2 channels, the last may have 1
    moved = GroupShift(channels, axis)(image)
    for channel in range(channels):
        shift = channel // 2 - 2
        for row in range(6):
            for column in range(5):
                source = (row - shift, column) if axis == 2 else (row, column - shift)
                inside = 0 <= source[0] < 6 and 0 <= source[1] < 5
                assert moved[0, channel, row, column] == (image[0, channel, *source] if inside else 0.0)
