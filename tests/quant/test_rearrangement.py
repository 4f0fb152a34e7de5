"""What moves values alone: whatever it is written by, the modules that do it, and integers of every engine."""

import numpy as np
import pytest
import torch
from qonnx.core.onnx_exec import execute_onnx
from settled import settled
from torch import nn
from torch.nn import functional as F
from written_networks import Written, block, conv, nested, shifted

from quant.base.errors import ConfigError, ExportError
from quant.data.pairs import to_input
from quant.integer.ort_engine import OrtEngine
from quant.integer.parse import parse
from quant.integer.proof import require_settled
from quant.integer.torch_engine import TorchEngine
from quant.operators.channel_order import ChannelOrder, Order
from quant.operators.crop import Crop, Cut
from quant.operators.rearrangement import ZERO, modules_that_make, numbers_of
from quant.operators.space_to_depth import Blocks, BlocksToChannels
from quant.operators.window_average import WindowAverage
from quant.operators.zero_padding import Pad
from quant.twin.config import QuantConfig
from quant.twin.structure import Structure
from quant.twin.twin import build_twin

SEED, SIZE, SHAPE = 9, (12, 20), (1, 4, 8, 12)
W4A4 = QuantConfig.read("w4a4")

MOVES = {
    "nothing": (lambda x: x.view(1, 2, 2, 8, 12).flatten(1, 2), []),
    "a slice": (lambda x: x[:, 1:3, 2:-1], [Crop]),
    "a stride": (lambda x: x[..., 1::2, :-3:3], [Crop]),
    "an order": (lambda x: x.flip(1), [ChannelOrder]),
    "a slice of every other channel": (lambda x: x[:, ::2, 1:, 1:], [Crop, ChannelOrder]),
    "blocks": (lambda x: F.pixel_unshuffle(x, 4), [BlocksToChannels, ChannelOrder]),
    "blocks in ONNX' order": (
        lambda x: torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1), [BlocksToChannels],
    ),
    "a shuffle": (lambda x: F.pixel_shuffle(x, 2), [nn.PixelShuffle]),
    "a shuffle of flipped channels": (lambda x: F.pixel_shuffle(x.flip(1), 2), [ChannelOrder, nn.PixelShuffle]),
    "zeros": (lambda x: F.pad(x, (1, 2, 3, 0), value=ZERO), [nn.ZeroPad2d]),
    "a crop and zeros": (lambda x: F.pad(x[:, :2], (1, -2, 3, 0), value=ZERO), [Crop, nn.ZeroPad2d]),
    "channels of zeros": (lambda x: F.pad(x, (0, 0, 0, 0, 2, 1), value=ZERO), [nn.ZeroPad3d]),
    "a stride and zeros on all sides": (
        lambda x: F.pad(x[..., ::2, ::2], (1, 0, 0, 2, 0, 4), value=ZERO), [Crop, nn.ZeroPad3d]
    ),
    "a shift": (lambda x: torch.cat([F.pad(x[:, :1, 1:], (0, 0, 0, 1), value=ZERO), x[:, 1:]], 1), [nn.Conv2d]),
}  # fmt: skip
NOT_TOLD = {
    "transposed": lambda x: x.transpose(2, 3),
    "flipped rows": lambda x: x.flip(2),
    "rolled": lambda x: x.roll(1, 3),
    "rows of their own": lambda x: torch.cat([x[:, :2, 1:], x[:, 2:, :-1]], 1),
    "of more axes": lambda x: x.reshape(1, 2, 2, 8, 12),
    "nothing left": lambda x: x[:, :0],
    "zeros alone": lambda x: torch.full_like(x, ZERO),
    "a hole": lambda x: torch.where(x == 100, ZERO, x),
}


@pytest.mark.parametrize("name", MOVES)
def test_numbers_say_which_modules_make_a_tensor(name):
    move, kinds = MOVES[name]
    numbers, values = move(numbers_of(SHAPE)), torch.randn(SHAPE)
    modules = modules_that_make(numbers, SHAPE)
    assert [type(module) for module in modules] == kinds
    wanted = torch.where(numbers == ZERO, torch.zeros(()), values.flatten()[numbers])
    with torch.no_grad():
        torch.testing.assert_close(nn.Sequential(*modules)(values), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("name", NOT_TOLD)
def test_what_else_moves_has_no_form(name):
    assert modules_that_make(NOT_TOLD[name](numbers_of(SHAPE)), SHAPE) is None


def all_of_them(net, x):
    """Blocks of the image, parts, an order, a shift, averages of signed codes and of others, a crop and zeros."""
    x = net.focus(torch.cat([x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)], 1))
    x = net.shift(nested(net, x))
    y = net.average(net.linear(x)) + F.avg_pool2d(x, 3, 1, 1)
    x = net.grouped(net.shuffle(net.mixed(F.relu(y))))
    x = net.narrow(F.pad(net.linear2(x)[:, :, 1:-1, 1:-1], (1, 1, 1, 1, 1, 2)))
    return net.up(net.last(F.pad(x[:, :, 1:-1, 1:-1], (1, 1, 1, 1))))


