"""Slices, splits, shuffles and unshuffles in exported graphs: exact after every step, and each refusal."""

import copy

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper

from hw_build.base.errors import ConfigError, LoweringError
from hw_build.kernels.crop import crop_reference
from hw_build.kernels.depthwise.kernel import depthwise_accumulate
from hw_build.lowering import STEPS, execute_codes, set_input_size
from hw_build.lowering.intake import normalise
from hw_build.operators.depthwise_convolution import find_window
from tests.hw_build.test_intake import assert_exact, lowered, network

LAST = np.iinfo(np.int64).max


def constant(net, name, values):
    net.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def sliced(net, tensor, name, starts, ends, axes, steps=None):
    parts = {"starts": starts, "ends": ends, "axes": axes} | ({} if steps is None else {"steps": steps})
    names = [constant(net, f"{name}_{kind}", values) for kind, values in parts.items()]
    net.scales[name] = net.scales[tensor]
    return net.node("Slice", [tensor, *names], name)


def after(net, tensor, channels, name="after"):
    """A convolution that reads ``tensor`` of so many channels."""
    net.channels[tensor] = channels
    return net.conv_bn(tensor, 4, 3, name)


def kinds(model):
    return [node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node]


@pytest.mark.parametrize(
    ("bounds", "channels", "kernel"),
    [
        (([1], [3], [1]), 2, "StreamCrop_rtl"),
        (([1, 2], [-1, LAST], [2, 3], [1, 1]), 6, "StreamCrop_rtl"),
        (([1, 0], [LAST, 16], [-2, -1], [2, 2]), 6, "StreamCrop_rtl"),
        (([1, 1], [LAST, LAST], [1, 3], [2, 1]), 3, "ChannelGather_rtl"),
    ],
)
def test_slices(bounds, channels, kernel):
    model = network(lambda net, x: after(net, sliced(net, x, "cut", *bounds), channels), channels=6)
    assert kernel in kinds(model)
    assert_exact(model.model)


def test_split_and_join():
    def change(net, tensor):
        sizes = constant(net, "sizes", [4, 2])
        net.nodes.append(helper.make_node("Split", [tensor, sizes], ["p0", "p1"], name="n_split", axis=1))
        for name, channels in (("p0", 4), ("p1", 2)):
            net.channels[name], net.scales[name] = channels, net.scales[tensor]
        own = net.conv_bn("p0", 4, 3, "own", scale=net.scales[tensor])
        return after(net, net.concat("p1", own, "joined"), 6)

    model = network(change, channels=6)
    assert kinds(model).count("StreamCrop_rtl") == 2
    assert_exact(model.model)


def reshaped(net, tensor, name, shapes, order):
    """Reshape, Transpose, Reshape."""
    first, last = (constant(net, f"{name}_{place}", shape) for place, shape in enumerate(shapes))
    net.node("Reshape", [tensor, first], f"{name}_wide")
    net.node("Transpose", [f"{name}_wide"], f"{name}_moved", perm=order)
    net.scales[name] = net.scales[tensor]
    return net.node("Reshape", [f"{name}_moved", last], name)


SHUFFLE = (([1, 3, 2, 16, 16], [1, 6, 16, 16]), [0, 2, 1, 3, 4])
UNSHUFFLE = (([1, 2, 8, 2, 8, 2], [1, 8, 8, 8]), [0, 1, 3, 5, 2, 4])


def test_channel_shuffle_is_weights_of_a_dense_neighbour():
    model = network(lambda net, x: after(net, reshaped(net, x, "shuffled", *SHUFFLE), 6), channels=6)
    assert "ChannelGather_rtl" not in kinds(model)
    assert_exact(model.model)


def test_channel_shuffle_between_grouped_ones_is_a_kernel():
    def change(net, tensor):
        first = net.conv_bn(tensor, 6, 1, "first", group=3)
        shuffled = reshaped(net, first, "shuffled", *SHUFFLE)
        net.channels[shuffled] = 6
        return net.conv_bn(shuffled, 6, 3, "second", group=3)

    model = network(change, channels=6)
    assert "ChannelGather_rtl" in kinds(model)
    assert_exact(model.model)


def test_channels_that_are_left_out_and_repeated():
    def change(net, tensor):
        index = constant(net, "index", [3, -4, 3, 1, 0])
        net.scales["taken"] = net.scales[tensor]
        return after(net, net.node("Gather", [tensor, index], "taken", axis=1), 5)

    model = network(change)
    assert "ChannelGather_rtl" in kinds(model)
    assert_exact(model.model)


