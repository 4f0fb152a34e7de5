"""Networks as people write them: the twin is the network, attribute by attribute, or one sentence says why not."""

import copy

import pytest
import torch
import written_networks
from torch import nn
from torch.nn import functional as F
from written_networks import LOWERS, Written, block, conv

from models.layers import Upsample2x
from quant.base.errors import ConfigError
from quant.data.pairs import to_input
from quant.layers.frozen_norm import FrozenNorm
from quant.twin import twin as twins
from quant.twin import twin_proof
from quant.twin.activations import ACTIVATIONS
from quant.twin.config import QuantConfig
from quant.twin.module_graph import run_graph
from quant.twin.normal_form import normal_form
from quant.twin.structure import Structure
from quant.twin.twin import build_twin
from quant.twin.untrained import take_statistics

SEED = 4
W4A4 = QuantConfig.read("w4a4")


def seasoned(make):
    """A network whose BNs have seen something, in evaluation mode."""
    torch.manual_seed(SEED)
    network = make()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, -1.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def channels_of(network):
    return next(module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("name", LOWERS)
def test_normal_form_is_the_network(name):
    network = seasoned(LOWERS[name])
    images = torch.rand(2, channels_of(network), 32, 48)
    graph = normal_form(network)
    with torch.no_grad():
        wanted, found = network(images), run_graph(graph.graph, graph.root, images)
    assert (found - wanted).abs().max() < 1e-5 * max(1.0, float(wanted.abs().max()))
    for module in (graph.module(node) for node in graph.graph.nodes):
        assert module is None or not getattr(module, "inplace", False)


@pytest.mark.parametrize("name", LOWERS)
def test_every_accumulator_has_one_chain_and_every_join_one_scale(name):
    structure = Structure(seasoned(LOWERS[name]))
    sites = structure.convolutions()
    assert [site.norm is None for site in sites] == [False] * (len(sites) - 1) + [True] or sites[-1].norm is not None
    assert sum(site.norm is None for site in sites) == 1, "the last convolution alone has none"
    quantized = {name for group in structure.scale_groups() for name in group}
    for site in sites:
        assert site.norm is None or site.activation in quantized
        assert site.source is None or site.source in quantized
    named = [str(node.target) for node in structure.nodes if node.op == "call_module"]
    assert len(named) == len(set(named)), "no module is called twice"


def test_networks_of_modules_alone_are_left_as_they_are():
    network = seasoned(lambda: Written(lambda net, x: net.a(x), a=block()))
    structure = Structure(network)
    assert [str(node.target) for node in structure.nodes[1:-1]] == [
        "stem.0",
        "stem.1",
        "stem.2",
        "a.0",
        "a.1",
        "a.2",
        "head",
    ]
    assert not any(structure.is_inserted(name) for name in structure.modules if name.startswith("stem"))


def test_the_float_network_is_left_alone():
    network = seasoned(LOWERS["bn_on_the_head"])
    network.stem[2].inplace = True
    before, mode = copy.deepcopy(network.state_dict()), network.train().training
    build_twin(network, 3, W4A4)
    assert network.training is mode and network.stem[2].inplace and isinstance(network.norm, nn.BatchNorm2d)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


class Attributes(nn.Module):
    """A network that has every attribute that a twin could lose."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, dilation=2, padding="same", bias=False)
        self.norm_a = nn.BatchNorm2d(4, eps=0.5, momentum=0.3)
        self.b, self.norm_b = nn.Conv2d(4, 4, (1, 5), padding=(0, 2), groups=2), nn.BatchNorm2d(4, affine=False)
        self.linear, self.norm_c = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, eps=1.0, momentum=0.4)
        self.leaky, self.head = nn.LeakyReLU(0.3), nn.Conv2d(4, 1, 3, padding=1, padding_mode="zeros")

    def forward(self, x):
        x = self.leaky(self.norm_a(self.a(x)))
        x = x + self.norm_c(self.linear(F.relu(self.norm_b(self.b(x)))))
        return self.head(x)


def test_the_twin_keeps_every_attribute():
    network = build_twin(seasoned(Attributes), 3, W4A4).network
    assert (network.a.dilation, network.a.padding, network.a.padding_mode) == ((2, 2), (2, 2), "zeros")
    assert (network.b.kernel_size, network.b.padding, network.b.groups) == ((1, 5), (0, 2), 2)
    assert (network.norm_a.eps, network.norm_a.momentum) == (0.5, 0.3)
    assert (network.norm_c.eps, network.norm_c.momentum) == (1.0, 0.4), "a BN whose own output is quantized"
    assert network.norm_b.affine and network.leaky.activation.negative_slope == 0.3


LOST = [
    (lambda twin: setattr(twin.get_submodule("a"), "dilation", (1, 1)), "a"),
    (lambda twin: setattr(twin.get_submodule("norm_a"), "eps", 1e-5), "norm_a"),
    (lambda twin: setattr(twin.get_submodule("b"), "padding", (0, 1)), "b"),
    (lambda twin: setattr(twin.get_submodule("norm_c"), "eps", 0.9), "norm_c"),
    (lambda twin: setattr(twin.get_submodule("leaky").activation, "negative_slope", 0.25), "leaky"),
    (lambda twin: twin.get_submodule("linear").weight.data.mul_(1.01), "linear"),
    (lambda twin: twin.get_submodule("head").bias.data.add_(0.01), "head"),
]


def _forgetful(lose):
    """The proof of a twin that ``lose`` was done to."""

    def prove(graph, network, structure, size):
        lose(graph.root)
        twin_proof.prove_twin(graph, network, structure, size)

    return prove


@pytest.mark.parametrize(("lose", "layer"), LOST, ids=[layer for _, layer in LOST])
def test_an_attribute_that_were_lost_is_found_and_its_layer_named(lose, layer, monkeypatch):
    monkeypatch.setattr(twins, "prove_twin", _forgetful(lose))
    with pytest.raises(ConfigError, match=rf"the quantized twin is not the network: without quantizers, '{layer}' \("):
        build_twin(seasoned(Attributes), 3, W4A4)


def test_a_size_that_holds_for_one_image_alone_is_found():
    def body(net, x):
        return F.interpolate(net.a(x), size=(64, 64), mode="bilinear")

    with pytest.raises(ConfigError, match=r"not the network: .* differs for an image of 96x160"):
        build_twin(seasoned(lambda: Written(body, a=block())), 3, W4A4)


def test_a_network_for_one_size_alone_is_proved_at_that_size():
    def body(net, x):
        return net.a(x) + F.interpolate(F.max_pool2d(net.b(x), 2), size=(64, 64), mode="bilinear")

    network = seasoned(lambda: Written(body, a=block(), b=block()))
    with pytest.raises(RuntimeError, match="must match the size"):
        network(torch.zeros(1, 3, 96, 160))
    assert build_twin(network, 3, W4A4).groups


def test_a_hook_is_found():
    network = seasoned(lambda: Written(lambda net, x: net.a(x), a=block()))
    network.a[0].register_forward_hook(lambda module, inputs, output: output * 1.5)
    with pytest.raises(ConfigError, match=r"without quantizers, 'a\.0' \(Conv2d\) differs .* without hooks"):
        build_twin(network, 3, W4A4)


def test_channels_of_the_configuration_are_those_of_the_network():
    assert build_twin(seasoned(LOWERS["four_channels"]), 4, W4A4).in_channels == 4
    with pytest.raises(ConfigError, match=r"does not run on an image of 3x64x64: 'stem\.0' says"):
        build_twin(seasoned(LOWERS["one_channel"]), 3, W4A4)


def test_what_is_not_called_is_left_out():
    twin = build_twin(seasoned(lambda: Written(lambda net, x: net.a(x), a=block(), idle=block())), 3, W4A4)
    assert not [name for name, _ in twin.named_parameters() if "idle" in name]


def test_inserted_norms_take_no_statistics_in_training():
    twin = build_twin(seasoned(LOWERS["convolution_without_bn"]), 3, W4A4).train()
    frozen = [module for module in twin.modules() if isinstance(module, FrozenNorm)]
    assert frozen and not any(module.training for module in frozen)
    before = [module.running_mean.clone() for module in frozen]
    twin(to_input(torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)))
    assert all(torch.equal(module.running_mean, mean) for module, mean in zip(frozen, before, strict=True))
    assert twin.network.stem[1].training


def body(function, **layers):
    return lambda: Written(function, **{name: make() for name, make in layers.items()})


def by_shape(net, x):
    if x.shape[2] > 64:
        x = net.a(x)
    return x


def over_rows(net, x):
    for _ in range(x.shape[2]):
        x = net.a(x)
    return x


def by_value(net, x):
    return x if x.mean() > 0 else net.a(x)


def not_a_number():
    network = Written(lambda net, x: net.a(x), a=block())
    network.a[0].weight.data[0, 0, 0, 0] = float("nan")
    return network


def without(head, function, **layers):
    return lambda: Written(function, head=head, **{name: make() for name, make in layers.items()})


def written_into(net, x):
    y = net.a(x)
    y[:, :2] = x[:, 2:]
    return y


REFUSED = {
    "padding_mode": (
        body(lambda net, x: net.a(x), a=lambda: conv(padding_mode="reflect")),
        r"'a' has padding_mode='reflect'; only 'zeros' lowers",
    ),
    "circular": (
        body(lambda net, x: net.a(x), a=lambda: conv(padding_mode="circular")),
        r"'a' has padding_mode='circular'",
    ),
    "no_statistics": (
        body(lambda net, x: net.a(x), a=lambda: nn.BatchNorm2d(4, track_running_stats=False)),
        r"'a' .* track_running_stats=False",
    ),
    "strides": (
        body(lambda net, x: net.a(x), a=lambda: conv(stride=(1, 2))),
        r"'a' has stride \(1, 2\); only the same for height and width lowers",
    ),
    "pool_strides": (
        body(lambda net, x: F.max_pool2d(x, 2, (1, 2))),
        r"'max_pool2d' \(test_written.py, line \d+\) is a max-pool with kernel \(2, 2\) and stride \(1, 2\)",
    ),
    "average_of_3": (
        body(lambda net, x: net.a(x), a=lambda: nn.AvgPool2d(3, (1, 2), 1)),
        r"'a' averages with kernel \(3, 3\) and stride \(1, 2\); windows of more than a pixel, with the same stride",
    ),
    "average_by_another_number": (
        body(lambda net, x: net.a(x), a=lambda: nn.AvgPool2d(2, divisor_override=3)),
        r"'a' averages with kernel \(2, 2\) and stride \(2, 2\); .* lower, without divisor_override",
    ),
    "adaptive_average": (
        body(lambda net, x: net.a(x), a=lambda: nn.AdaptiveAvgPool2d(8)),
        r"'a' pools 64x64 pixels to 8x8; equal windows without overlap lower: choose a size of the image",
    ),
    "transposed_groups": (
        body(lambda net, x: net.a(x), a=lambda: nn.ConvTranspose2d(4, 4, 2, 2, groups=2)),
        r"'a' has groups=2 and dilation \(1, 1\); only one group without dilation lowers",
    ),
    "transposed_stride_1": (
        body(lambda net, x: net.a(x), a=lambda: nn.ConvTranspose2d(4, 4, 3, 1, 1)),
        r"'a' has stride \(1, 1\); only equal ones of 2 or more lower: with stride 1 write a Conv2d",
    ),
    "transposed_size": (
        body(lambda net, x: net.a(x), a=lambda: nn.ConvTranspose2d(4, 4, 3, 2)),
        r"'a' does not make its input exactly 2 times as large; set padding and output_padding",
    ),
    "output_size": (
        body(lambda net, x: net.a(x, output_size=(128, 128)), a=lambda: nn.ConvTranspose2d(4, 4, 3, 2, 1)),
        r"'a' is called with an output_size; give the module padding and output_padding",
    ),
    "nearest_of_one_side": (
        body(lambda net, x: net.a(x), a=lambda: nn.Upsample(scale_factor=(2, 1))),
        r"'a' resizes by 2x1, mode='nearest'; only mode='nearest' by a whole factor",
    ),
    "corners": (
        body(lambda net, x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)),
        r"'interpolate' .* mode='bilinear', align_corners=True \(whose weights float32 rounds\); only mode.*=False",
    ),
    "by_three": (
        body(lambda net, x: F.interpolate(x, scale_factor=3, mode="bilinear")),
        r"resizes by 3x3, mode='bilinear'; .* by 2, 4, 8, 16 or 32, lower",
    ),
    "group_norm": (
        body(lambda net, x: net.a(x), a=lambda: nn.GroupNorm(2, 4)),
        r"'a' is a GroupNorm, .* take BatchNorm2d",
    ),
    "linear": (
        body(lambda net, x: net.a(x), a=lambda: nn.Softmax2d()),
        r"'a' is a Softmax2d, which has no integer form; where the network ends in it, leave it out: loss and mask",
    ),
    "probabilities": (
        without(False, lambda net, x: F.softmax(net.a(x), 1), a=conv),
        r"'softmax' .* has no integer form; where the network ends in it, leave it out",
    ),
    "indices": (
        without(False, lambda net, x: net.a(x).argmax(1, keepdim=True), a=conv),
        r"'argmax' .* has no integer form; where the network ends in it, leave it out",
    ),
    "unpooled": (
        body(
            lambda net, x: net.b(*net.a(x)), a=lambda: nn.MaxPool2d(2, return_indices=True), b=lambda: nn.MaxUnpool2d(2)
        ),
        r"'a' gives the places of its maxima, by which nothing lowers; enlarge by nearest or bilinear",
    ),
    "unpooled_by_functions": (
        body(lambda net, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
        r"'max_pool2d_with_indices' .* gives the places of its maxima, by which nothing lowers",
    ),
    "replicated": (
        body(lambda net, x: net.a(x), a=lambda: nn.ReplicationPad2d(1)),
        r"'a' is a ReplicationPad2d, which pads by other values than zeros; take ZeroPad2d",
    ),
    "attribute": (body(lambda net, x: net.a(x.real), a=conv), r"reads 'real' of a tensor, which has no integer form"),
    "mean": (
        body(lambda net, x: x - x.mean((1, 2), keepdim=True)),
        r"'mean' .* is a mean over the dimensions \[1, 2\]; only height, width or both, 2 and 3, or channels, 1,",
    ),
    "greatest": (
        body(lambda net, x: x * net.a(x), a=lambda: nn.AdaptiveMaxPool2d(1)),
        r"'a' pools 64x64 pixels to 1x1; equal windows .* or pool by a fixed window",
    ),
    "sum_of_rows": (
        body(lambda net, x: x * x.sum((2, 3), keepdim=True)),
        r"'sum' .* sums over the dimensions \[2, 3\]; only channels, 1, lower: over height and width take the mean",
    ),
    "maximum_of_rows": (
        body(lambda net, x: x * x.amax((2, 3), keepdim=True)),
        r"'amax' .* is a maximum over the dimensions \[2, 3\]; only channels, 1, lower",
    ),
    "greater": (
        body(lambda net, x: torch.max(x, net.a(x)), a=conv),
        r"'max' .* is the greater of two tensors; a \+ relu\(b - a\) is the same",
    ),
    "sequence": (
        body(lambda net, x: net.a(x.flatten(2)).reshape(x.shape), a=lambda: nn.Conv1d(4, 4, 3, padding=1)),
        r"'a' is a Conv1d of more than one pixel; over the channels of one it lowers",
    ),
    "reduced_by_a_part": (
        body(lambda net, x: F.interpolate(F.interpolate(x, scale_factor=0.75, mode="bilinear"), size=x.shape[2:])),
        r"'interpolate' .* resizes 64x64 to 48x48 pixels, mode='bilinear'; a whole fraction lowers",
    ),
    "product": (
        body(lambda net, x: x * net.a(x), a=lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(4, 1, 1))),
        r"'mul' .* multiplies tensors of 4x64x64 and 1x1x1; equal ones lower, or one value for each channel",
    ),
    "one_pixel": (
        body(lambda net, x: F.interpolate(net.a(x), size=(128, 128)), a=lambda: nn.AdaptiveAvgPool2d(1)),
        r"'interpolate' .* enlarges one pixel to 128x128, which is not the size of any tensor that it was averaged of",
    ),
    "expanded": (
        body(lambda net, x: net.a(x).expand_as(x), a=lambda: conv(4, 1)),
        r"'expand_as' .* expands 1x64x64 to 4x64x64; only one pixel of each channel, row or column is",
    ),
    "dense": (
        body(lambda net, x: net.a(x), a=lambda: nn.Linear(64, 64)),
        r"'a' is a Linear of 4x64x64; only one of the channels of a single pixel lowers",
    ),
    "reshaped": (
        body(lambda net, x: net.a(x.reshape(1, 16, x.shape[2] // 2, x.shape[3] // 2)), a=lambda: conv(16, 4)),
        r"'reshape' .* makes 16x128x128 of 4x256x256, which is no slice, split, crop, order of channels, zeros around,",
    ),
    "transposed": (body(lambda net, x: net.a(x.transpose(2, 3)), a=conv), r"'transpose' .* which is no slice, split"),
    "rolled": (body(lambda net, x: net.a(x.roll(1, 2)), a=conv), r"'roll' .* is an operation that has no integer form"),
    "parts": (
        body(lambda net, x: sum(torch.sort(x, 1))),
        r"'sort' .* gives several tensors, which has no integer form here",
    ),
    "written_into": (
        body(written_into, a=conv),
        r"writes into a part of a tensor in `y\[:, :2\] = x\[:, 2:\]` .*; join its parts by",
    ),
    "quotient": (body(lambda net, x: 1 / x), r"'truediv' .* divides by an activation"),
    "sizes": (
        body(lambda net, x: x + net.a(x), a=lambda: conv(4, 8)),
        r"'add' \(test_written.py, line \d+\) says 'The size of tensor a",
    ),
    "spread": (
        body(lambda net, x: x + F.max_pool2d(net.a(x), 64), a=lambda: conv(4, 1)),
        r"'add' .* adds tensors of 4x64x64 and 1x1x1",
    ),
    "wrong_channels": (
        body(lambda net, x: net.a(x), a=lambda: conv(8, 4)),
        r"does not run on an image of 3x64x64: 'a' says",
    ),
    "joined_lines": (
        body(
            lambda net, x: x + net.a(torch.cat([x.mean(3, keepdim=True), x.mean(3, keepdim=True)], 2))[:, :, :1],
            a=conv,
        ),
        r"'a' mixes pixels of lines that are joined; until they are split again, 1x1 convolutions, BNs, activations",
    ),
    "part_of_joined_lines": (
        body(lambda net, x: x + torch.cat([x.mean(3, keepdim=True), x.mean(3, keepdim=True)], 2)[:, :, 1:65]),
        r"'getitem' .* takes a part of joined lines that is not one of them; split them as they were joined",
    ),
    "rows": (body(lambda net, x: torch.cat([x, x], 2)), r"'cat' .* concatenates along dimension 2"),
    "by_shape": (body(by_shape, a=block), r"not the network: .* differs for an image of 96x160"),
    "over_rows": (
        body(over_rows, a=lambda: nn.AvgPool2d(3, 1, 1)),
        r"not the network: .* differs for an image of 96x160",
    ),
    "by_value": (body(by_value, a=block), r"in `return x if x\.mean\(\) > 0 else net\.a\(x\)`"),
    "nan": (not_a_number, r"'a\.0\.weight' of the network holds NaN or infinity"),
    "tuple": (
        without(False, lambda net, x: (x, x)),
        r"forward returns a tuple; return the \(B, classes, H, W\) logits alone",
    ),
    "dict": (without(False, lambda net, x: {"out": x}), r"forward returns a dict; return"),
    "small": (
        without(True, lambda net, x: F.max_pool2d(x, 2)),
        r"gives 1x32x32 for an image of 64x64; logits have the image's size",
    ),
    "sigmoid": (
        without(False, lambda net, x: torch.sigmoid(net.a(x)), a=conv),
        r"the network ends in 'inserted\.sigmoid' \(Sigmoid\); leave it out",
    ),
    "reflected": (
        body(lambda net, x: net.a(F.pad(x, [1, 1, 1, 1], mode="reflect")), a=lambda: conv(padding=0)),
        r"'pad' .* pads by \(1, 1, 1, 1\), mode='reflect', value=0; only zeros",
    ),
    "padded_by_ones": (
        body(lambda net, x: net.a(x), a=lambda: nn.ConstantPad2d(1, 1.0)),
        r"'a' pads by \(1, 1, 1, 1\), mode='constant', value=1.0; only zeros",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_lower_is_one_sentence(name):
    make, sentence = REFUSED[name]
    with pytest.raises(ConfigError, match=sentence) as refused:
        build_twin(make().eval(), 3, W4A4)
    assert "\n" not in str(refused.value)


def test_activations_train_even_where_they_are_not_exported():
    for kind in (nn.GELU, nn.PReLU, nn.Softplus):
        network = seasoned(lambda kind=kind: Written(lambda net, x: net.a(x), a=block(activation=kind)))
        assert build_twin(network, 3, W4A4).eval()(torch.rand(1, 3, 16, 16)).isfinite().all()
    assert {nn.GELU, nn.PReLU, nn.Softplus} <= set(ACTIVATIONS)


def test_a_module_of_the_network_may_have_any_name():
    names = dict.fromkeys(("inserted", "graph", "image", "last", "call", "place"), block)
    network = seasoned(
        lambda: Written(
            lambda net, x: F.relu(net.place(net.call(net.last(net.image(net.graph(net.inserted(x))))))),
            up=Upsample2x(),
            **{name: make() for name, make in names.items()},
        )
    )
    twin = build_twin(network, 3, W4A4)
    assert [name for name in names if not hasattr(twin.network, name)] == []


def test_written_networks_are_what_they_say():
    assert len(LOWERS) >= 45 and written_networks.LOWERS is LOWERS


class Flags(nn.Module):
    """A forward with arguments that have defaults, as of encoders that can be used alone."""

    def __init__(self):
        super().__init__()
        self.a, self.head = conv(3, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x, only_encode=False, gain=2.0, name=None):
        x = F.relu(self.a(x))
        if name is not None:
            x = -x
        return x if only_encode else self.head(x * gain)


def test_arguments_that_have_a_default_are_taken_as_that():
    network = seasoned(Flags)
    images = torch.rand(1, 3, 32, 32)
    graph = normal_form(network)
    with torch.no_grad():
        assert (run_graph(graph.graph, graph.root, images) - network(images)).abs().max() < 1e-5


def test_a_pool_is_put_behind_each_activation_that_allows_it_whatever_others_there_are():
    def body(net, x):
        x = net.leaky(net.pool(net.b(net.a(x))))
        return net.up(net.up(net.relu(net.pool(net.c(x)))))

    layers = {"a": conv(), "b": conv(), "c": conv(), "pool": nn.MaxPool2d(2), "leaky": nn.LeakyReLU(0.1)}
    layers["up"] = nn.Upsample(scale_factor=2, mode="bilinear")
    graph = normal_form(seasoned(lambda: Written(body, **layers, relu=nn.ReLU())))
    modules = {node: graph.root.get_submodule(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    behind = [type(modules[node.args[0]]) for node, module in modules.items() if isinstance(module, nn.MaxPool2d)]
    assert behind[-1] is nn.ReLU


def test_a_norm_of_a_convolution_that_others_read_gets_one_of_its_own():
    def body(net, x):
        convolved = net.c(x)
        return net.norm(convolved) + convolved

    graph = normal_form(seasoned(lambda: Written(body, c=conv(), norm=nn.BatchNorm2d(4))))
    modules = {node: graph.root.get_submodule(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    sources = [node.args[0] for node, module in modules.items() if isinstance(module, nn.BatchNorm2d)]
    assert len(sources) > 1
    assert all(isinstance(modules[source], nn.Conv2d) and len(source.users) == 1 for source in sources)


def test_a_module_that_is_made_in_forward_is_named_with_its_line():
    network = Written(lambda net, x: nn.ReLU()(net.a(x)), a=conv())
    with pytest.raises(ConfigError, match=r"calls a module that is not its own in .*\(test_written\.py, line \d+\);"):
        normal_form(network)


def test_a_forward_that_goes_another_way_when_it_is_traced_is_not_called_broken():
    def body(net, x):
        return net.a(x) if isinstance(x, torch.Tensor) else net.a(torch.cat([x, x], 1))

    with pytest.raises(ConfigError, match=r"runs on an image of 3x64x64, but its forward takes another path when"):
        normal_form(Written(body, a=conv()))


def of_large_biases():
    """Ten blocks whose biases and means are a hundred times as large as what they move."""
    torch.manual_seed(SEED)
    network = Written(lambda net, x: net.a(x), a=nn.Sequential(*(block(activation=nn.LeakyReLU) for _ in range(10))))
    for layer in network.a:
        nn.init.uniform_(layer[0].bias, 32, 64)
    take_statistics(network, torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8))
    return network.eval()


def test_rounding_that_grows_from_layer_to_layer_is_no_difference(monkeypatch):
    """With a tolerance that each layer keeps and the logits of ten do not, as those of ninety with the real one."""
    network = of_large_biases()
    monkeypatch.setattr(twin_proof, "_TOLERANCES", {torch.float64: 7e-8})
    required, require = [], twin_proof._require_each_layer
    monkeypatch.setattr(twin_proof, "_require_each_layer", lambda *given: required.append(require(*given)))
    build_twin(network, 3, W4A4)
    assert required, "its logits differ by more than the tolerance"
    monkeypatch.setattr(
        twins, "prove_twin", _forgetful(lambda twin: twin.get_submodule("a.5.0").weight.data.mul_(1.001))
    )
    with pytest.raises(ConfigError, match=r"without quantizers, 'a\.5\.0' \(Conv2d\) differs"):
        build_twin(network, 3, W4A4)


def unet_with_pads(net, x):
    """A U-Net whose upsampled tensor is padded to its skip, as images of odd sides need it."""
    y = net.up(net.b(net.pool(x)))
    rows, columns = x.size()[2] - y.size()[2], x.size()[3] - y.size()[3]
    return net.a(torch.cat([x, F.pad(y, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])], 1))


def pyramid_of_bins(net, x):
    """Adaptive pools, whose windows depend on the image."""
    small = net.b(F.adaptive_max_pool2d(x, (11, 16)))
    pooled = [F.interpolate(pool(x), x.shape[2:]) for pool in (net.one, net.three, net.most)]
    return net.a(torch.cat([x, *pooled, F.interpolate(small, x.shape[2:])], 1))


def thirds(net, x):
    return F.interpolate(net.a(F.interpolate(x, scale_factor=1 / 3, mode="bilinear")), scale_factor=3)


OF_ONE_SIZE = {
    "padded_to_its_skip": (
        (33, 47),
        lambda: Written(
            unet_with_pads, a=block(8, 4), b=block(), pool=nn.MaxPool2d(2), up=nn.ConvTranspose2d(4, 4, 2, 2)
        ),
    ),
    "bins": (
        (33, 48),
        lambda: Written(
            pyramid_of_bins, a=block(20, 4), b=block(), one=nn.AdaptiveAvgPool2d((None, None)),
            three=nn.AdaptiveAvgPool2d((11, 16)), most=nn.AdaptiveMaxPool2d(1),
        ),
    ),
    "thirds": ((33, 48), lambda: Written(thirds, a=block())),
    "path_of_its_shape": ((96, 80), lambda: Written(by_shape, a=block())),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_ONE_SIZE)
def test_pads_and_windows_that_depend_on_the_size_are_those_of_the_image(name):
    size, make = OF_ONE_SIZE[name]
    network = seasoned(make)
    twin = build_twin(network, 3, W4A4, size)
    assert twin.size == size and Structure(network, 3, size).graph.of_one_size
    assert twin.eval()(torch.rand(1, 3, *size)).shape[2:] == size
    other = build_twin(seasoned(make), 3, W4A4, (66, 96)) if name != "path_of_its_shape" else twin
    assert other.state_dict().keys() == twin.state_dict().keys(), "weights of one size are those of another"


def test_what_holds_for_any_size_is_taken_where_it_holds_at_the_image():
    network = seasoned(LOWERS["interpolate_to_size"])
    assert not Structure(network, 3, (32, 48)).graph.of_one_size


def test_each_use_of_a_shared_layer_learns_for_itself():
    network = seasoned(LOWERS["recurrent"])
    twin = build_twin(network, 3, W4A4).network
    weights = [twin.get_submodule(name).weight for name in ("a.0", "a.0_2", "a.0_3")]
    assert all(torch.equal(weight, network.a[0].weight) for weight in weights)
    assert len({weight.data_ptr() for weight in weights}) == len(weights)
    assert not Structure(network).is_inserted("a.0_3")


def refuses_thirds(net, x):
    if x.shape[2] % 3:
        raise RuntimeError("Wrong input shape")
    return net.a(x)


def test_a_size_that_forward_refuses_is_said_in_its_own_words():
    network = seasoned(lambda: Written(refuses_thirds, a=block()))
    wanted = r"does not run on an image of 3x64x64: its forward says 'Wrong input shape' in `raise RuntimeError.*`"
    with pytest.raises(ConfigError, match=wanted):
        Structure(network, 3)
    assert Structure(network, 3, (33, 32)).graph.of_one_size


def test_equal_layers_of_one_tensor_are_one():
    structure = Structure(seasoned(LOWERS["pooled_twice"]))
    kinds = [type(structure.module(node)).__name__ for node in structure.nodes]
    assert (kinds.count("WindowMean"), kinds.count("SiLU"), kinds.count("ZeroPad2d")) == (2, 1, 2)
