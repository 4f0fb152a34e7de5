"""Forms of public networks that become others: exported, and every engine gives what qonnx executes."""

import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import Written, block, conv, eca, pooled_twice, recurrent, spatially_attended

from quant.integer.ort_engine import OrtEngine
from quant.integer.proof import require_settled
from quant.integer.torch_engine import TorchEngine
from quant.operators.average_pool import AveragePool
from quant.operators.max_pool import MaxPool
from quant.operators.pixel_shuffle import Shuffle
from quant.operators.spread import Spread
from quant.operators.window_average import WindowAverage
from quant.twin.config import QuantConfig

SEED, SIZE = 11, (17, 25)


def gates_and_pools(net, x):
    """A shared convolution, a gate of a pixel's channels, one of the channels' own neighbours, an adaptive maximum."""
    x = spatially_attended(net.attention, recurrent(net.shared, x))
    x = eca(net.eca, x) + F.adaptive_max_pool2d(x, 1)
    y = F.avg_pool2d(F.max_pool2d(x, 2), 2)  # 17x25 -> 8x12 -> 4x6
    y = net.b(F.interpolate(y, scale_factor=0.5, mode="bilinear"))
    y = F.interpolate(y, scale_factor=8)  # 16x24
    return net.c(torch.cat([x, F.pad(y, [0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]])], axis=1))


def network():
    torch.manual_seed(SEED)
    parts = {"shared": {"a": block()}, "attention": {"a": conv(2, 1, 7)}, "eca": {"a": nn.Conv1d(1, 1, 3, padding=1)}}
    made = {name: Written(None, stem=False, head=False, **layers) for name, layers in parts.items()}
    return Written(gates_and_pools, b=block(), c=block(8, 4), **made)


def assert_engines(made):
    codes = np.random.default_rng(SEED).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)
    images = codes.transpose(0, 3, 1, 2).astype(np.float32) / 256
    found = [execute_onnx(made.model, {made.model.graph.input[0].name: image[None]}) for image in images]
    wanted = np.concatenate([next(iter(each.values())) for each in found]).transpose(0, 2, 3, 1)
    wanted = wanted / made.program.logit_scale
    assert wanted.std() > 0
    require_settled(made.program)
    np.testing.assert_array_equal(TorchEngine(made.program, "cpu").run(codes), wanted)
    np.testing.assert_array_equal(OrtEngine(made.program, threads=1).run(codes), wanted)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return settled(network(), SIZE, QuantConfig.read("w4a4"), tmp_path_factory.mktemp("forms") / "model.qonnx")


@pytest.mark.slow
def test_engines_give_what_qonnx_executes(made):
    kinds = (AveragePool, MaxPool, Shuffle, Spread)
    assert [sum(isinstance(step, kind) for step in made.program.steps) for kind in kinds] == [2, 3, 1, 2]
    assert made.structure.graph.of_one_size
    assert_engines(made)


@pytest.mark.slow
def test_a_layer_that_stands_twice_is_exported_once(tmp_path):
    torch.manual_seed(SEED)
    twice = Written(pooled_twice_of_odd_sides, channels=12, a=block(), b=block())
    made = settled(twice, SIZE, QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    assert sum(isinstance(step, WindowAverage) for step in made.program.steps) == 2
    assert_engines(made)


def pooled_twice_of_odd_sides(net, x):
    """Of 16x24 pixels, and zeros around."""
    return F.pad(pooled_twice(net, x[:, :, :-1, :-1]), [0, 1, 0, 1])


def test_halves_by_averages_are_settled_without_a_constant_of_their_own(tmp_path):
    torch.manual_seed(SEED)
    halved = Written(lambda net, x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2))
    made = settled(halved, (8, 12), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    assert [type(step) for step in made.program.steps].count(AveragePool) == 1
    require_settled(made.program)


def test_a_quarter_of_the_image_by_areas_is_exported(tmp_path):
    torch.manual_seed(SEED)
    reduced = Written(
        lambda net, x: F.interpolate(net.a(F.interpolate(x, scale_factor=0.25, mode="area")), scale_factor=4), a=block()
    )
    made = settled(reduced, (16, 24), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    assert [step.kernel for step in made.program.steps if isinstance(step, WindowAverage)] == [(4, 4)]
    require_settled(made.program)
