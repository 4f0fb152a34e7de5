"""BN, activation and quantizer in one pass, against torch's modules in float64 and one by one."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import calib_data
import models
from quant.layers import passes
from quant.layers.fused import FusedQuantIdentity, FusedQuantReLU
from quant.layers.joined import join_passes, norm_and_activation
from quant.layers.learning import asking_teacher
from quant.layers.quantizers import SignedActivation, UnsignedActivation, log2_threshold
from quant.training.objective import Objective
from quant.twin.networks import from_checkpoint

ROOT = Path(__file__).resolve().parents[2]
HALF_STEPS = {torch.bfloat16: 2.0**-8, torch.float32: 2.0**-22}  # relative; of float32, some operations' worth
in_both = pytest.mark.parametrize("dtype", HALF_STEPS, ids=str)


@pytest.fixture(autouse=True)
def require_kernels():
    assert passes._kernels() is not None, "these tests need g++"


def a_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    generator = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.uniform_(-1, 1, generator=generator)
    return norm


def quantizer(bits: int, exponent: int, *, signed: bool) -> nn.Module:
    kind, form = (FusedQuantIdentity, SignedActivation) if signed else (FusedQuantReLU, UnsignedActivation)
    made = kind(act_quant=form, bit_width=bits)
    with torch.no_grad():
        log2_threshold(made).fill_(exponent).requires_grad_(False)
    return made.train()


def learned(norm, activation, x, gradient, joined):
    """Output, gradients of x, weight and bias, and moved statistics, as float64."""
    x = x.clone().requires_grad_()
    y = norm_and_activation(norm, activation, x) if joined else norm(x) if activation is None else activation(norm(x))
    y.backward(gradient)
    found = (y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var)
    return [value.double() for value in found]


ACTIVATIONS = {
    "none": lambda: None,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "unsigned": lambda: quantizer(4, 1, signed=False),
    "signed": lambda: quantizer(3, 1, signed=True),
}


@in_both
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(4, 8, 13, 7), (2, 36, 5, 5), (3, 1, 9, 9), (1, 5, 1, 2), (2, 64, 96, 96)], ids=str)
def test_a_pass_is_the_modules_one_by_one(shape, activation, dtype):
    generator = torch.Generator().manual_seed(3)
    x = (torch.randn(shape, generator=generator) * 2 + 30).to(dtype).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(shape, generator=generator).to(dtype)
    act = ACTIVATIONS[activation]()
    exact = learned(copy.deepcopy(a_norm(shape[1])).double(), act, x.double(), gradient.double(), joined=False)
    found = learned(a_norm(shape[1]), act, x, gradient, joined=True)
    z = copy.deepcopy(a_norm(shape[1])).double()(x.double())
    edges = passes.NO_ACTIVATION if act is None else passes.RELU if activation == "relu" else None
    decided = torch.ones(shape, dtype=torch.bool)  # not where float32 may lie on the other side of a threshold
    if edges is None:
        step = {"relu6": 6.0, "unsigned": 2 / 16 / 2, "signed": 2 / 4 / 2}[activation]
        decided = ((z / step) - (z / step).round()).abs() > 1e-3
    elif activation == "relu":
        decided = z.abs() > 1e-4
    assert decided.double().mean() > 0.9
    assert torch.all((found[0] - exact[0]).abs()[decided] <= HALF_STEPS[dtype] * exact[0].abs()[decided] + 1e-4)
    rounding = 4e-6 if dtype == torch.float32 else 0.0  # of two values a channel, whose gradients cancel
    tolerance = 0.02 if decided.all() else 0.05  # one gradient at a threshold changes the sums of a small tensor
    if decided.all() or math.prod(shape) > 1e5:
        for mine, true in zip(found[1:4], exact[1:4], strict=True):
            assert torch.allclose(mine, true, rtol=tolerance, atol=tolerance * float(true.abs().max()) + rounding)
    for mine, true in zip(found[4:], exact[4:], strict=True):
        assert torch.allclose(mine, true, rtol=1e-5)


@in_both
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_a_frozen_norm_learns_by_its_statistics_and_keeps_them(activation, dtype):
    generator = torch.Generator().manual_seed(8)
    x, gradient = (torch.randn(2, 20, 31, 30, generator=generator).to(dtype) for _ in range(2))
    norm = a_norm(20)
    norm.running_mean.uniform_(-1, 1, generator=generator)
    norm.running_var.uniform_(0.5, 2, generator=generator)
    kept, act = copy.deepcopy(norm), ACTIVATIONS[activation]()
    passes.freeze(norm)
    assert passes.can_pass_norm(norm, x.clone().requires_grad_())
    exact = learned(copy.deepcopy(norm).double(), act, x.double(), gradient.double(), joined=False)
    found = learned(norm, act, x, gradient, joined=True)
    step = HALF_STEPS[dtype]
    for index, (mine, true) in enumerate(zip(found, exact, strict=True)):
        size = step if index < 2 else 4 * step  # x and its gradient are rounded; sums of what is rounded
        assert torch.allclose(mine, true, rtol=size, atol=2 * size * float(true.abs().max())), index
    assert torch.equal(norm.running_mean, kept.running_mean) and torch.equal(norm.running_var, kept.running_var)


def test_gradients_of_float32_are_those_of_float64():
    generator = torch.Generator().manual_seed(4)
    x, gradient = (torch.randn(2, 36, 40, 41, generator=generator) for _ in range(2))
    exact = learned(a_norm(36).double(), nn.ReLU(), x.double(), gradient.double(), joined=False)
    found = learned(a_norm(36), nn.ReLU(), x, gradient, joined=True)
    for mine, true in zip(found, exact, strict=True):
        assert torch.allclose(mine, true, rtol=1e-5, atol=1e-5 * float(true.abs().max()))


def test_quantized_values_are_those_of_the_quantizer_exactly():
    x = torch.arange(-300, 300).repeat(4, 1).reshape(1, 4, 20, 30).to(torch.bfloat16) / 64  # ties among them
    for act in (quantizer(4, 1, signed=False), quantizer(3, 2, signed=True), quantizer(8, 2, signed=True)):
        wide, narrow = x.float().requires_grad_(), x.clone().requires_grad_()
        expected, found = act(wide), act(narrow)
        assert torch.equal(found.float(), expected)
        expected.sum().backward()
        found.sum().backward()
        assert torch.equal(narrow.grad.float(), wide.grad)


@in_both
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
def test_an_outlier_costs_no_precision_wherever_it_lies(dtype, order):
    generator = torch.Generator().manual_seed(5)
    for place in (0, 777, 32 * 32 * 2 - 1):
        x = torch.randn(32 * 32 * 2, 8, generator=generator) + 3
        x[place] = 3000.0
        x = x.reshape(2, 32, 32, 8).permute(0, 3, 1, 2).to(dtype).contiguous(memory_format=order)
        gradient = torch.randn(x.shape, generator=generator).to(dtype)
        exact = learned(a_norm(8).double(), None, x.double(), gradient.double(), joined=False)
        found = learned(a_norm(8), None, x, gradient, joined=True)
        for mine, true in zip(found[4:], exact[4:], strict=True):
            assert torch.allclose(mine, true, rtol=1e-5)
        assert norm_and_activation(a_norm(8), None, x).stride() == x.stride(), "lies as torch's would"


def test_nine_images_with_the_same_corner_keep_their_statistics():
    x = torch.randn(9, 4, 48, 48, generator=torch.Generator().manual_seed(9)) * 1e-2 + 5
    x[:, :, 0, 0] = 500.0
    x = x.contiguous(memory_format=torch.channels_last)
    mine, exact = a_norm(4), a_norm(4).double()
    norm_and_activation(mine, None, x)
    exact(x.double())
    for name in ("running_mean", "running_var"):
        assert torch.allclose(getattr(mine, name).double(), getattr(exact, name), rtol=1e-5), name


@in_both
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 100])
def test_statistics_of_what_is_no_number_are_none(dtype, value, place):
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(6))
    x[0, 1].view(-1)[place] = value
    mine, theirs = a_norm(3), a_norm(3)
    norm_and_activation(mine, None, x.to(dtype))
    theirs(x.to(dtype).float())
    for name in ("running_mean", "running_var"):
        found, expected = getattr(mine, name), getattr(theirs, name)
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-7, equal_nan=True), name
        assert found.isfinite().tolist() == [True, False, True]


def test_a_joined_network_is_traced_as_torch_traces_it():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(10))
    expected = copy.deepcopy(network)(x)
    join_passes(network)
    for traced in (torch.fx.symbolic_trace(copy.deepcopy(network)), torch.jit.trace(copy.deepcopy(network), x)):
        assert torch.allclose(traced.train()(x), expected, atol=1e-5)


@pytest.mark.parametrize("change", ["strided", "bfloat16", "fake"])
def test_what_the_passes_cannot_read_goes_through_torch(change):
    norm, x = a_norm(4), torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(7))
    expected = copy.deepcopy(norm)(x)
    if change == "strided":
        norm.bias = nn.Parameter(norm.bias.detach().repeat_interleave(2)[::2])
        assert torch.allclose(norm_and_activation(norm, None, x), expected, atol=1e-6)
    elif change == "bfloat16":
        found = norm_and_activation(norm.bfloat16(), nn.ReLU(), x.bfloat16()).float()
        assert torch.allclose(found, torch.relu(expected), atol=0.05)
    else:
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            assert norm_and_activation(norm, nn.ReLU(), mode.from_tensor(x)).shape == x.shape


@in_both
def test_a_value_that_is_no_number_stays_none(dtype):
    x = torch.tensor([math.nan, math.inf, -math.inf, 1.0] * 8, dtype=dtype).reshape(1, 1, 4, 8)
    y = passes.activated(x, passes.RELU)
    assert torch.equal(y.isnan(), x.isnan())
    assert torch.equal(y[~y.isnan()], torch.relu(x)[~y.isnan()])


@in_both
def test_sums_do_not_depend_on_the_number_of_threads(dtype):
    x = torch.randn(4, 24, 160, 160, generator=torch.Generator().manual_seed(5)).to(dtype)
    gradient = torch.randn_like(x)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(learned(a_norm(24), nn.ReLU(), x, gradient, joined=True))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(mine, first) for mine, first in zip(other, found[0], strict=True))


@in_both
def test_tensors_and_gradients_in_any_order(dtype):
    x = torch.randn(2, 12, 10, 6, generator=torch.Generator().manual_seed(6)).to(dtype)
    gradient = torch.randn_like(x)
    reference = learned(a_norm(12), nn.ReLU(), x.contiguous(memory_format=torch.channels_last), gradient, joined=True)
    wide = torch.zeros(2, 12, 20, 6, dtype=dtype)
    wide[:, :, ::2] = x
    for of_x in (x, wide[:, :, ::2]):
        for of_gradient in (gradient, gradient.contiguous(memory_format=torch.channels_last)):
            found = learned(a_norm(12), nn.ReLU(), of_x, of_gradient, joined=True)
            assert all(torch.equal(mine, first) for mine, first in zip(found, reference, strict=True))
    act = quantizer(4, 1, signed=False)
    assert torch.equal(act(wide[:, :, ::2]), act(x))
    assert torch.equal(act(x[:, :1].expand(2, 12, 10, 6)), act(x[:, :1].repeat(1, 12, 1, 1)))


def gradient_and_statistics(network, x, masks, precision):
    loss = Objective(precision=precision)(network, x, masks)
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
    return loss.item(), gradient, {key: value for key, value in network.state_dict().items() if "running" in key}


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("quant", [None, "w8a8"])
def test_a_network_learns_as_by_the_modules_in_float32(quant, precision, monkeypatch):
    monkeypatch.setattr("quant.base.device.has_bfloat16", lambda _device: True)
    name = f"models/weights/cmunext-xxs-hw_{quant or 'float'}_busi.pt"
    network = from_checkpoint(torch.load(ROOT / name, weights_only=False)).train()
    samples = [calib_data.load(name, (96, 96), 3) for name in calib_data.names()[:2]]
    x = torch.stack([torch.from_numpy(sample.codes) for sample in samples]).permute(0, 3, 1, 2) / 256
    masks = torch.stack([torch.from_numpy(sample.mask) for sample in samples])[:, None].float()
    loss, gradient, statistics = gradient_and_statistics(copy.deepcopy(network), x, masks, "float32")
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    alone = 0 if quant is None else 1  # what the head reads, whose bias needs its scale
    calls = []
    monkeypatch.setattr("quant.layers.joined.normalized", lambda *a: calls.append(a) or passes.normalized(*a))
    join_passes(network)
    found = gradient_and_statistics(network.to(memory_format=torch.channels_last), x, masks, precision)
    assert len(calls) == norms - alone
    near, alike = (0.05, 0.9) if precision == "bfloat16" or quant else (1e-4, 0.9999)  # codes at a threshold differ
    assert found[0] == pytest.approx(loss, rel=near)
    assert torch.nn.functional.cosine_similarity(found[1], gradient, dim=0) > alike
    assert found[2].keys() == statistics.keys()
    for key, value in statistics.items():
        assert torch.allclose(found[2][key], value, rtol=near, atol=0.4 * near), key


def test_joined_networks_keep_names_and_what_observes_them():
    network = models.build("cmunext-tiny-hw").train()
    names = list(network.state_dict())
    join_passes(network)
    assert list(network.state_dict()) == names
    layer = network.stem
    norm, act = layer[1], layer[2]
    x = torch.rand(1, layer[0].out_channels, 4, 4).to(torch.bfloat16)
    assert torch.equal(layer[1:](x), norm_and_activation(norm, act, x))  # a slice is joined as well
    for of in (norm, act):
        seen = []
        handle = of.register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output))
        norm_and_activation(norm, act, x)
        handle.remove()
        assert len(seen) == 1
    assert norm(x).min() < 0  # by hand, layer by layer, a BN is a BN


def test_a_threshold_that_learns_has_its_gradient():
    act = quantizer(4, 1, signed=False)
    log2_threshold(act).requires_grad_(True)
    norm = a_norm(4)
    x = torch.randn(2, 4, 8, 8).to(torch.bfloat16)
    norm_and_activation(norm, act, x).sum().backward()
    assert log2_threshold(act).grad.abs() > 0


def test_at_inference_statistics_stay_and_values_are_those_of_the_modules():
    norm, x = a_norm(16).eval(), torch.randn(2, 16, 8, 8).to(torch.bfloat16)
    norm.running_mean.normal_()
    with torch.no_grad():
        found = norm_and_activation(norm, nn.ReLU(), x)
        exact = torch.relu(copy.deepcopy(norm).double()(x.double()))
    assert torch.all((found.double() - exact).abs() <= HALF_STEPS[x.dtype] * exact.abs() + 1e-6)
    assert norm.num_batches_tracked == 0


def test_without_gradients_float32_goes_through_the_modules(monkeypatch):
    for kernel in ("normalized", "activated"):
        for module in ("joined", "fused"):
            monkeypatch.setattr(f"quant.layers.{module}.{kernel}", None, raising=False)
    x = torch.randn(2, 16, 8, 8)
    for norm in (a_norm(16), a_norm(16).eval()):
        with torch.no_grad():
            found = norm_and_activation(copy.deepcopy(norm), nn.ReLU(), x)
            assert torch.equal(found, torch.relu(copy.deepcopy(norm)(x)))
            quantizer(4, 1, signed=False)(x)
    with asking_teacher(), pytest.raises(TypeError, match="not callable"):
        norm_and_activation(a_norm(16).eval(), nn.ReLU(), x)
    with pytest.raises(TypeError, match="not callable"):
        norm_and_activation(a_norm(16), nn.ReLU(), x)


def test_norms_that_lack_a_part_or_have_a_forward_of_their_own_go_through_torch():
    x = torch.randn(2, 8, 6, 6)
    without_statistics, own = a_norm(8), a_norm(8)
    without_statistics.running_mean = without_statistics.running_var = None
    own.forward = lambda x: x * 3
    for norm in (nn.BatchNorm2d(8, bias=False), nn.BatchNorm2d(8, affine=False), without_statistics, own):
        assert torch.equal(norm_and_activation(norm, nn.ReLU(), x), torch.relu(copy.deepcopy(norm)(x)))
    with pytest.raises(RuntimeError, match="running_mean should contain"):
        norm_and_activation(a_norm(4), None, x)


def test_one_value_a_channel_is_refused_as_torch_does():
    with pytest.raises(ValueError, match="more than 1 value"):
        norm_and_activation(a_norm(4), None, torch.ones(1, 4, 1, 1, dtype=torch.bfloat16))
