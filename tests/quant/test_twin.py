"""The quantized twin: scales, shared quantizers, the tie rule, and settled thresholds."""

import copy

import pytest
import torch
from torch import nn

import models
from models.layers import Sum
from quant.base.errors import ConfigError
from quant.data.pairs import to_input
from quant.layers.fused import FusedQuantReLU
from quant.layers.quantizers import best_threshold_exponent, log2_threshold
from quant.twin.config import QuantConfig
from quant.twin.networks import settle
from quant.twin.prepare import calibrate, fill_weight_range
from quant.twin.quantized_layers import QuantizedMultiples
from quant.twin.settle import (
    SETTLED_DISTANCE,
    _affine,
    _distances,
    _fraction_near,
    _shortest_step,
    threshold_margins,
)
from quant.twin.structure import convolution_sites
from quant.twin.twin import build_twin

SEED = 7


def seasoned_network(name: str) -> nn.Module:
    """A float network whose BNs have seen something, as after training."""
    torch.manual_seed(SEED)
    network = models.build(name)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network.eval()


def random_codes(count: int = 2, size: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def calibrated_twin(name: str, config: str):
    network = seasoned_network(name)
    twin = build_twin(network, 3, QuantConfig.read(config))
    fill_weight_range(twin, convolution_sites(network))
    calibrate(twin, random_codes())
    return network, twin.eval()


def quantized_sums(twin: nn.Module) -> list[QuantizedMultiples]:
    return [module for module in twin.modules() if isinstance(getattr(module, "layer", None), Sum)]


@pytest.mark.parametrize("name", ["cmunext-tiny-hw", "cmunext-xxs", "cmunext-s", "unet3", "mobile-cmunext"])
def test_eight_bit_twin_stays_near_the_float_network(name):
    network, twin = calibrated_twin(name, "w8a8")
    x = to_input(random_codes())
    with torch.no_grad():
        wanted, got = network(x), twin(x)
    assert (wanted - got).abs().max() < 0.15 * wanted.abs().max()


def test_logits_of_the_twin_are_integers_of_the_head_accumulator():
    _, twin = calibrated_twin("cmunext-tiny-hw", "w4a4")
    head = twin.network.head
    source = twin.network.fuse[-1].mix[-1][-1]
    step = head.quant_weight().scale * source.act_quant.scale()
    with torch.no_grad():
        codes = twin(to_input(random_codes())) / step
    assert torch.equal(codes, torch.round(codes))
    assert codes.unique().numel() > 3


def test_both_terms_of_every_sum_are_codes_of_one_power_of_two_scale():
    _, twin = calibrated_twin("cmunext-tiny-hw", "w4a4")
    seen = []

    def check(module, terms):
        scale = max(term.abs().max() for term in terms) / 15
        exponent = torch.ceil(torch.log2(scale))
        for term in terms:
            codes = term / 2.0**exponent
            seen.append(torch.equal(codes, torch.round(codes)) or torch.equal(codes * 2, torch.round(codes * 2)))
            assert (term >= 0).all()

    sums = quantized_sums(twin)
    for module in sums:
        module.register_forward_pre_hook(check)
    with torch.no_grad():
        twin(to_input(random_codes()))
    assert len(seen) == 2 * len(sums) == 2 * 5
    assert all(seen)


def test_residual_and_skip_branches_share_one_stored_threshold():
    twin = calibrated_twin("cmunext-tiny-hw", "w4a4")[1]
    residual = twin.network.encoder[0][0][0]
    assert log2_threshold(twin.network.stem[2]) is log2_threshold(residual.fn[2])
    skip_source, up_source = twin.network.encoder[0][-1][2], twin.network.up[0][1][2]
    assert log2_threshold(skip_source) is log2_threshold(up_source)
    assert log2_threshold(residual.sum.quantizer) is not log2_threshold(residual.fn[2])


def test_a_sum_on_a_tie_rounds_up():
    module = quantized_sums(calibrated_twin("cmunext-tiny-hw", "w4a4")[1])[0]
    with torch.no_grad():
        log2_threshold(module.quantizer).fill_(1.0)  # scale 2 / 16 = 1/8, terms are multiples of 1/16
        sums = torch.arange(0, 31) / 16.0
        codes = module(sums, torch.zeros_like(sums)) * 8
    assert codes.tolist() == [min(15, (n + 1) // 2) for n in range(31)]


class _SumThenRelu(nn.Module):
    """The ReLU behind its sum holds the quantizer: the sum itself has none."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)), nn.Conv2d(3, 2, 1)
        self.head = nn.Conv2d(2, 1, 1)

    def forward(self, x):
        return self.head(nn.functional.relu(self.a(x) + self.b(x)))


def test_a_sum_whose_relu_is_quantized_rounds_ties_up():
    twin = build_twin(_SumThenRelu().eval(), 3, QuantConfig.read("w4a4"))
    (total,) = quantized_sums(twin)
    relu = next(module for module in twin.modules() if isinstance(module, FusedQuantReLU))
    with torch.no_grad():
        log2_threshold(relu).fill_(1.0)  # scale 1/8, terms are multiples of 1/16
        sums = torch.arange(0, 31) / 16.0
        codes = relu(total(sums, torch.zeros_like(sums))) * 8
    assert codes.tolist() == [min(15, (n + 1) // 2) for n in range(31)]


def test_settled_thresholds_keep_their_distance_and_the_function():
    network, twin = calibrated_twin("cmunext-tiny-hw", "w4a4")
    sites = convolution_sites(network)
    before = min(margin.distance for margin in threshold_margins(twin, sites))
    biases = {name: value.clone() for name, value in twin.named_parameters() if name.endswith("bias")}
    assert settle(twin, "cmunext-tiny-hw") > 0
    after = min(margin.distance for margin in threshold_margins(twin, sites))
    assert before < 0.01 and after >= 0.95 * SETTLED_DISTANCE
    moved = max((value - biases[name]).abs().max().item() for name, value in twin.named_parameters() if name in biases)
    assert 0 < moved < 0.1
    assert settle(twin, "cmunext-tiny-hw") == 0, "a settled network must not move again"


def test_a_channel_moves_no_further_than_it_must():
    assert _shortest_step(torch.tensor([3.005, 4.5], dtype=torch.float64), 0.021) == pytest.approx((0.016, 0.021))
    assert _shortest_step(torch.tensor([2.99, 3.8, 4.4], dtype=torch.float64), 0.021) == pytest.approx((-0.011, 0.021))
    crowded = torch.cat([torch.arange(0, 32), torch.arange(33, 64)]) / 64  # only the gap about a half is wider
    step, distance = _shortest_step(crowded.double(), 0.021)
    assert (abs(step), distance) == (0.5, 1 / 64)


def test_eight_bit_thresholds_keep_their_distance_by_factors_that_hardly_change():
    network, twin = calibrated_twin("cmunext-tiny-hw", "w8a8")
    sites = convolution_sites(network)
    before = min(margin.distance for margin in threshold_margins(twin, sites))
    factors = {name: value.clone() for name, value in twin.state_dict().items() if name.endswith(".weight")}
    with torch.no_grad():
        logits = twin(to_input(random_codes()))
    assert settle(twin, "cmunext-tiny-hw") > 0
    after = min(margin.distance for margin in threshold_margins(twin, sites))
    assert before < 0.005 and after >= 0.95 * SETTLED_DISTANCE
    changes = [(value / factors[name] - 1).abs().max() for name, value in twin.state_dict().items() if name in factors]
    assert 0 < max(changes) < 5e-3
    with torch.no_grad():
        assert (twin(to_input(random_codes())) - logits).abs().max() < 0.02 * logits.abs().max()
    assert settle(twin, "cmunext-tiny-hw") == 0, "a settled network must not move again"


def test_wide_accumulators_get_the_room_that_float32_needs():
    network, twin = calibrated_twin("cmunext-tiny-hw", "w8a8")
    norm = twin.network.stem[1]
    with torch.no_grad():
        norm.weight.div_(16)  # thresholds 16 times as far apart, out where float32 rounds by tenths of a step
        norm.bias.zero_()
    settle(twin, "cmunext-tiny-hw")
    affine = _affine(twin, convolution_sites(network)[0])
    for channel, distance in enumerate(_distances(affine)):
        assert distance >= affine.distances_wanted(channel)[0] > SETTLED_DISTANCE


@pytest.mark.parametrize(
    ("spacing", "aim", "fraction"), [(91.34, 0.021, 91 + 1 / 3), (0.001, 0.021, 1 / 23), (7.7, 0.6, 8)]
)
def test_the_spacing_of_thresholds_becomes_a_fraction_with_room_for_the_distance(spacing, aim, fraction):
    assert _fraction_near(spacing, aim) == pytest.approx(fraction, abs=0.01)


def test_loading_weights_keeps_scales_shared_and_frozen():
    _, twin = calibrated_twin("cmunext-tiny-hw", "w4a4")
    again = build_twin(seasoned_network("cmunext-tiny-hw"), 3, QuantConfig.read("w4a4"))
    again.load_state_dict(twin.state_dict())
    residual = again.network.encoder[0][0][0]
    assert log2_threshold(again.network.stem[2]) is log2_threshold(residual.fn[2])
    assert not any(value.requires_grad for name, value in again.named_parameters() if "scaling" in name)
    with torch.no_grad():
        assert torch.equal(again.eval()(to_input(random_codes())), twin(to_input(random_codes())))


def test_weights_that_lack_a_tensor_are_not_loaded():
    twin = build_twin(_SumThenRelu(), 3, QuantConfig.read("w4a4"))
    weights = twin.state_dict()
    weights.pop("network.head.weight")
    with pytest.raises(RuntimeError, match="head.weight"):
        twin.load_state_dict(weights)


def test_settled_twin_gives_the_same_logits_in_single_and_double_precision():
    _, twin = calibrated_twin("cmunext-tiny-hw", "w4a4")
    settle(twin, "cmunext-tiny-hw")
    x = to_input(random_codes(count=4, size=64))
    with torch.no_grad():
        single, double = twin(x), copy.deepcopy(twin).double()(x.double())
    assert torch.equal(single.double(), double)


def test_best_threshold_exponent_prefers_rounding_over_clipping_where_outliers_are_rare():
    values = torch.cat([torch.linspace(0, 1, 10_000), torch.tensor([3.0])])
    assert best_threshold_exponent(values, bits=4, signed=False) == 0


def test_override_changes_one_layer_and_an_unknown_layer_is_refused():
    network = seasoned_network("cmunext-tiny-hw")
    values = QuantConfig.read("w4a4").as_dict()
    twin = build_twin(network, 3, QuantConfig.from_dict({**values, "layers": {"up.0.1.0": {"weight": 6}}}))
    assert twin.network.up[0][1][0].quant_weight().bit_width == 6
    assert twin.network.fuse[0].mix[0][0].quant_weight().bit_width == 4
    with pytest.raises(ConfigError, match=r"layers\.nowhere names no layer"):
        build_twin(network, 3, QuantConfig.from_dict({**values, "layers": {"nowhere": {"weight": 6}}}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = 'x'\n[bits]\nsum = 9", r"bits\.sum must be 2 to 8, got 9"),
        ("name = 'x'\n[bits]\ninput = 4", r"bits\.input must be 8"),
        ("name = 'x'\n[bit]\nsum = 4", r"unknown key 'bit' in quantization"),
        ("[bits]\nsum = 4", r"has no name"),
        ("name =", r"is not valid TOML"),
        ("name = 'x'\n[layers.head]\nweights = 4", r"layers\.head\.weights is unknown"),
        ("name = 5", r"name of the quantization must be text, got 5"),
        ("name = 'x'\nbits = 4", r"bits must be a table, got 4"),
        ("name = 'x'\n[bits]\nsum = 4.0", r"bits\.sum must be a whole number, got 4\.0"),
        ("name = 'x'\n[bits]\nsum = '4'", r"bits\.sum must be a whole number, got '4'"),
        ("name = 'x'\nlayers = 4", r"layers must be a table, got 4"),
        ("name = 'x'\n[layers]\nhead = 4", r"layers\.head must be a table, got 4"),
        ("name = 'x'\n[layers.head]\nweight = 4.0", r"layers\.head\.weight must be a whole number, got 4\.0"),
        ("name = " + 3000 * "[" + 3000 * "]", r"is not valid TOML: maximum recursion depth"),
    ],
)
def test_bad_configurations_get_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "quant.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        QuantConfig.read(str(path))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_configuration_that_is_no_utf_8_is_named(tmp_path, encoding):
    path = tmp_path / "quant.toml"
    path.write_bytes("name = 'für die Brust'".encode(encoding))
    with pytest.raises(ConfigError, match=rf"'{path}' is not UTF-8 text, as TOML is; save it as UTF-8"):
        QuantConfig.read(str(path))


def test_configuration_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "quant.toml"
    path.write_text("name = 'x'", encoding="utf-8-sig")
    assert QuantConfig.read(str(path)).name == "x"


@pytest.mark.parametrize(
    ("layer", "kind", "sentence"),
    [
        (
            "up.0.1.1",
            "weight",
            r"layers\.up\.0\.1\.1\.weight has no effect: .* at this BatchNorm2d; it is at .*up\.0\.1\.0",
        ),
        ("up.0.1.0", "activation", r"layers\.up\.0\.1\.0\.activation has no effect: .* at this Conv2d; it is at "),
    ],
)
def test_an_override_without_effect_is_refused(layer, kind, sentence):
    values = QuantConfig.read("w4a4").as_dict()
    with pytest.raises(ConfigError, match=sentence):
        build_twin(
            seasoned_network("cmunext-tiny-hw"), 3, QuantConfig.from_dict({**values, "layers": {layer: {kind: 6}}})
        )


def test_unknown_configuration_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"unknown quantization 'w5a5'; known: w2a4, w3a3, w4a4, w8a8"):
        QuantConfig.read("w5a5")
