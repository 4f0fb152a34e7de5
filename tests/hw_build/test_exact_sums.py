"""Sums of convolutions are exact where float32 would round them, and every step agrees with them."""

import copy
from pathlib import Path

import numpy as np
import pytest
import qonnx

from hw_build.base.errors import LoweringError
from hw_build.base.export import read_export
from hw_build.cli.main import main as cli
from hw_build.lowering import STEPS, execute_codes, execute_context, verify
from hw_build.lowering.forms import scales
from tests.hw_build import synthetic

ODD = 0.00731  # no power of two
CODES = np.random.default_rng(7).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)


def wide_network(size=16, *, bias=True, per_channel=False):
    """8-bit codes, and positive 8-bit weights of odd scales, through a 3x3 convolution of 32 channels: sums of some
    million, which ``bias`` moves into the range of the quantizer behind them.
    """
    net = synthetic.Net(seed=3, act_bits=8)
    image = net.image()
    stem, _, _ = net.weights("stem", (32, 3, 3, 3), 8)
    net.node("Conv", [image, stem], "stem_conv", kernel_shape=[3, 3], pads=[1] * 4)
    source = net.quant(net.node("Relu", ["stem_conv"], "stem_relu"), ODD, bits=8, name="stem_act")
    weight, codes, _ = net.weights("more", (64, 32, 3, 3), 8)
    codes = np.abs(codes)
    scale = net.rng.uniform(0.5, 1.5, (64, 1, 1, 1)) if per_channel else np.ones(1)
    step = (0.0117 * scale).astype(np.float32)
    middle = codes.reshape(64, -1).sum(1) * 63 * ODD * np.reshape(step, -1)
    more = [net.const("more_bias", -middle)] if bias else []
    net.node("Conv", [source, weight, *more], "more_conv", kernel_shape=[3, 3], pads=[1] * 4)
    net.channels["more_conv"] = 64
    net.quant("more_conv", ODD * 24, bits=8, signed=1, name="more_act")
    net.head("more_act")
    del net.nodes[-1].input[2]
    model = net.model("logits", size, size)
    model.set_initializer("more_w_s", step)
    model.set_initializer("more_float", (codes * step).astype(np.float32))
    model.set_initializer("head_w_s", np.float32(0.0123))
    return model, codes, np.reshape(step, -1).astype(np.float64)


