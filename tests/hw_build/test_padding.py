"""Zeros around an image where no convolution takes them over: exact after every step and in simulated RTL."""

import copy
from functools import partial

import numpy as np
import pytest
from onnx import helper, numpy_helper

from hw_build.lowering import STEPS, execute_codes, set_input_size
from hw_build.lowering.intake import normalise
from hw_build.stitch import stitch
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.test_data_movement import sliced
from tests.hw_build.test_intake import CODES, assert_exact, lowered, network

SLOW = pytest.mark.slow
LAST = np.iinfo(np.int64).max
BORDER = [0, 0, 1, 1, 0, 0, 1, 1]


def pad(net, tensor, amounts, name="padded", axes=None):
    """Pad by ONNX' amounts: before all axes, or those of ``axes``, then behind them."""
    net.constants.append(numpy_helper.from_array(np.array(amounts), f"{name}_amounts"))
    inputs = [tensor, f"{name}_amounts"]
    if axes is not None:
        net.constants.append(numpy_helper.from_array(np.array(axes), f"{name}_axes"))
        inputs += ["", f"{name}_axes"]
    net.scales[name] = net.scales[tensor]
    result = net.node("Pad", inputs, name)
    if axes is None:
        net.channels[name] += amounts[1] + amounts[5]
    return result


def cropped(net, tensor):
    """Without its border of one pixel."""
    return sliced(net, tensor, "cut", [1, 1], [-1, -1], [2, 3])


def enlarged(net, tensor):
    """Twice as large again."""
    net.nodes.append(helper.make_node("DepthToSpace", [net.conv_bn(tensor, 16, 1, "deep")], ["up"], blocksize=2))
    net.channels["up"], net.scales["up"] = 4, net.scales["deep_act"]
    return net.conv_bn("up", 4, 1, "after")


def before_a_head(net, tensor):
    """What F.pad of a crop is before a 1x1 convolution: the fault that this file began with."""
    return pad(net, cropped(net, tensor), BORDER)


def before_a_sum(net, tensor):
    return net.conv_bn(net.add(tensor, before_a_head(net, tensor), 2.0**-2, name="sum"), 4, 3, "after")


def before_a_join(net, tensor):
    valid = net.conv_bn(tensor, 4, 3, "valid", pads=[0] * 4, scale=net.scales[tensor])
    return net.conv_bn(net.concat(tensor, pad(net, valid, [0, 0, 2, 0, 0, 0, 0, 2]), "joined"), 4, 3, "after")


def before_a_pooling(net, tensor):
    """Zeros are values here, the least of unsigned codes; ones of signed codes are not."""
    signed = net.conv_bn(tensor, 4, 1, "signed", relu=False)
    low = net.pool(pad(net, signed, [0, 0, 1, 0, 0, 0, 1, 2]), "low")
    return enlarged(net, sliced(net, low, "same", [1, 0], [LAST, 8], [2, 3]))


def before_a_global_average(net, tensor):
    padded = pad(net, net.conv_bn(tensor, 4, 1, "signed", relu=False), [0, 0, 3, 1, 0, 0, 0, 2])
    mean = net.quant(net.node("GlobalAveragePool", [padded], "mean"), 2.0**-6, signed=1, name="mean_q")
    net.node("Mul", [tensor, mean], "gated")
    return net.conv_bn(net.quant("gated", 2.0**-6, signed=1, name="gated_q"), 4, 3, "after")


def by_more_than_the_image(net, tensor):
    """Windows of a convolution that see nothing but zeros, and more zeros above than there are rows."""
    top = sliced(net, tensor, "top", [0], [2], [2])
    wide = net.conv_bn(top, 4, 3, "wide", pads=[7, 1, 9, 1])
    return net.conv_bn(wide, 4, 1, "after")


def cut_off_and_added(net, tensor, *, in_two=False):
    """By one Pad, or by a Slice and a Pad, which onnx' evaluator knows."""
    if in_two:
        kept = sliced(net, tensor, "kept", [2, 0], [LAST, -3], [2, 3])
        moved = pad(net, kept, [0, 0, 0, 3, 0, 0, 2, 0])
    else:
        moved = pad(net, tensor, [0, 0, -2, 3, 0, 0, 2, -3])
    return net.conv_bn(net.add(tensor, moved, 2.0**-2, name="sum"), 4, 1, "after")


def of_named_axes(net, tensor):
    """As of opset 18."""
    return net.conv_bn(net.add(tensor, pad(net, cropped(net, tensor), [1, 2, 1, 0], axes=[-1, 2]), 2.0**-2, name="sum"),
                       4, 1, "after")  # fmt: skip


def of_channels(net, tensor):
    """A ResNet's shortcut without weights: every second pixel, and channels of zeros around."""
    half = sliced(net, tensor, "half", [0, 0], [LAST, LAST], [2, 3], [2, 2])
    wide = net.conv_bn(tensor, 8, 3, "wide", strides=(2, 2), scale=net.scales[tensor])
    summed = net.add(wide, pad(net, half, [0, 2, 0, 0, 0, 2, 0, 0]), 2.0**-2, name="sum")
    return enlarged(net, summed)


FORMS = {
    "head": before_a_head, "sum": before_a_sum, "join": before_a_join, "pooling": before_a_pooling,
    "global average": before_a_global_average, "more than the image": by_more_than_the_image,
    "cut off": partial(cut_off_and_added, in_two=True), "axes": of_named_axes, "channels": of_channels,
}  # fmt: skip


def made(name):
    model = network(FORMS[name])
    for entry in model.model.opset_import:
        entry.version = entry.version if entry.domain else 18
    return model


@pytest.mark.parametrize("name", FORMS)
def test_every_step_is_exact(name):
    model = made(name)
    assert "ZeroPad_rtl" in {node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node}
    assert_exact(model.model)


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW) for name in FORMS])
def test_rtl_is_exact_under_stalls(name, tmp_path):
    model = normalise(made(name))
    codes = np.random.default_rng(3).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    design = stitch(lowered(copy.deepcopy(model)), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))


def test_what_is_less_than_none_cuts_off():
    one, two = (lowered(normalise(network(partial(cut_off_and_added, in_two=in_two)))) for in_two in (False, True))
    assert [node.op_type for node in one.graph.node] == [node.op_type for node in two.graph.node]
    np.testing.assert_array_equal(execute_codes(one, CODES), execute_codes(two, CODES))


def test_channels_last():
    def change(net, tensor):
        net.node("Transpose", [tensor], "last", perm=[0, 2, 3, 1])
        net.scales["last"] = net.scales[tensor]
        padded = pad(net, "last", [0, 2, 1, 0, 0, 0, 1, 0])
        net.channels[padded] = 4
        net.node("Transpose", [padded], "first", perm=[0, 3, 1, 2])
        net.scales["first"] = net.scales[tensor]
        return net.pool(sliced(net, "first", "cut", [0, 0], [16, 16], [2, 3]), "low")

    model = network(change)
    assert_exact(model.model)


@pytest.mark.parametrize("form", ["convert", "streamline", "specialize"])
def test_another_size(form):
    model = normalise(network(cut_off_and_added))
    whole = copy.deepcopy(model)
    for step in STEPS:
        model = step.run(model)
        if step.name == form:
            break
    codes = np.random.default_rng(3).integers(0, 256, (1, 20, 24, 3), dtype=np.uint8)
    expected = execute_codes(set_input_size(whole, 20, 24), codes)
    np.testing.assert_array_equal(execute_codes(set_input_size(model, 20, 24), codes), expected)
