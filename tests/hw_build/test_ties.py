"""Values exactly between two codes, of scales that are no powers of two: one sentence from `check` and the build."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from hw_build.base.errors import LoweringError
from hw_build.cli.main import main
from hw_build.flow.check import check
from hw_build.lowering import lowering_steps, verify
from tests.hw_build import synthetic

SIZE = 8


def relu_codes(net, scale, name, *, bits=4):
    """Codes of ``scale`` made by exact sums: of the image, by weights that are multiples of a power of two."""
    weight, _, _ = net.weights(name, (4, 3, 3, 3), 4)
    net.node("Conv", ["image_q", weight], f"{name}_conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.channels[f"{name}_conv"] = 4
    return net.quant(net.node("Relu", [f"{name}_conv"], f"{name}_relu"), scale, bits=bits, name=f"{name}_act")


def convolved(net, scale, step, kernel=1):
    source = relu_codes(net, scale, "stem")
    weight, codes, _ = net.weights("more", (4, 4, kernel, kernel), 4)
    net.node("Conv", [source, weight], "more_conv", kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)
    return net.quant("more_conv", step, bits=6, signed=1, name="tied"), codes


def pooled(net, scale, step):
    net.node("AveragePool", [relu_codes(net, scale, "stem")], "pool", kernel_shape=[2, 2], strides=[2, 2])
    return net.upsample(net.quant("pool", step, name="tied"), "up")


def normalized(net, scale, step):
    net.node("AveragePool", [relu_codes(net, scale, "stem")], "pool", kernel_shape=[2, 2], strides=[2, 2])
    names = [net.const(f"bn_{n}", np.full(4, value)) for n, value in enumerate((1.0, 0.0, 0.0, 4.0))]
    net.node("BatchNormalization", ["pool", *names], "bn", epsilon=0.0)
    return net.upsample(net.quant(net.node("Relu", ["bn"], "relu"), step, name="tied"), "up")


def enlarged(net, scale, step):
    weight, _, _ = net.weights("stem", (4, 3, 3, 3), 4)
    net.node("Conv", ["image_q", weight], "stem", kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    net.channels["stem"] = 4
    source = net.quant(net.node("Relu", ["stem"], "stem_relu"), scale, name="stem_act")
    net.constants.append(synthetic.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    net.node("Resize", [source, "", "twice"], "wide", mode="linear", coordinate_transformation_mode="half_pixel")
    return net.quant("wide", step, name="tied")


def gated(net, scale, step):
    net.node("Mul", [relu_codes(net, scale, "stem", bits=8), relu_codes(net, 0.5, "gate", bits=8)], "gated")
    return net.quant("gated", step, bits=8, name="tied")


def summed(net, scale, step):
    net.node("Add", [relu_codes(net, scale, "stem"), relu_codes(net, scale, "other")], "sum")
    return net.quant("sum", step, name="tied")


def averaged(net, scale, step):
    source = relu_codes(net, scale, "stem")
    gate = net.quant(net.node("GlobalAveragePool", [source], "mean"), step, name="tied")
    return net.quant(net.node("Mul", [source, gate], "scaled"), 0.5, name="after")


KINDS = (lambda net, *scales: convolved(net, *scales)[0], pooled, normalized, enlarged, gated, summed, averaged)
NAMES = ("convolution", "pooling", "bn_behind_a_pooling", "bilinear", "product", "sum", "global_average")
TYING = ((0.6, 0.2),) * 5 + ((0.2, 0.4), (0.6, 0.2))


def built(make, scale, step):
    net = synthetic.Net(seed=2)
    net.image()
    net.head(make(net, scale, step))
    del net.nodes[-1].input[2]
    return net.model("logits", SIZE, SIZE)


def lower(model, tmp_path):
    """The steps of a build, each compared with the one before."""
    codes = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.uint8)
    for step in lowering_steps()[:2]:
        before = synthetic.ModelWrapper(model.model.SerializeToString())
        model = step.run(model)
        verify(before, model, codes, tmp_path, step.name)


@pytest.mark.parametrize(("make", "scales"), list(zip(KINDS, TYING, strict=True)), ids=NAMES)
def test_a_tie_is_the_same_sentence_in_check_and_in_the_build(make, scales, tmp_path):
    model = built(make, *scales)
    model.save(str(tmp_path / "model.onnx"))
    (said,) = (verdict for verdict in check(tmp_path / "model.onnx") if not verdict.lowers)
    with pytest.raises(LoweringError, match=r"node n_tied \(Quant\) cannot be exact: .* not a power of two") as error:
        lower(model, tmp_path)
    assert (said.node, said.reason) == ("n_tied", str(error.value))


@pytest.mark.parametrize("make", KINDS, ids=NAMES)
@pytest.mark.parametrize("scales", [(0.5, 0.25), (0.6134, 0.2)], ids=["powers_of_two", "no_simple_ratio"])
def test_without_a_tie_it_lowers_exactly(make, scales, tmp_path):
    lower(built(make, *scales), tmp_path)


def test_scales_of_few_digits_are_exact_like_powers_of_two(tmp_path):
    lower(built(KINDS[0], 0.375, 0.125), tmp_path)


def test_adopt_refuses_it_too(tmp_path, capsys):
    built(KINDS[0], 0.3, 0.1).save(str(tmp_path / "model.onnx"))
    assert main(["adopt", str(tmp_path / "model.onnx"), "--out", str(tmp_path / "export")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: node n_tied (Quant) cannot be exact") and "0.0375 is not a power of two" in line


RATIOS = [Fraction(text) for text in ("3/10", "1/10", "1/3", "1/255", "39/10000")]
CODES = np.stack(np.meshgrid(*[np.arange(16)] * 4), axis=-1).reshape(-1, 4)


def rational_ties(weights, scale, step):
    """Sums n of a 1x1 convolution whose value n * scale / 8 is halfway between two codes of ``step``."""
    halfway = [(k - Fraction(1, 2)) * step * 8 / scale for k in range(-31, 32)]
    reached = set((CODES @ weights.reshape(len(weights), -1).T.astype(int)).reshape(-1).tolist())
    return {n for n in halfway if n in reached}


@pytest.mark.parametrize(("scale", "step"), list(product(RATIOS, RATIOS)))
def test_it_is_refused_where_rational_arithmetic_finds_a_tie(scale, step, tmp_path):
    found = {}

    def make(net, *scales):
        tied, found["weights"] = convolved(net, *scales)
        return tied

    model = built(make, float(scale), float(step))
    if rational_ties(found["weights"], scale, step):
        with pytest.raises(LoweringError, match="not a power of two"):
            lower(model, tmp_path)
    else:
        lower(model, tmp_path)


def test_such_ratios_are_of_both_kinds():
    weights = np.array([[1, -3, 5, 7], [2, 0, -4, 6]])
    found = [bool(rational_ties(weights, *each)) for each in product(RATIOS, RATIOS)]
    assert 5 < sum(found) < 20
