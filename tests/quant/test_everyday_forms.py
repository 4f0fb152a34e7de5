"""Forms of public networks that become others: exported, and every engine gives what qonnx executes."""

import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import LOWERS, Written, block, conv, eca, pooled_twice, recurrent, spatially_attended

from quant.base.errors import ExportError
from quant.integer.ort_engine import OrtEngine
from quant.integer.proof import require_settled
from quant.integer.torch_engine import TorchEngine
from quant.operators.average_pool import AveragePool
from quant.operators.max_pool import MaxPool
from quant.operators.pixel_shuffle import Shuffle
from quant.operators.spread import Spread
from quant.operators.uneven_average import UnevenAverage
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


def assert_engines(made, size=SIZE):
    codes = np.random.default_rng(SEED).integers(0, 256, (3, *size, 3)).astype(np.uint8)
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


def uneven(net, x):
    """Padding that is not counted, windows cut by ``ceil_mode`` and odd halves, of 11x14 pixels."""
    x = net.a(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
    small = net.b(F.avg_pool2d(x[:, :, 1:, 1:], 2, ceil_mode=True, count_include_pad=False))  # 10x13 -> 5x7
    smaller = F.avg_pool2d(small, 2)  # 2x3
    y = F.interpolate(small, scale_factor=2) + F.pad(F.interpolate(smaller, scale_factor=4), [1, 1, 1, 1])
    return net.c(torch.cat([x, F.pad(y, [0, 0, 0, 1])], 1))


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["w4a4", "w8a8"])
def test_windows_that_count_fewer_pixels_at_the_border(bits, tmp_path):
    torch.manual_seed(SEED)
    network = Written(uneven, a=block(activation=nn.Identity), b=block(), c=block(8, 4))
    made = settled(network, (11, 14), QuantConfig.read(bits), tmp_path / "model.qonnx")
    means = [step for step in made.program.steps if isinstance(step, UnevenAverage)]
    assert [(step.pads, step.pixels) for step in means] == [((1, 1, 1, 1), 36), ((0, 0, 0, 1), 4)]
    assert_engines(made, (11, 14))


def test_ceil_mode_that_changes_nothing_is_left_out(tmp_path):
    torch.manual_seed(SEED)
    halved = Written(lambda net, x: F.interpolate(F.avg_pool2d(x, 2, ceil_mode=True), scale_factor=2))
    made = settled(halved, (8, 12), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    assert [type(step) for step in made.program.steps].count(AveragePool) == 1


def test_a_common_multiple_that_float32_rounds_is_refused(tmp_path):
    wide = Written(lambda net, x: F.avg_pool2d(x, 9, 1, 4, count_include_pad=False))
    with pytest.raises(ExportError, match=r"windows of 25, .*, 81 pixels, whose common multiple 6350400, times a code"):
        settled(wide, (16, 16), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")


def test_more_codes_than_float32_holds_of_a_common_multiple_are_not_settled(tmp_path):
    wide = Written(lambda net, x: F.avg_pool2d(x, 7, 1, 3, count_include_pad=False))
    made = settled(wide, (16, 16), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    with pytest.raises(ExportError, match=r"gives values that float32 may round to the next code; .* give it fewer"):
        require_settled(made.program)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coordinate_attention", "strips"])
def test_lines_of_pixels(name, tmp_path):
    torch.manual_seed(SEED)
    made = settled(LOWERS[name](), (12, 20), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    means = [step.kernel for step in made.program.steps if isinstance(step, WindowAverage)]
    assert sorted(means) == [(1, 20), (12, 1)]
    assert_engines(made, (12, 20))


def test_adaptive_windows_may_be_rectangles(tmp_path):
    torch.manual_seed(SEED)
    network = Written(lambda net, x: net.a(x * F.adaptive_avg_pool2d(net.b(x), (6, 1))), a=block(), b=Rectangles())
    made = settled(network, (6, 8), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")
    kernels = [step.kernel for step in made.program.steps if isinstance(step, WindowAverage)]
    assert kernels == [(2, 4), (1, 8)]
    require_settled(made.program)


def test_rectangles_that_do_not_fill_the_image_are_refused(tmp_path):
    network = Written(lambda net, x: net.a(x), a=Rectangles())
    with pytest.raises(ExportError, match="averages 2x4 pixels of 6x10, which they do not fill; crop before it"):
        settled(network, (6, 10), QuantConfig.read("w4a4"), tmp_path / "model.qonnx")


class Rectangles(nn.Module):
    """Averages of two rows and four columns; zeros bring the size back."""

    def forward(self, x):
        small = F.avg_pool2d(x, (2, 4))
        return F.pad(small, [0, x.shape[3] - small.shape[3], 0, x.shape[2] - small.shape[2]])
