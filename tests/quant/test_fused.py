"""The fused layers give the values and gradients of the Brevitas layers that they replace, bit by bit."""

import copy

import brevitas.nn as qnn
import pytest
import torch

from quant.layers.fused import FusedQuantConv2d, FusedQuantIdentity, FusedQuantReLU
from quant.layers.quantizers import SignedActivation, UnsignedActivation, WeightConstantScale, log2_threshold

SEED = 23


def values_and_gradients(layer, forward, x, weights):
    x = x.clone().requires_grad_()
    y = forward(layer, x)
    layer.zero_grad()
    y.backward(weights)
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters() if parameter.requires_grad)]


def assert_same(layer, plain_kind, x):
    weights = torch.randn(layer(x).shape, generator=torch.Generator().manual_seed(SEED)).to(layer(x).dtype)
    fused = values_and_gradients(layer, type(layer).forward, x, weights)
    plain = values_and_gradients(layer, plain_kind.forward, x, weights)
    for ours, theirs in zip(fused, plain, strict=True):
        assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def with_ties_and_borders(shape, scale, dtype):
    """Random values from far below to far above the range of 16 codes, a third of them multiples of half a step."""
    generator = torch.Generator().manual_seed(SEED)
    x = torch.empty(shape).uniform_(-14, 22, generator=generator) * scale
    on_grid = torch.rand(shape, generator=generator) < 1 / 3
    return torch.where(on_grid, torch.round(2 * x / scale) * scale / 2, x).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("training", [True, False])
def test_relu_with_unsigned_quantizer(dtype, bits, training):
    layer = FusedQuantReLU(act_quant=UnsignedActivation, bit_width=bits).train(training)
    log2_threshold(layer).requires_grad_(False).fill_(1.0)
    assert_same(layer, qnn.QuantReLU, with_ties_and_borders((2, 3, 64, 64), 2.0 / 2**bits, dtype))


@pytest.mark.parametrize("training", [True, False])
def test_signed_quantizer(training):
    layer = FusedQuantIdentity(act_quant=SignedActivation, bit_width=4).train(training)
    log2_threshold(layer).requires_grad_(False).fill_(-1.0)
    x = with_ties_and_borders((2, 3, 64, 64), 2.0**-4, torch.float32)
    x[x == -8.5 * 2.0**-4] += 2.0**-10  # Brevitas rounds this one tie into its range and passes the gradient
    assert_same(layer, qnn.QuantIdentity, x)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_of_a_convolution(bits):
    layer = FusedQuantConv2d(3, 5, 3, bias=False, weight_quant=WeightConstantScale, weight_bit_width=bits)
    with torch.no_grad():
        layer.weight.copy_(with_ties_and_borders(layer.weight.shape, 2.0 ** -(bits - 1), torch.float32))
    x = torch.rand((2, 3, 16, 16), generator=torch.Generator().manual_seed(SEED))
    assert_same(layer, qnn.QuantConv2d, x)


def test_a_new_threshold_is_seen():
    layer = FusedQuantReLU(act_quant=UnsignedActivation, bit_width=4)
    log2_threshold(layer).requires_grad_(False).fill_(0.0)
    x = torch.tensor([5.0])
    assert layer(x).item() == 15 / 16
    log2_threshold(layer).fill_(2.0)
    assert layer(x).item() == 15 / 4


def test_a_copy_sees_its_own_threshold():
    layer = FusedQuantReLU(act_quant=UnsignedActivation, bit_width=4)
    log2_threshold(layer).requires_grad_(False).fill_(0.0)
    x = torch.tensor([5.0])
    layer(x)
    duplicate = copy.deepcopy(layer)
    while log2_threshold(duplicate)._version < log2_threshold(layer)._version:
        log2_threshold(duplicate).fill_(3.0)
    assert (layer(x).item(), duplicate(x).item()) == (15 / 16, 5.0)


@pytest.mark.parametrize("kind", [FusedQuantReLU, FusedQuantIdentity])
def test_a_learned_threshold_gets_the_gradient_that_brevitas_gives_it(kind):
    quantizer = UnsignedActivation if kind is FusedQuantReLU else SignedActivation
    layer = kind(act_quant=quantizer, bit_width=4)
    with torch.no_grad():
        log2_threshold(layer).fill_(-0.3)
    x = torch.empty(1, 1, 64, 64).uniform_(-1.5, 2.5, generator=torch.Generator().manual_seed(SEED))
    weights = torch.rand(x.shape, generator=torch.Generator().manual_seed(SEED))
    plain_kind = qnn.QuantReLU if kind is FusedQuantReLU else qnn.QuantIdentity
    fused = values_and_gradients(layer, kind.forward, x, weights)
    plain = values_and_gradients(layer, plain_kind.forward, x, weights)
    assert torch.equal(fused[0], plain[0]) and torch.equal(fused[1], plain[1])
    assert fused[2].item() == pytest.approx(plain[2].item(), rel=1e-4) and fused[2] != 0
