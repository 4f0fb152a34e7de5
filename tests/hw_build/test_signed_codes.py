"""Signed codes through whole networks: every step exact, and kernels of ours alone that multiply and threshold."""

import copy

import numpy as np
import pytest

from hw_build.flow.check import check, lowers
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering import execute_codes, execute_context, lowering_steps, verify
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build import synthetic
from tests.hw_build.hls_programs import assert_exact_in_hls

CODES = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
FINNS = {"FMPadding_rtl", "ConvolutionInputGenerator_rtl"}  # windows of other forms


def linear(net, tensor, out, name, kernel=1, **settings):
    """A convolution and its BN without an activation, as linear bottlenecks have them: signed codes."""
    return net.conv_bn(tensor, out, kernel, name, relu=False, **settings)


def depthwise_to_signed(net, tensor):
    return net.conv_bn(tensor, 4, 3, "dw", depthwise=True, relu=False)


def depthwise_of_signed(net, tensor):
    return net.conv_bn(linear(net, tensor, 4, "signed"), 4, 3, "dw", depthwise=True)


def signed_residual(net, tensor):
    tensor = linear(net, tensor, 4, "signed")
    branch = net.conv_bn(tensor, 4, 5, "dw", depthwise=True, relu=False, scale=net.scales[tensor])
    return net.add(tensor, branch, net.scales[tensor], name="sum", relu=True)


def inverted_residuals(net, tensor):
    """MobileNetV2's: expand, depthwise, project without activation; a sum of signed codes; then one of stride 2."""
    tensor = linear(net, tensor, 4, "bottleneck")
    wide = net.conv_bn(net.conv_bn(tensor, 8, 1, "expand"), 8, 3, "deep", depthwise=True)
    tensor = net.add(
        tensor, linear(net, wide, 4, "project", scale=net.scales[tensor]), 2.0**-2, name="sum", signed=1, narrow=1
    )
    wide = net.conv_bn(net.conv_bn(tensor, 8, 1, "wide"), 8, 3, "halved", depthwise=True, strides=(2, 2))
    return net.upsample(linear(net, wide, 4, "thin"), "up", signed=1)


def pre_activation(net, tensor):
    """ResNet's second form: BN and ReLU before each convolution, sums without activation."""
    tensor = linear(net, tensor, 4, "start", 3)
    active = net.requantize(tensor, 2.0**-3, name="active", relu=True)
    branch = linear(net, net.conv_bn(active, 4, 3, "first"), 4, "second", 3, scale=net.scales[tensor])
    return net.add(tensor, branch, 2.0**-2, name="sum", signed=1)


def other_windows(net, tensor):
    """Strides, dilations, groups, even kernels."""
    tensor = linear(net, tensor, 8, "signed")
    tensor = linear(net, tensor, 8, "grouped", 3, group=2, strides=(2, 2))
    tensor = linear(net, tensor, 6, "dilated", 3, dilations=(2, 2), pads=[2, 2, 2, 2])
    return net.upsample(linear(net, tensor, 4, "even", 2, pads=[0, 0, 1, 1]), "up")


def several_filters_a_channel(net, tensor):
    return net.conv_bn(linear(net, tensor, 4, "signed"), 8, 3, "dw", group=4, relu=False)


def narrow_codes_of_eight_bits(net, tensor):
    net.act_bits = 8
    tensor = linear(net, tensor, 4, "signed", 3, scale=2.0**-6, narrow=1)
    return linear(net, tensor, 4, "again", 3, scale=2.0**-6, narrow=1, depthwise=True)


def two_quantizers_of_one_sum(net, tensor):
    """Sums that are no codes go to both: nothing may be fused with the product."""
    weight, _, scale = net.weights("both", (4, 4, 3, 3), 4)
    net.node("Conv", [tensor, weight], "sums", kernel_shape=[3, 3], pads=[1] * 4)
    net.scales["sums"] = scale * net.scales[tensor]
    first = net.requantize("sums", 2.0**-2, name="first", signed=1)
    return net.add(first, net.requantize("sums", 2.0**-2, name="second", relu=True), 2.0**-2, name="sum", signed=1)


def padded_max_pool(net, tensor):
    tensor = linear(net, tensor, 4, "signed", 3, gammas=[-0.1, 0.05, -0.3, 0.1])
    net.node("MaxPool", [tensor], "pooled", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    net.scales["pooled"] = net.scales[tensor]
    return net.upsample("pooled", "up", signed=1)


BODIES = (
    depthwise_to_signed, depthwise_of_signed, signed_residual, inverted_residuals, pre_activation, other_windows,
    several_filters_a_channel, narrow_codes_of_eight_bits, two_quantizers_of_one_sum, padded_max_pool,
)  # fmt: skip


def network(body):
    net = synthetic.Net(seed=6)
    return net.model(net.head(body(net, net.conv_bn(net.image(), 4, 3, "stem", bits=8))), 16, 16)


def lowered(model, tmp_path):
    for step in lowering_steps():
        after = step.run(copy.deepcopy(model))
        verify(model, after, CODES, tmp_path, step.name)
        model = after
    return model


@pytest.mark.parametrize("body", BODIES)
def test_signed_codes_lower_exactly_to_kernels_of_ours(body, tmp_path):
    model = network(body)
    model.save(str(tmp_path / "net.onnx"))
    assert lowers(check(tmp_path / "net.onnx"))
    after = lowered(copy.deepcopy(model), tmp_path)
    assert {node.op_type for node in after.graph.node if node.domain.startswith("finn")} <= FINNS
    assert np.unique(execute_codes(after, CODES)).size > 8


def test_depthwise_keeps_its_kernel_and_takes_the_residual_sum(tmp_path):
    graph = GraphEditor(lowered(network(signed_residual), tmp_path))
    (kernel,) = graph.of_type("DepthwiseConv_rtl")
    assert [attribute(kernel, name) for name in ("Residual", "ConvLowestCode", "LowestCode")] == [1, -8, 0]


def test_sums_that_two_quantizers_read_are_not_thresholded_in_the_convolution(tmp_path):
    graph = GraphEditor(lowered(network(two_quantizers_of_one_sum), tmp_path))
    raw = [attribute(node, "Raw") for node in graph.of_type("ConvThreshold_rtl")]
    assert raw == [0, 1, 1]  # stem, the sums, head
    assert sorted(attribute(node, "LowestCode") for node in graph.of_type("Threshold_rtl")) == [-8, 0]


def test_padding_is_less_than_every_signed_code(tmp_path):
    after = lowered(network(padded_max_pool), tmp_path)
    border = execute_context(after, CODES[:1])["pooled_codes"][0, 0]
    assert border.min() < 0, "maxima of negative codes alone, beside padding"


SIMULATED = (signed_residual, inverted_residuals)


@pytest.mark.parametrize("body", [pytest.param(b, marks=[] if b in SIMULATED else pytest.mark.slow) for b in BODIES])
def test_signed_codes_are_exact_in_simulated_rtl(body, tmp_path):
    model = network(body)
    expected = execute_codes(model, CODES)
    design = stitch(lowered(model, tmp_path), tmp_path / "build")
    np.testing.assert_array_equal(simulate(design, CODES, idle=0.2, stall=0.3, seed=1).logits, expected)


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES)
def test_signed_codes_are_exact_in_hls(body, tmp_path):
    model = network(body)
    expected = execute_codes(model, CODES)
    assert_exact_in_hls(copy.deepcopy(model), CODES, expected, tmp_path, cycles_per_pixel=32)
