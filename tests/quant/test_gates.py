"""Products and averages of all pixels: training, export, and every accumulator as float32 execution has it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from architectures import SmallGates
from qonnx.core.onnx_exec import execute_onnx
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import SqueezeExcitation, Written, block, conv

from models import registry
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import ExportError
from quant.bitwidths.memory import codes_on_chip
from quant.data.pairs import to_input
from quant.export.export import qonnx_model
from quant.export.trained_proof import prove_tables
from quant.integer.ort_engine import OrtEngine
from quant.integer.parse import parse
from quant.integer.program import Table
from quant.integer.proof import require_settled
from quant.integer.torch_engine import TorchEngine
from quant.layers.fused import plain
from quant.operators.global_average import GlobalAverage
from quant.operators.product import Product
from quant.operators.spread import Spread
from quant.twin.config import QuantConfig
from quant.twin.structure import Structure
from quant.twin.twin import build_twin, quantizer_of

SEED, SIZE = 8, (12, 10)  # 120 pixels: means round in float32
W4A4 = QuantConfig.read("w4a4")


def all_of_them(net, x):
    """A gate of each channel, of signed values and of others, one of each pixel, products of equals, and a pixel that
    is repeated.
    """
    x = net.se(x)
    linear = net.linear(x)
    x = net.a(linear * F.hardsigmoid(net.excite(linear.mean((2, 3), keepdim=True))))
    x = x * torch.sigmoid(net.psi(x))
    whole = F.interpolate(net.pooled(F.adaptive_avg_pool2d(x, 1)), size=x.shape[2:], mode="bilinear")
    return torch.cat([F.relu(net.linear2(x) * x), whole], 1)


def network():
    torch.manual_seed(SEED)
    linear = [nn.Sequential(conv(), nn.BatchNorm2d(4)) for _ in range(2)]
    layers = {"se": SqueezeExcitation(), "linear": linear[0], "linear2": linear[1], "excite": conv(kernel=1)}
    return Written(all_of_them, channels=8, **layers, a=block(), psi=conv(4, 1, 1), pooled=block(kernel=1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A settled twin, its structure, its graph and its program."""
    made = settled(network(), SIZE, W4A4, tmp_path_factory.mktemp("gates") / "model.qonnx")
    assert made.multiples > 0
    return made.twin, made.structure, made.model, made.program


def steps_of(program, kind):
    return [step for step in program.steps if isinstance(step, kind)]


def test_each_is_a_step(made):
    _, structure, _, program = made
    assert [len(steps_of(program, kind)) for kind in (GlobalAverage, Product, Spread)] == [3, 4, 2]
    assert len(structure.multiples()) == 7


def test_engines_give_what_qonnx_executes(made):
    twin, _, model, program = made
    codes = np.random.default_rng(SEED).integers(0, 256, (5, *SIZE, 3)).astype(np.uint8)
    images = codes.transpose(0, 3, 1, 2).astype(np.float32) / 256
    found = [execute_onnx(model, {model.graph.input[0].name: image[None]}) for image in images]
    executed = np.concatenate([next(iter(each.values())) for each in found])
    with torch.no_grad():
        np.testing.assert_array_equal(executed, plain(twin(torch.from_numpy(images))))
    wanted = executed.transpose(0, 2, 3, 1) / program.logit_scale
    assert wanted.std() > 0
    np.testing.assert_array_equal(TorchEngine(program, "cpu").run(codes), wanted)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), wanted)


def _codes(twin, site, step, program, *inputs):
    """What the twin's modules make of codes (N, 1, H, W)."""
    values = [
        torch.from_numpy(each * program.codes[name].scale).float()
        for each, name in zip(inputs, getattr(step, "sources", None) or (step.source,), strict=True)
    ]
    with torch.no_grad():
        found = twin.network.get_submodule(site.layer)(*values)
        found = found if site.activation == site.layer else twin.network.get_submodule(site.activation)(found)
    return plain(found).numpy() / program.codes[step.output].scale


