"""Subclasses of Conv2d and BatchNorm2d with a forward of their own, as encoder libraries have them."""

import math

import pytest
import torch
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import Written, block, conv

from quant.base.errors import ConfigError
from quant.export.trained_proof import prove_tables, prove_trained
from quant.integer.torch_engine import TorchEngine
from quant.layers.fused import plain
from quant.twin import written
from quant.twin.config import QuantConfig
from quant.twin.module_graph import run_graph
from quant.twin.normal_form import normal_form
from quant.twin.structure import Structure
from quant.twin.twin import build_twin

SEED, SIZE = 6, (16, 24)
W4A4 = QuantConfig.read("w4a4")


class NormAct(nn.BatchNorm2d):
    """A BN that contains what drops channels in training, and its activation."""

    def __init__(self, channels, act=nn.ReLU, drop=nn.Identity):
        super().__init__(channels, momentum=0.3)
        self.drop, self.act = drop(), act(inplace=True) if act is not nn.Identity else act()

    def forward(self, x):
        torch._assert(x.ndim == 4, f"expected 4D input (got {x.ndim}D input)")
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        statistics = (self.running_mean, self.running_var)
        x = F.batch_norm(x, *statistics, self.weight, self.bias, self.training, factor, self.eps)
        return self.act(self.drop(x))


class NormActBySuper(nn.BatchNorm2d):
    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(super().forward(x))


