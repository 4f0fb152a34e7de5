"""Swapped layers: as many levels as their bits allow, free where fewer bits suffice, the same through every route."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from models.layers import Sum
from quant.bitwidths.flow import Flow, _match
from quant.bitwidths.lowered import LoweredLayers
from quant.bitwidths.sites import ACTIVATION, WEIGHT, sites_of, total_bits
from quant.bitwidths.subject import Subject, SubjectConfig
from quant.evaluation.predict import predict_masks
from quant.layers.fused import plain
from quant.layers.quantizers import log2_threshold
from quant.twin.config import QuantConfig
from quant.twin.structure import Structure
from quant.twin.twin import build_twin, quantizer_of

SEED = 9


def lowered(checkpoint, key, bits, **settings):
    subject = Subject(SubjectConfig(checkpoint=checkpoint, images=4, **settings))
    site = next(site for site in subject.sites if site.key == key)
    return subject.own_scores, subject.scores_of_site(site, bits)


def test_the_unchanged_flow_predicts_what_the_twin_predicts(subject, tiny_twin):
    masks = subject._flow.masks(subject._flow.advance(subject._flow.begin()))
    assert np.array_equal(masks, predict_masks(tiny_twin, subject.samples.codes, 4))
    assert subject.scores({}) == subject.own_scores


@pytest.mark.parametrize(
    ("bits", "match_norms"),
    [(2, True), (3, False), *(pytest.param(*each, marks=pytest.mark.slow) for each in ((3, True), (2, False)))],
)
def test_weights_that_fewer_bits_hold_cost_nothing(tiny_twin, write_twin, bits, match_norms):
    twin = copy.deepcopy(tiny_twin)
    conv = twin.network.get_submodule("encoder.1.0.2.0")
    step, limit = 2.0 ** (1 - bits), 2 ** (bits - 1) - 1
    with torch.no_grad():
        conv.weight.copy_(torch.clamp(torch.round(conv.weight / step), -limit, limit) * step)
    path = write_twin(twin)
    own, scores = lowered(path, "weight encoder.1.0.2.0", bits, match_norms=match_norms)
    assert scores == own
    own, scores = lowered(path, "weight encoder.1.0.3.0", bits, match_norms=match_norms)
    assert scores != own


def test_activations_that_fewer_bits_hold_cost_nothing(tiny_twin, write_twin):
    twin = copy.deepcopy(tiny_twin)
    with torch.no_grad():  # four times the range: the upper half of the codes is not used
        log2_threshold(quantizer_of(twin, "fuse.0.mix.0.2")).add_(2)
    own, scores = lowered(write_twin(twin), "activation fuse.0.mix.0.2", 3)
    assert scores == own


@pytest.mark.parametrize("bits", [3, 2])
def test_lowered_layers_have_the_levels_of_their_bits(subject, bits):
    modules = subject._layers.modules({site.key: bits for site in subject.sites})
    values, nodes = subject._flow.begin(), subject._flow._structure.nodes
    outputs = {}
    for index in range(1, len(nodes)):
        subject._flow.advance(values, index, modules)
        outputs[str(nodes[index - 1].target)] = [plain(v) for v in (b.get(nodes[index - 1]) for b in values.batches)]
    for site in subject.sites:
        if site.kind == WEIGHT:
            levels = [torch.unique(modules[site.name].quant_weight().value)]
            assert all(len(level) <= 2**bits - 1 for level in levels), site.key
        else:
            for member in site.members:
                assert len(torch.unique(torch.cat(outputs[member]))) <= 2**bits, member


def test_kept_prefixes_give_what_whole_passes_give(subject):
    for index in (20, 3, 4, 21, 0):  # backwards, too
        site = subject.sites[index]
        assert subject.scores_of_site(site, 2) == subject.scores({site.key: 2})


def test_saved_bits_are_parameters_and_codes_times_bits(subject):
    weights = [site for site in subject.sites if site.kind == WEIGHT]
    parameters = sum(p.numel() for name, p in subject._flow._twin.named_parameters() if name.endswith("0.weight"))
    head = next(site for site in weights if site.name == "head")
    assert sum(site.codes for site in weights) == parameters + head.codes == parameters + 4
    everywhere = {site.key: 3 for site in subject.sites}
    assert total_bits(subject.sites, {}) - total_bits(subject.sites, everywhere) == sum(
        site.saved_bits(3) for site in subject.sites
    )


def test_matched_channels_have_the_wanted_moments_and_constant_ones_are_only_moved():
    rng = np.random.default_rng(SEED)
    parts = [rng.normal(2.0, 3.0, (n, 3, 5, 4)).astype(np.float32) for n in (2, 1)]
    for part in parts:
        part[:, 2] = 7.0
    batches = [torch.from_numpy(part.copy()) for part in parts]
    _match(batches, (torch.tensor([0.5, -1.0, 4.0]).double(), torch.tensor([4.0, 0.25, 1.0]).double()))
    values = np.concatenate([batch.numpy() for batch in batches])
    assert np.allclose(values.mean((0, 2, 3)), (0.5, -1.0, 4.0), atol=1e-5)
    assert np.allclose(values.var((0, 2, 3)), (4.0, 0.25, 0.0), atol=1e-5)


class NormBeforeSum(nn.Module):
    """A BN without a ReLU, so the BN's output itself is quantized."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.relu = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        self.second, self.bare, self.sum = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), Sum()
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        return self.head(self.sum(x, self.bare(self.second(x))))


def test_a_norm_that_is_quantized_takes_weights_and_activations_apart():
    torch.manual_seed(SEED)
    network = NormBeforeSum().eval()
    twin, structure = build_twin(network, 3, QuantConfig.read("w4a4")).eval(), Structure(network)
    flow = Flow(twin, structure, torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8))
    observed, _ = flow.observe()
    layers = LoweredLayers(network, twin, structure, flow, sites_of(twin, structure, observed.shapes))
    weights, both = layers.modules({"weight second": 2}), layers.modules({"weight second": 2, "activation relu": 3})
    own = twin.network.bare

    def bits_of(norm):
        return int(norm.quantizer.act_quant.bit_width())

    assert (bits_of(own), bits_of(weights["bare"]), bits_of(both["bare"])) == (4, 4, 3)
    assert torch.equal(weights["bare"].running_var, both["bare"].running_var)
    assert not torch.equal(weights["bare"].running_var, own.running_var)
    assert {site.key for site in sites_of(twin, structure, observed.shapes) if site.kind == ACTIVATION} == {
        "activation relu",
        "activation sum",
    }