def test_brevitas_gives_the_code_of_every_accumulator(made):
    twin, structure, _, program = made
    steps = steps_of(program, (GlobalAverage, Product))
    for site, step in zip(structure.multiples(), steps, strict=True):
        if isinstance(step, Product):
            ranges = [np.arange(codes.low, codes.high + 1) for codes in map(program.codes.get, step.sources)]
            inputs = [each[:, None, None, None] for each in map(np.ravel, np.meshgrid(*ranges))]
            accumulators = inputs[0] * inputs[1]
        else:
            codes = program.codes[step.source]
            sums = np.arange(codes.low * step.pixels, codes.high * step.pixels + 1)
            places = np.arange(step.pixels).reshape(1, 1, *SIZE)
            inputs = [sums[:, None, None, None] // step.pixels + (places < sums[:, None, None, None] % step.pixels)]
            accumulators = inputs[0].sum((2, 3), keepdims=True)
            np.testing.assert_array_equal(accumulators.ravel(), sums)
        wanted = step.staircase.apply(accumulators.reshape(1, -1))
        assert len(np.unique(wanted)) > 2
        np.testing.assert_array_equal(_codes(twin, site, step, program, *inputs).ravel(), wanted[0])


def test_thresholds_lie_between_what_they_are_reached_by(made):
    twin, structure, _, program = made
    for site, step in zip(structure.multiples(), steps_of(program, (GlobalAverage, Product)), strict=True):
        grid = np.prod([float(quantizer_of(twin, name).act_quant.scale()) for name in site.sources])
        fraction = min(0.5, program.codes[step.output].scale / grid / 4)
        distances = step.staircase.distances
        assert distances[np.isfinite(distances)].min() >= 0.99 * fraction


def test_what_is_not_settled_is_refused(made, tmp_path):
    twin, structure, _, _ = made
    layer = twin.network.get_submodule(structure.multiples()[1].layer)  # whose thresholds are multiples of the grid
    settled = layer.shift.clone()
    layer.shift.fill_(0)
    program = parse(qonnx_model(twin, tmp_path / "model.qonnx", SIZE))
    layer.shift.copy_(settled)
    with pytest.raises(
        ExportError, match=r"gives values that float32 may round to the next code; settle its thresholds"
    ):
        require_settled(program)


def test_more_pixels_than_float32_adds_are_refused(tmp_path):
    twin = build_twin(
        Written(lambda net, x: x * net.a(F.adaptive_avg_pool2d(x, 1)), stem=False, channels=3, a=conv(3, 3, 1)).eval(),
        3,
        W4A4,
    )
    model = qonnx_model(twin.eval(), tmp_path / "model.qonnx", (16, 16))
    for name in (model.graph.input[0].name, model.graph.node[0].output[0]):
        model.set_tensor_shape(name, (1, 3, 260, 260))
    with pytest.raises(
        ExportError, match=r"averages 260x260 pixels, whose sum float32 may round; pool the image before"
    ):
        parse(model)


def test_what_waits_for_a_gate_is_held_whole():
    net = Written(lambda net, x: net.a(x) * net.b(x.mean((2, 3), keepdim=True)), a=block(), b=conv(kernel=1)).eval()
    structure = Structure(net, 3)
    shapes = {
        node.name: (node.meta["shape"][1], *node.meta["shape"][2:]) for node in structure.nodes if "shape" in node.meta
    }
    assert codes_on_chip(structure, shapes)["a.2"] == 4 * (63 * 64 + 1), (
        "all rows but the one that its window waits for"
    )


def test_a_twin_with_gates_trains():
    twin = build_twin(network(), 3, W4A4).train()
    twin(to_input(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))).square().mean().backward()
    learned = {name: value for name, value in twin.named_parameters() if value.requires_grad}
    assert all(value.grad is not None and value.grad.isfinite().all() for value in learned.values())
    assert sum(bool(value.grad.abs().sum() > 0) for value in learned.values()) > len(learned) // 2


@dataclass(frozen=True, kw_only=True)
class Config:
    in_channels: int = 3
    classes: int = 1
    input_size: int = 32


def test_a_trained_network_with_gates_is_exported(squares, tmp_path, monkeypatch):
    """Float, then QAT with learned ranges, then an export at a size that it was not settled at."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    registry.register("gated", "of a test", Config(), lambda config: SmallGates(8))
    command = ["train", "--model", "gated", "--data", str(squares), "--size", "32", "--lr", "2e-2", "--epochs"]
    assert main([*command, "8", "--out", str(tmp_path / "float")]) == 0
    quantized = ["--quant", "w4a4", "--ranges", "learned", "--init-from", str(tmp_path / "float" / "weights.pt")]
    assert main([*command, "2", "--out", str(tmp_path / "twin"), *quantized]) == 0
    weights = tmp_path / "twin" / "weights.pt"
    assert checkpoints.load(weights)["scores"]["iou_pooled8"] > 0.6
    assert main(["export", "--checkpoint", str(weights), "--size", "20x28", "--out", str(tmp_path / "export")]) == 0


def of_channels_and_of_pixels(net, x):
    """Both excitations of one tensor (scSE), whose order in the cleaned graph is not that of forward."""
    by_channel = torch.sigmoid(net.expand(F.relu(net.reduce(F.adaptive_avg_pool2d(x, 1)))))
    return x * by_channel + x * torch.sigmoid(net.psi(x))


def test_tables_are_compared_with_their_own_modules(tmp_path):
    torch.manual_seed(SEED)
    layers = {"reduce": conv(4, 2, 1), "expand": conv(2, 4, 1), "psi": conv(4, 1, 1)}
    network = Written(of_channels_and_of_pixels, **layers)
    made = settled(network, SIZE, W4A4, tmp_path / "model.qonnx")
    tables = [step.layer for step in steps_of(made.program, Table)]
    sites = [site.chain[-1] for site in made.structure.tables()]
    assert sorted(tables) == sorted(sites) and tables != sites
    assert prove_tables(made.twin, made.structure.tables(), made.program) == 256 * (4 + 1)
