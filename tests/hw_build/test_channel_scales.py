"""Activations with a scale for each channel, and factors of channels: exact after every step, and each refusal."""

import copy

import numpy as np
import pytest

from hw_build.base.errors import LoweringError
from hw_build.flow.check import check, lowers
from hw_build.lowering.intake import normalise
from hw_build.stitch import stitch
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.test_intake import assert_exact, execute_codes, lowered, network

SLOW = pytest.mark.slow
ANY = 2.0**-3 * np.array([1.0, 0.61, 1.37, 0.83])
TWOS = 2.0**-3 * np.array([1.0, 0.5, 2.0, 1.0])


def act(net, tensor, scales, name="act", channels=4, **attributes):
    """convolution, BN, ReLU and a quantizer of ``scales``, one a channel."""
    conv = net.conv_bn(tensor, channels, 3, f"{name}_of")
    del net.nodes[-1]  # its quantizer
    shaped = np.reshape(scales, (1, -1, 1, 1))
    net.quant(conv.replace("_act", "_relu"), shaped, name=name, **attributes)
    net.channels[name], net.scales[name] = channels, float(np.mean(scales))
    return name


def depthwise(net, tensor, out=4, name="deep", **settings):
    return net.conv_bn(tensor, out, 3, name, group=4, **settings)


def pooled(net, tensor):
    """Maxima, twice as large again, and a window: factors go behind all of them."""
    low = net.pool(act(net, tensor, ANY), "low")
    net.node("Resize", [low, "", net.const("factors", [1, 1, 2, 2])], "up", mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    net.channels["up"], net.scales["up"] = 4, net.scales["act"]
    return depthwise(net, "up")


def two_readers(net, tensor):
    """A depthwise convolution, and a BN before a quantizer."""
    codes = act(net, tensor, ANY)
    net.node("Mul", [codes, net.const("gain", 0.75)], "gained")
    other = net.quant("gained", 2.0**-3, name="other")
    return net.conv_bn(net.concat(depthwise(net, codes, scale=2.0**-3), other, "joined"), 4, 1, "after")


def averaged(net, tensor):
    codes = act(net, tensor, ANY)
    net.node("AveragePool", [codes], "mean", kernel_shape=[2, 2], strides=[2, 2])
    low = net.quant("mean", 2.0**-4, name="mean_q")
    return net.upsample(low, "up")


def layer_scale(net, tensor):
    """ConvNeXt's: codes times a factor of each channel, before a depthwise convolution."""
    net.node("Mul", [tensor, net.const("gamma", np.reshape(ANY, (1, 4, 1, 1)))], "scaled")
    net.scales["scaled"] = 2.0**-6
    return depthwise(net, "scaled")


def one_factor(net, tensor):
    """Of all channels, before a convolution and a sum."""
    net.node("Mul", [tensor, net.const("half", 0.5)], "half_of")
    net.scales["half_of"] = net.scales[tensor] / 2
    return net.conv_bn(net.add(net.conv_bn("half_of", 4, 3, "own"), "half_of", 2.0**-2, name="sum"), 4, 1, "after")


FORMS = {
    "depthwise": lambda net, x: depthwise(net, act(net, x, ANY)),
    "depthwise_strided_of_two_filters": lambda net, x: net.upsample(
        depthwise(net, act(net, x, ANY), 8, strides=(2, 2)), "up"
    ),
    "depthwise_of_signed": lambda net, x: depthwise(net, act(net, x, ANY, signed=1)),
    "dense_of_powers_of_two": lambda net, x: net.conv_bn(act(net, x, TWOS), 4, 3, "after"),
    "equal": lambda net, x: net.conv_bn(act(net, x, np.full(4, 0.25)), 4, 3, "after"),
    "pooled": pooled,
    "two_readers": two_readers,
    "averaged": averaged,
    "layer_scale": layer_scale,
    "one_factor": one_factor,
}
QUICK = ("depthwise", "dense_of_powers_of_two", "two_readers")


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=SLOW) for name in FORMS])
def test_every_step_is_exact(name):
    assert_exact(network(FORMS[name]).model)


@pytest.mark.slow
def test_rtl_is_exact_under_stalls_and_check_names_its_kernel(tmp_path):
    model = network(FORMS["pooled"])
    model.save(str(tmp_path / "net.onnx"))
    assert lowers(check(tmp_path / "net.onnx"))
    model = normalise(model)
    codes = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    design = stitch(lowered(copy.deepcopy(model)), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))


def summed(net, tensor):
    return net.conv_bn(net.add(act(net, tensor, ANY), tensor, 2.0**-2, name="sum"), 4, 1, "after")


def of_the_image(net, tensor):
    del tensor
    quant = next(node for node in net.nodes if node.output[0] == "image_q")
    quant.input[1] = net.const("three", 2.0**-8 * np.array([1, 2, 1]).reshape(1, 3, 1, 1))
    return "stem_act"


REFUSED = {
    "dense": (
        lambda net, x: net.conv_bn(act(net, x, ANY), 4, 3, "after"),
        r"act_scales \(Mul\) gives 4 channels factors of their own, 0\.07625 to 0\.17125, which n_after_conv",
    ),
    "sum": (summed, r"act_scales \(Mul\) gives 4 channels factors of their own, .* n_sum_sum \(Add\) does not take"),
    "image": (of_the_image, r"n_image_q \(Quant\) quantizes activations with 3 scales: one scale"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    change, sentence = REFUSED[name]
    with pytest.raises(LoweringError, match=sentence):
        lowered(normalise(network(change)))
