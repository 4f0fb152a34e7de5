"""Depthwise convolutions of signed codes: no kernel of their own, so dense ones of mostly zeros, exact all the same."""

import copy

import numpy as np
import pytest

from hw_build.flow.check import check, lowers
from hw_build.graph.editor import GraphEditor
from hw_build.lowering import execute_codes, lowering_steps, verify
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build import synthetic

CODES = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


def writes_signed(net, tensor):
    return net.conv_bn(tensor, 4, 3, "dw", depthwise=True, relu=False)


def reads_signed(net, tensor):
    return net.conv_bn(net.conv_bn(tensor, 4, 1, "signed", relu=False), 4, 3, "dw", depthwise=True)


def signed_residual(net, tensor):
    tensor = net.conv_bn(tensor, 4, 1, "signed", relu=False)
    branch = net.conv_bn(tensor, 4, 5, "dw", depthwise=True, relu=False, scale=net.scales[tensor])
    return net.add(tensor, branch, net.scales[tensor], name="sum", relu=True)


def network(body):
    net = synthetic.Net(seed=6)
    return net.model(net.head(body(net, net.conv_bn(net.image(), 4, 3, "stem", bits=8))), 16, 16)


def lowered(model, tmp_path):
    for step in lowering_steps():
        after = step.run(copy.deepcopy(model))
        verify(model, after, CODES, tmp_path, step.name)
        model = after
    return model


@pytest.mark.parametrize("body", [writes_signed, reads_signed, signed_residual])
def test_signed_depthwise_lowers_exactly(body, tmp_path):
    model = network(body)
    model.save(str(tmp_path / "net.onnx"))
    assert lowers(check(tmp_path / "net.onnx"))
    after = lowered(copy.deepcopy(model), tmp_path)
    assert not GraphEditor(after).of_type("DepthwiseConv_rtl")
    np.testing.assert_array_equal(execute_codes(after, CODES), execute_codes(model, CODES))


def test_unsigned_depthwise_keeps_its_kernel(tmp_path):
    model = lowered(network(lambda net, tensor: net.conv_bn(tensor, 4, 3, "dw", depthwise=True)), tmp_path)
    assert len(GraphEditor(model).of_type("DepthwiseConv_rtl")) == 1


def test_signed_residual_is_exact_in_simulated_rtl(tmp_path):
    model = network(signed_residual)
    expected = execute_codes(model, CODES)
    design = stitch(lowered(model, tmp_path), tmp_path / "build")
    np.testing.assert_array_equal(simulate(design, CODES, idle=0.2, stall=0.3, seed=1).logits, expected)