def test_pixel_unshuffle():
    model = network(lambda net, x: after(net, reshaped(net, x, "unshuffled", *UNSHUFFLE), 8), channels=2)
    assert "ChannelGather_rtl" not in kinds(model)
    assert_exact(model.model)


def test_space_to_depth():
    def change(net, tensor):
        net.scales["deep"] = net.scales[tensor]
        return after(net, net.node("SpaceToDepth", [tensor], "deep", blocksize=4), 64)

    assert_exact(network(change).model)


def test_pixel_shuffle_of_joined_codes_is_a_gather_and_its_kernel():
    def change(net, tensor):
        joined = net.concat(tensor, net.conv_bn(tensor, 4, 3, "other", scale=net.scales[tensor]), "joined")
        net.scales["wide"] = net.scales[joined]
        return after(net, net.node("DepthToSpace", [joined], "wide", blocksize=2, mode="CRD"), 2)

    model = network(change)
    assert {"ChannelGather_rtl", "DepthToSpace_rtl"} <= set(kinds(model))
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("kernel", "stride", "pads", "dilation"),
    [(3, 2, (1, 1, 1, 1), 1), (3, 2, (0, 0, 1, 1), 1), (2, 2, (0, 0, 0, 0), 1), (4, 2, (1, 1, 1, 1), 1),
     (5, 1, (2, 2, 2, 2), 1), (3, 1, (2, 2, 2, 2), 2), (3, 3, (0, 1, 0, 0), 2), (4, 1, (0, 3, 3, 0), 1)],
)  # fmt: skip
def test_depthwise_windows_in_odd_ones(kernel, stride, pads, dilation):
    random = np.random.default_rng(kernel)
    weights, x = random.integers(-8, 8, (3, kernel, kernel)), random.integers(0, 16, (1, 12, 11, 3))
    padded = torch.nn.functional.pad(torch.from_numpy(x).movedim(3, 1), (pads[1], pads[3], pads[0], pads[2]))
    expected = torch.nn.functional.conv2d(
        padded, torch.from_numpy(weights)[:, None], stride=stride, dilation=dilation, groups=3
    )
    window = find_window((kernel,) * 2, pads, (dilation,) * 2)
    whole = depthwise_accumulate(x, window.weights(weights))
    rows, columns = (range(x.shape[i + 1])[slice(*window.kept(i, stride))] for i in range(2))
    np.testing.assert_array_equal(crop_reference(whole, rows, columns, range(3)), expected.movedim(1, 3).numpy())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda net, x: sliced(net, x, "cut", [-1], [-100], [2], [-1]), r"\(Slice\) has steps \[1, 1, -1, 1\]: only"),
        (lambda net, x: sliced(net, x, "cut", [3], [3], [1]), "leaves nothing of 1x4x16x16: take it out"),
        (
            lambda net, x: net.node("Gather", [x, constant(net, "index", [1, 0])], "taken", axis=2),
            r"\(Gather\) gathers along axis 2: only channels",
        ),
        (
            lambda net, x: net.node("Reshape", [x, constant(net, "shape", [1, 4, 8, 32])], "reshaped"),
            r"\(Reshape\) changes the shape of an image in a way that is no channel shuffle",
        ),
    ],
)
def test_refusals(change, sentence):
    def changed(net, x):
        tensor = change(net, x)
        net.scales[tensor] = net.scales[x]
        return after(net, tensor, 4)

    with pytest.raises(LoweringError, match=sentence):
        lowered(normalise(network(changed)))


@pytest.mark.parametrize("form", ["convert", "specialize"])
@pytest.mark.parametrize("end", [-2, 8])
def test_another_size(form, end):
    model = normalise(network(lambda net, x: after(net, sliced(net, x, "cut", [1], [end], [2]), 4)))
    whole = copy.deepcopy(model)
    for step in STEPS:
        model = step.run(model)
        if step.name == form:
            break
    with pytest.raises(ConfigError, match="leaves nothing of 1x8: use a larger image"):
        set_input_size(copy.deepcopy(model), 1, 8)
    codes = np.random.default_rng(3).integers(0, 256, (1, 20, 24, 3), dtype=np.uint8)
    expected = execute_codes(set_input_size(whole, 20, 24), codes)
    np.testing.assert_array_equal(execute_codes(set_input_size(model, 20, 24), codes), expected)