def real_sums(model, weights, step, codes):
    """The convolution `more` in float64 from integers that float32 has exactly, (64, H, W)."""
    stem = execute_context(model, codes)["stem_act"][0]
    source = np.pad(np.rint(stem / np.float32(ODD)).astype(np.int64), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(source, (3, 3), (0, 1))
    sums = np.einsum("hwcij,ocij->ohw", windows, weights.astype(np.int64))
    bias = model.get_initializer("more_bias")
    return sums * (float(np.float32(ODD)) * step)[:, None, None] + (0.0 if bias is None else bias[:, None, None])


@pytest.mark.parametrize("forms", [{}, {"bias": False}, {"per_channel": True}])
def test_sums_are_those_of_integers(forms):
    model, weights, step = wide_network(**forms)
    expected = real_sums(model, weights, step, CODES)
    tensors = execute_context(model, CODES)["more_conv"][0].transpose(2, 0, 1)
    by_float32 = execute_context(model, CODES, exact_sums=False)["more_conv"][0].transpose(2, 0, 1)
    error, of_float32 = (np.abs(each - expected).max() / step.max() / ODD for each in (tensors, by_float32))
    assert error < 2**-22 * np.abs(expected).max() / step.min() / ODD  # two factors, and the bias, round once each
    assert of_float32 > 2 * error


@pytest.mark.parametrize("forms", [{}, {"per_channel": True}])
def test_every_step_agrees(forms, tmp_path):
    model, _, _ = wide_network(64, **forms)
    codes = np.random.default_rng(8).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    expected = execute_codes(model, codes)
    by_float32 = execute_context(model, codes, exact_sums=False)["more_act"]
    assert np.any(execute_context(model, codes)["more_act"] != by_float32)
    for step in STEPS[:2]:
        after = step.run(copy.deepcopy(model))
        verify(model, after, codes, tmp_path, step.name)
        model = after
    np.testing.assert_array_equal(execute_codes(model, codes), expected)


def test_nothing_is_rewritten_where_float32_is_exact():
    net = synthetic.Net(seed=1)
    net.head(net.conv_bn(net.image(), 4, 3, "layer"))
    model = net.model("logits", 16, 16)
    with_sums, plain = (execute_context(model, CODES, exact_sums=exact) for exact in (True, False))
    assert with_sums.keys() == plain.keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subpixel", "nn_resize"])
def test_espcn_of_qonnx_builds(kind, tmp_path):
    """8-bit weights and codes: 14 and 3 of 196,608 values lay where float32's own sums do not decide a code."""
    path = Path(qonnx.__file__).parent / "data/onnx/bsd300x3-espcn" / kind / "quant_model.onnx"
    out = tmp_path / "export"
    assert cli(["adopt", str(path), "--input-scale", "1/255", "--out", str(out)]) == 0
    export = read_export(out)
    changed = export.manifest["verification"]["logits_that_float32_sums_change"]
    assert 0 <= changed < export.logits.size / 1000
    where = ("--export", str(out), "--board", "zcu104", "--out", str(tmp_path / "build"))
    assert cli(["build", *where, "--frames", "2", "--stop-after", "stitch"]) == 0


def codes_of(net, name):
    """8-bit codes of the odd scale."""
    weight, _, _ = net.weights(name, (4, 3, 3, 3), 4)
    net.node("Conv", ["image_q", weight], f"{name}_conv", kernel_shape=[3, 3], pads=[1] * 4)
    net.channels[f"{name}_conv"] = 4
    return net.quant(net.node("Relu", [f"{name}_conv"], f"{name}_relu"), ODD, bits=8, name=f"{name}_act")


def summed(net):
    return net.node("Add", [codes_of(net, "one"), codes_of(net, "other")], "layer")


def enlarged(net):
    small = net.pool(codes_of(net, "one"), "small")
    twice = net.const("twice", [1, 1, 2, 2])
    return net.node("Resize", [small, "", twice], "layer", mode="linear", coordinate_transformation_mode="half_pixel")


def averaged(net):
    return net.node("AveragePool", [codes_of(net, "one")], "layer", kernel_shape=[3, 3], pads=[1] * 4)


def halved(net):
    net.node("AveragePool", [codes_of(net, "one")], "layer", kernel_shape=[2, 2], strides=[2, 2])
    return "layer"


def with_step(make, step):
    net = synthetic.Net(seed=6)
    net.image()
    layer = make(net)
    net.head(net.quant(layer, float(np.float32(step)), bits=8, name="tied"))
    del net.nodes[-1].input[2]
    size = 32 if make is halved else 64
    model = net.model("logits", 64, 64)
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = size
    model.graph.output[0].type.tensor_type.shape.dim[3].dim_value = size
    return model


def accepted(model):
    """Whether so few borders are beside a value that chance explains them: others are refused."""
    try:
        scales(model)
    except LoweringError:
        return False
    return True


@pytest.mark.parametrize("make", [summed, enlarged, averaged, halved])
def test_a_sum_beside_a_border_is_decided(make, tmp_path):
    """The step is such that float32, by the network's order of operations, puts values of some pixels on the other side
    of a border between two codes than their exact sums lie.
    """
    codes = np.random.default_rng(9).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    values, exact = (
        execute_context(with_step(make, 3.7), codes, exact_sums=each)["layer"].reshape(-1) for each in (False, True)
    )
    differ = np.flatnonzero(values != exact)
    assert differ.size
    steps = np.random.default_rng(10).uniform(1, 3, 4000).astype(np.float32) * np.float32(ODD)
    apart = [np.sum(np.rint(values[differ] / step) != np.rint(exact[differ] / step)) for step in steps]
    few = [step for step, count in zip(steps, apart, strict=True) if count]
    model = next(model for model in (with_step(make, step) for step in few) if accepted(model))
    by_float32, tied = (execute_context(model, codes, exact_sums=each)["tied"] for each in (False, True))
    assert np.any(by_float32 != tied)
    for step in STEPS[:2]:
        after = step.run(copy.deepcopy(model))
        verify(model, after, codes, tmp_path, step.name)
        model = after