def network():
    torch.manual_seed(SEED)
    return Written(
        all_of_them, stem=False, focus=block(12, 4), a=block(), layers=nn.ModuleList([block(2, 2)]), b=block(6, 4),
        shift=Written(shifted, stem=False, head=False, a=block(kernel=1)),
        linear=nn.Sequential(conv(), nn.BatchNorm2d(4)), linear2=nn.Sequential(conv(), nn.BatchNorm2d(4)),
        narrow=block(7, 4, 1),
        average=nn.AvgPool2d((3, 1), 1, (1, 0)), mixed=block(groups=2), shuffle=nn.ChannelShuffle(2),
        grouped=block(groups=2), last=block(), up=nn.Upsample(scale_factor=2),
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A settled twin, its graph and its program."""
    made = settled(network(), SIZE, W4A4, tmp_path_factory.mktemp("moves") / "model.qonnx")
    return made.twin, made.model, made.program


def test_engines_give_what_qonnx_executes(made):
    _, model, program = made
    counts = {
        kind: sum(isinstance(step, kind) for step in program.steps) for kind in (Blocks, Order, Cut, WindowAverage, Pad)
    }
    assert counts == {Blocks: 1, Order: 2, Cut: 3, WindowAverage: 2, Pad: 4}
    codes = np.random.default_rng(SEED).integers(0, 256, (5, *SIZE, 3)).astype(np.uint8)
    images = codes.transpose(0, 3, 1, 2).astype(np.float32) / 256
    found = [execute_onnx(model, {model.graph.input[0].name: image[None]}) for image in images]
    wanted = np.concatenate([next(iter(each.values())) for each in found]).transpose(0, 2, 3, 1) / program.logit_scale
    assert wanted.std() > 0
    require_settled(program)
    np.testing.assert_array_equal(TorchEngine(program, "cpu").run(codes), wanted)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), wanted)


def test_a_focus_reads_the_image_in_its_own_codes(made):
    _, _, program = made
    blocks = next(step for step in program.steps if isinstance(step, Blocks))
    assert blocks.source == program.source and program.codes[blocks.output].high == 255


def test_shifts_are_not_trained_and_the_rest_is(made):
    twin = build_twin(network(), 3, W4A4).train()
    twin(to_input(torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8))).square().mean().backward()
    fixed = [value for name, value in twin.named_parameters() if name.endswith("weight") and not value.requires_grad]
    assert [sorted(value.unique().tolist())[0] for value in fixed] == [0.0] and fixed[0].grad is None
    learned = [value for value in twin.parameters() if value.requires_grad]
    assert all(value.grad is not None and value.grad.isfinite().all() for value in learned)


def _changed(made, kind, change):
    model = made[1].__class__(made[1].model.__class__.FromString(made[1].model.SerializeToString()))
    change(model, next(node for node in model.graph.node if node.op_type == kind))
    return model


def _set(name, value):
    def change(_model, node):
        next(each for each in node.attribute if each.name == name).i = value

    return change


def _count_padding(model, node):
    _set("ceil_mode", 1)(model, node)
    _set("count_include_pad", 1)(model, node)


REFUSED = {
    "Slice": (lambda model, node: model.set_initializer(node.input[4], -np.ones(3, np.int64)), "is reversed or empty"),
    "Gather": (_set("axis", 2), "must take channels by a constant list"),
    "SpaceToDepth": (lambda model, node: model.set_tensor_shape(node.input[0], (1, 3, 5, 4)), "of 2x2 of 5x4; they"),
    "AveragePool": (_count_padding, "counts its padding; put zeros around"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_other_forms_in_a_graph_are_refused(made, kind):
    change, sentence = REFUSED[kind]
    with pytest.raises(ExportError, match=sentence):
        parse(_changed(made, kind, change))


def test_a_size_that_blocks_do_not_fill_is_refused_before_training():
    net = Written(lambda net, x: net.a(F.pixel_unshuffle(x, 3)), a=block(36, 4))
    with pytest.raises(ConfigError, match=r"does not run on an image of 3x64x64: 'pixel_unshuffle'"):
        Structure(net.eval(), 3)
