"""1x1 convolutions in training: by oneDNN on one thread, with the values and gradients of the plain ones."""

import copy

import pytest
import torch
from torch import nn
from torch.profiler import profile

from quant.layers.fused import FusedQuantConv2d
from quant.layers.pointwise import speed_up_pointwise
from quant.layers.quantizers import WeightConstantScale

OF_TORCH = "aten::_slow_conv2d_forward"


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def operations(function):
    with profile() as found:
        function()
    return {event.name for event in found.events()}


def an_image():
    x = torch.randn(2, 6, 12, 10, generator=torch.Generator().manual_seed(7))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "settings",
    [{}, {"bias": False}, {"stride": (2, 3)}, {"groups": 2}, {"padding": "valid"}, {"dilation": 3}],
    ids=str,
)
def test_values_and_gradients_are_those_of_the_plain_convolution(one_thread, settings):
    plain = nn.Conv2d(6, 8, 1, **settings)
    faster = copy.deepcopy(plain)
    speed_up_pointwise(faster)
    assert type(faster) is not nn.Conv2d and str(faster) == str(plain).replace("Conv2d", type(faster).__name__)
    exact = copy.deepcopy(plain).double()
    x = an_image()
    for network, given in ((faster, x.clone().requires_grad_()), (exact, x.double().requires_grad_())):
        network(given).square().sum().backward()
        network.seen = given.grad
    assert torch.allclose(faster(x).double(), exact(x.double()), atol=1e-6)
    assert torch.allclose(faster.seen.double(), exact.seen, atol=1e-5)
    for mine, true in zip(faster.parameters(), exact.parameters(), strict=True):
        assert torch.allclose(mine.grad.double(), true.grad, rtol=1e-5, atol=1e-4)
    with torch.no_grad():
        assert torch.equal(faster(x), plain(x))


@pytest.mark.parametrize("quantized", [False, True])
def test_on_one_thread_training_takes_no_kernel_of_torch(one_thread, quantized):
    if quantized:
        layer = FusedQuantConv2d(6, 8, 1, bias=False, weight_quant=WeightConstantScale, weight_bit_width=4)
    else:
        layer = nn.Conv2d(6, 8, 1)
        assert OF_TORCH in operations(lambda: layer(an_image()))  # or there is nothing left to do for these
    speed_up_pointwise(layer)
    assert OF_TORCH not in operations(lambda: layer(an_image()).sum().backward())


@pytest.mark.parametrize("where", ["two threads", "bfloat16", "float64"])
def test_elsewhere_nothing_is_dilated(one_thread, monkeypatch, where):
    seen, conv2d = [], torch.nn.functional.conv2d
    monkeypatch.setattr("quant.layers.pointwise.functional.conv2d", lambda *a: seen.append(a[5]) or conv2d(*a))
    layer, x = nn.Conv2d(6, 8, 1), an_image()
    speed_up_pointwise(layer)
    layer(x)
    if where == "two threads":
        torch.set_num_threads(2)
    elif where == "float64":
        layer, x = layer.double(), x.double()
    with torch.autocast("cpu", torch.bfloat16, enabled=where == "bfloat16"):
        layer(x)
    assert seen == [2, (1, 1)]


def test_other_convolutions_are_left_alone():
    class Own(nn.Conv2d):
        pass

    network = nn.Sequential(nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 1, padding=1), Own(6, 6, 1), nn.Conv2d(6, 6, (1, 3)))
    kinds = [type(module) for module in network]
    speed_up_pointwise(network)
    assert [type(module) for module in network] == kinds