class SamePadding(nn.Conv2d):
    """Pads as TensorFlow does: more below and on the right."""

    def forward(self, x):
        rows, columns = (
            max((math.ceil(side / step) - 1) * step + kernel - side, 0)
            for side, step, kernel in zip(x.size()[-2:], self.stride, self.kernel_size, strict=True)
        )
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class StaticPadding(nn.Conv2d):
    """The same with its padding as a module."""

    def __init__(self, *channels, **settings):
        super().__init__(*channels, **settings)
        self.static_padding = nn.ZeroPad2d((0, 1, 0, 1))

    def forward(self, x):
        x = self.static_padding(x)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Standardised(nn.Conv2d):
    """Filters of mean 0 and deviation 1."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (self.weight.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ByHand(nn.Module):
    """Filters and statistics of a module that is no layer of torch."""

    def __init__(self):
        super().__init__()
        self.filters, self.factors = nn.Parameter(torch.randn(4, 4, 3, 3)), nn.Parameter(torch.rand(4) + 0.5)
        self.register_buffer("mean", torch.randn(4))
        self.register_buffer("deviation", torch.rand(4) + 0.5)

    def forward(self, x):
        x = F.conv2d(x, self.filters, padding=1)
        return F.relu(F.batch_norm(x, self.mean, self.deviation, self.factors))


def halved(net, x):
    return F.interpolate(net.norm(net.a(x)), scale_factor=2)


def inverted_residual(net, x):
    x = net.stem_norm(net.stem_conv(x))
    y = net.norm1(net.expand(x))
    return net.norm3(net.shrink(net.norm2(net.depthwise(y)))) + x


NETWORKS = {
    "inverted_residual": lambda: Written(
        inverted_residual, stem=False, stem_conv=nn.Conv2d(3, 4, 3, padding=1, bias=False),
        stem_norm=NormAct(4, nn.SiLU), expand=conv(4, 8, 1, bias=False), norm1=NormAct(8, nn.Hardswish, nn.Dropout2d),
        depthwise=conv(8, 8, 3, groups=8, bias=False), norm2=NormAct(8), shrink=conv(8, 4, 1, bias=False),
        norm3=NormAct(4, nn.Identity),
    ),
    "by_super": lambda: Written(lambda net, x: net.norm(net.a(x)), a=conv(), norm=NormActBySuper(4)),
    "same": lambda: Written(halved, a=SamePadding(4, 4, 3, 2, bias=False), norm=NormAct(4)),
    "static": lambda: Written(halved, a=StaticPadding(4, 4, kernel_size=3, stride=2), norm=nn.BatchNorm2d(4)),
    "standardised": lambda: Written(
        lambda net, x: net.norm(net.a(x)), a=Standardised(4, 4, 3, padding=1), norm=NormAct(4)
    ),
    "by_hand": lambda: Written(lambda net, x: net.a(x), a=ByHand()),
    "norm_of_a_sum": lambda: Written(lambda net, x: net.norm(x + net.a(x)), a=block(), norm=NormAct(4, nn.SiLU)),
}  # fmt: skip


def seasoned(name):
    torch.manual_seed(SEED)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_network_as_plain_layers(name):
    network, images = seasoned(name), torch.rand(2, 3, 32, 48)
    graph = normal_form(network)
    with torch.no_grad():
        wanted = network(images)
        found = run_graph(graph.graph, graph.root, images)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
    assert not any(type(module).forward is not nn.Conv2d.forward for module in graph.root.modules() if is_conv(module))
    assert not any(isinstance(module, (NormAct, NormActBySuper)) for module in graph.root.modules())


def is_conv(module):
    return isinstance(module, nn.Conv2d)


def test_layers_keep_their_names():
    structure = Structure(seasoned("inverted_residual"))
    sites = {site.conv: site for site in structure.convolutions()}
    assert sites["depthwise"].chain == ("norm2.norm", "norm2.act")
    assert sites["shrink"].chain == ("norm3.norm",)
    assert [site.table for site in structure.tables()] == ["stem_norm.act", "norm1.act"]
    assert {"a", "a.convolution", "a_2"} & {site.conv for site in Structure(seasoned("same")).convolutions()} == {"a"}
    assert "a.convolution" in {site.conv for site in Structure(seasoned("static")).convolutions()}
    assert not any(structure.is_inserted(site.conv) for site in structure.convolutions())


@pytest.mark.parametrize("name", NETWORKS)
def test_all_that_is_left_takes_part_in_training(name):
    twin = build_twin(seasoned(name), 3, W4A4).train()
    twin(torch.rand(2, 3, *SIZE)).square().sum().backward()
    idle = [key for key, value in twin.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []


def test_statistics_are_taken_on_as_the_norm_took_them():
    twin = build_twin(seasoned("inverted_residual"), 3, W4A4)
    norm = twin.network.get_submodule("norm2.norm")
    assert (norm.momentum, norm.eps) == (0.3, 1e-5)
    before = norm.running_mean.clone()
    twin.train()(torch.rand(2, 3, *SIZE))
    assert not torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("name", NETWORKS)
def test_its_integers_are_those_of_the_twin(name, tmp_path):
    made = settled(seasoned(name), SIZE, W4A4, tmp_path / "model.qonnx")
    compared = prove_trained(made.twin, made.structure.convolutions(), made.program)
    compared += prove_tables(made.twin, made.structure.tables(), made.program)
    assert compared > 100
    codes = torch.randint(0, 256, (3, 3, *SIZE), dtype=torch.uint8)
    with torch.no_grad():
        wanted = plain(made.twin(codes / 256)).permute(0, 2, 3, 1) / made.program.logit_scale
    found = TorchEngine(made.program, "cpu").run(codes.permute(0, 2, 3, 1).numpy())
    assert wanted.std() > 0 and (torch.from_numpy(found) == wanted).all()


class OfTheBatch(nn.Module):
    def forward(self, x):
        return F.batch_norm(x, None, None, training=True)


class OfTheImage(nn.Module):
    def forward(self, x):
        return x + F.conv2d(x, x.mean((2, 3), keepdim=True))


REFUSED = {
    "batch": (lambda net, x: net.a(x), OfTheBatch, r"'batch_norm' .* works out statistics .*; keep running ones"),
    "image": (lambda net, x: net.a(x), OfTheImage, r"'conv2d' .* has filters that are computed from the image"),
    "groups": (lambda net, x: F.group_norm(net.a(x), 2), block, r"'group_norm' .* do not lower; take BatchNorm2d"),
    "instance": (lambda net, x: F.instance_norm(net.a(x)), block, r"'instance_norm' .* do not lower; take Batch"),
    "gpus": (lambda net, x: net.a(x), lambda: nn.SyncBatchNorm(4), r"'a' is a SyncBatchNorm, .*; take BatchNorm2d"),
    "scripted": (
        lambda net, x: net.a(x),
        lambda: torch.jit.script(nn.ReLU()),
        r"'a' of the network is compiled by torch\.jit.*; give it as it was before",
    ),
    "half": (
        lambda net, x: net.a(x),
        lambda: conv().half(),
        r"'a\.weight' of the network is float16; images and weights are float32: call network\.float\(\)",
    ),
    "double": (lambda net, x: net.a(x), lambda: conv().double(), r"is float64; images and weights are float32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_lower_is_one_sentence(name):
    body, layer, sentence = REFUSED[name]
    with pytest.raises(ConfigError, match=sentence) as refused:
        build_twin(Written(body, a=layer()).eval(), 3, W4A4)
    assert "\n" not in str(refused.value)


def attention(net, x):
    small = net.a(F.max_pool2d(x, net.factor) if net.factor > 1 else x)
    rows = small.flatten(2)
    made = (rows @ torch.softmax(rows.transpose(1, 2) @ rows, -1)).view(small.shape)
    return F.interpolate(made, scale_factor=net.factor)


@pytest.mark.parametrize("factor", [1, 2])
def test_attention_of_many_pixels_is_refused_without_a_large_image(factor, monkeypatch):
    """Its products of an image of 256x256 take 16 GiB, for want of which the process would be killed, or 1 GiB."""
    tried = []

    def trace(network, in_channels=None, sizes=((64, 64), (256, 256))):
        tried.append(sizes[0])
        assert sizes[0] == (64, 64), "a large image"
        return written_trace(network, in_channels, sizes)

    written_trace = written.Trace
    monkeypatch.setattr(written, "Trace", trace)
    network = Written(attention, a=conv()).eval()
    network.factor = factor
    with pytest.raises(ConfigError, match=r"'transpose' .* makes (4096x4 of 4x64x64|1024x4 of 4x32x32)"):
        Structure(network)
    assert tried == [(64, 64)]
