"""The integer reference: exact against QONNX execution, staircases against their float chain, and its refusals."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
import trained
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from quant.base.errors import ConfigError, DataError, ExportError
from quant.export import export as exporting
from quant.integer import IntegerReference
from quant.integer.compiled.engine import compiled_engine
from quant.integer.fit import Line, fit_staircase
from quant.integer.ort_engine import LANES, OrtEngine
from quant.integer.ort_graph import GraphBuilder, banded_weights, dense_weights, widest_lanes
from quant.integer.parse import load_program, parse
from quant.integer.program import Codes, Conv, Program
from quant.integer.proof import prove_steps, require_settled
from quant.integer.staircase import Affine, Chain, Clip, Leaky
from quant.integer.torch_engine import TorchEngine
from quant.operators.bilinear import Upsample
from quant.operators.max_pool import MaxPool
from quant.operators.stream_sum import Sum
from quant.twin.config import QuantConfig
from quant.twin.settle import SETTLED_DISTANCE

SEED = 3
RELU = Clip(0.0, np.inf)


def random_codes(program, images=2):
    return np.random.default_rng(SEED).integers(0, 256, (images, *program.input_shape)).astype(np.uint8)


def qonnx_logits(model, program, codes):
    """Integer logits (N, H, W, classes) by QONNX execution."""
    outputs = [
        execute_onnx(model, {model.graph.input[0].name: image.transpose(2, 0, 1)[None].astype(np.float32) / 256})
        for image in codes
    ]
    logits = np.concatenate([next(iter(output.values())) for output in outputs]) / program.logit_scale
    assert np.array_equal(logits, np.round(logits))
    return logits.transpose(0, 2, 3, 1).astype(np.int64)


@pytest.fixture(scope="module")
def model(exported):
    return ModelWrapper(str(exported / "model.qonnx"))


@pytest.fixture(scope="module")
def program(model):
    return parse(model)


@pytest.fixture(scope="module")
def expected(model, program):
    return qonnx_logits(model, program, random_codes(program))


def test_engines_give_qonnx_logits_on_noise(program, expected):
    codes = random_codes(program)
    assert expected.std() > 0
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), expected)
    np.testing.assert_array_equal(TorchEngine(program, "cpu").run(codes), expected)
    np.testing.assert_array_equal(compiled_engine(program).run(codes), expected)


def test_float32_convolutions_give_the_same_logits(program, expected, monkeypatch):
    monkeypatch.setattr(GraphBuilder, "_int8_fit", lambda self, conv: None)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(random_codes(program)), expected)


def test_float64_lines_give_the_same_logits(program, expected, monkeypatch):
    exact = Line.exact
    monkeypatch.setattr(GraphBuilder, "_int8_fit", lambda self, conv: None)
    monkeypatch.setattr(Line, "exact", lambda line, dtype: dtype is np.float64 and exact(line, dtype))
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(random_codes(program)), expected)


def test_where_no_line_is_exact_thresholds_are_compared_one_by_one(program, expected, monkeypatch):
    monkeypatch.setattr(GraphBuilder, "_int8_fit", lambda self, conv: None)
    monkeypatch.setattr(Line, "exact", lambda line, dtype: False)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(random_codes(program)), expected)


def test_a_threshold_on_an_integer_is_refused_where_no_line_is_exact(program, monkeypatch):
    monkeypatch.setattr(GraphBuilder, "_int8_fit", lambda self, conv: None)
    monkeypatch.setattr(Line, "exact", lambda line, dtype: False)
    for conv in program.convolutions[:1]:
        monkeypatch.setitem(conv.staircase.__dict__, "distances", np.zeros_like(conv.staircase.distances))
    with pytest.raises(ExportError, match=r"a threshold of 'Conv_0' lies on an integer accumulator; settle"):
        GraphBuilder(program, 1).build()


def test_images_side_by_side_do_not_mix(program):
    engine = OrtEngine(program, threads=1)
    codes = random_codes(program, LANES + 2)
    alone = np.concatenate([engine.run(image[None]) for image in codes])
    assert engine.lanes == LANES
    np.testing.assert_array_equal(engine.run(codes), alone)


@pytest.mark.parametrize(("name", "quant"), [("unet3", "w4a4"), ("cmunext-tiny-hw", "w2a3")])
def test_other_networks_are_exact(name, quant, tmp_path):
    if quant == "w2a3":
        bits = {"dense_weight": 2, "depthwise_weight": 3, "pointwise_weight": 3, "activation": 3, "upsample": 5}
        config = QuantConfig.from_dict({"name": quant, "bits": bits})
    else:
        config = QuantConfig.read(quant)
    twin = trained.settled_twin(name, (16, 32), config)
    model = exporting.qonnx_model(twin, tmp_path / "model.qonnx", (16, 32))
    program = parse(model)
    codes = random_codes(program)
    expected = qonnx_logits(model, program, codes)
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), expected)
    np.testing.assert_array_equal(TorchEngine(program, "cpu").run(codes), expected)
    np.testing.assert_array_equal(compiled_engine(program).run(codes), expected)


def signed_program(rng, sum_scale):
    """Signed codes, a ReLU before a BN, groups, sums of several scales: what twins of other families have."""
    codes = {"x": Codes(1 / 256, 0, 255), "a": Codes(1.0, -8, 7), "b": Codes(1.0, -8, 7), "s": Codes(sum_scale, -8, 7)}
    codes |= {"p": codes["s"], "u": Codes(sum_scale / 2, -8, 7), "c": Codes(1.0, 0, 15)}
    channels = {"x": 3, "a": 4, "b": 4, "s": 4, "p": 4, "u": 4, "c": 6, "y": 1}

    def conv(source, output, kernel, groups=1, relu_first=False):
        weights = rng.integers(-7, 8, (channels[output], channels[source] // groups, kernel, kernel))
        ends = np.stack([weights * codes[source].low, weights * codes[source].high])
        low, high = ends.min(0).sum((1, 2, 3)), ends.max(0).sum((1, 2, 3))
        gain = rng.normal(size=len(low)) * 12 / (high - low)
        operators = (Affine(gain, rng.normal(size=len(low))),)
        one = np.ones(len(low))
        chain = Chain(one, low, high, (RELU, *operators) if relu_first else operators)
        staircase = None if output == "y" else chain.staircase(codes[output])
        return Conv(
            f"conv_{output}",
            source,
            output,
            weights,
            (kernel // 2,) * 4,
            groups,
            low,
            high,
            one,
            0 * one,
            staircase,
            low,
        )

    def stairs(scale, low, high, output):
        shift = Affine(np.ones(1), np.full(1, 2.0**-16))
        return Chain(np.array([scale]), np.array([low]), np.array([high]), (shift,)).staircase(codes[output])

    steps = (
        conv("x", "a", 3),
        conv("a", "b", 5, groups=2, relu_first=True),
        Sum("sum", ("a", "b"), "s", stairs(1.0, -16, 14, "s")),
        MaxPool("pool", "s", "p"),
        Upsample("up", "p", "u", stairs(sum_scale / 16, -128, 112, "u")),
        conv("u", "c", 3, groups=2),
        conv("c", "y", 3),
    )
    return Program("x", "y", (8, 12), 1.0, steps, codes, channels)


@pytest.mark.parametrize("sum_scale", [0.5, 1.0, 2.0, 4.0, 64.0])  # at the last no sum reaches a threshold
def test_engines_agree_on_signed_codes(sum_scale):
    program = signed_program(np.random.default_rng(SEED), sum_scale)
    codes = random_codes(program, LANES + 1)
    expected = TorchEngine(program, "cpu").run(codes)
    assert expected.std() > 0
    np.testing.assert_array_equal(OrtEngine(program, threads=1).run(codes), expected, err_msg=f"seed {SEED}")
    np.testing.assert_array_equal(compiled_engine(program).run(codes), expected, err_msg=f"seed {SEED}")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_falling_function_climbs_downwards(program, channels):
    ones = np.ones(channels)
    fall = Chain(0.5 * ones, -40 * ones, 40 * ones).then(Affine(-ones, 0.1 * ones))
    staircase = fall.staircase(Codes(1.0, -8, 7))
    accumulators = np.random.default_rng(SEED).integers(-40, 41, (2, channels, 5, 6))
    engine = TorchEngine(program, "cpu")
    engine._thresholds["fall"] = engine.tensor(staircase.thresholds)
    found = engine.climb("fall", staircase, engine.tensor(accumulators))
    expected = np.clip(np.floor(accumulators * -0.5 + 0.6), -8, 7)
    np.testing.assert_array_equal(found.numpy(), expected, err_msg=f"seed {SEED}")


@pytest.mark.gpu
def test_cuda_gives_the_same_logits(exported, program, expected):
    reference = IntegerReference(exported, device="cuda")
    np.testing.assert_array_equal(reference.run(random_codes(program)), expected)


def chain_codes(chain, codes, accumulators):
    """The codes of a chain by running it forwards in float64, half up."""
    values = accumulators * chain.scale[:, None]
    for operator in chain.operators:
        if isinstance(operator, Clip):
            values = np.clip(values, operator.low, operator.high)
        elif isinstance(operator, Leaky):
            values = np.where(values < 0, values * operator.slope[:, None], values)
        else:
            values = values * operator.gain[:, None] + operator.shift[:, None]
    return np.clip(np.floor(values / codes.scale + 0.5), codes.low, codes.high)


@pytest.mark.parametrize("codes", [Codes(0.25, 0, 15), Codes(0.5, -8, 7), Codes(1 / 16, 0, 255)])
@pytest.mark.parametrize("order", ["norm-relu", "relu-norm", "norm", "norm-clip", "leaky-norm"])
def test_staircase_equals_its_chain_on_every_accumulator(codes, order):
    rng = np.random.default_rng(SEED)
    channels, reach = 12, 300
    gain = rng.normal(size=channels) * 1.3
    gain[3] = 0.0  # a dead channel is constant
    norm, bias = Affine(gain, rng.normal(size=channels)), Affine(np.ones(channels), rng.normal(size=channels))
    clip, leaky = Clip(-1.0, 2.25), Leaky(rng.uniform(0.05, 0.5, channels))
    operators = {
        "norm-relu": (norm, RELU),
        "relu-norm": (bias, RELU, norm),
        "norm": (norm,),
        "norm-clip": (norm, clip),
        "leaky-norm": (bias, leaky, norm),
    }[order]
    ends = np.full(channels, reach)
    chain = Chain(np.full(channels, 1 / 64), -ends, ends, operators)
    accumulators = np.tile(np.arange(-reach, reach + 1), (channels, 1))
    staircase = chain.staircase(codes)
    assert np.all(np.diff(staircase.thresholds, axis=1) >= 0)
    np.testing.assert_array_equal(
        staircase.apply(accumulators), chain_codes(chain, codes, accumulators), err_msg=f"seed {SEED}"
    )


def test_sums_round_half_up():
    chain = Chain(np.array([0.5]), np.array([0]), np.array([30]), (Affine(np.array([1.0]), np.array([2.0**-16])),))
    staircase = chain.staircase(Codes(1.0, 0, 15))
    np.testing.assert_array_equal(staircase.thresholds[0], np.arange(1, 31, 2))


@pytest.mark.parametrize("multiplier", [1, 8, 18])
def test_fit_gives_the_staircase_on_every_accumulator(multiplier):
    rng = np.random.default_rng(SEED)
    channels, reach = 40, 400
    gain = rng.normal(size=channels)
    chain = Chain(
        np.full(channels, 1 / 32),
        np.full(channels, -reach),
        np.full(channels, reach),
        (Affine(gain, rng.normal(size=channels)), RELU),
    )
    staircase = chain.staircase(Codes(0.5, 0, 15))
    fitted = 0
    accumulators = np.arange(-reach, reach + 1)
    for c in range(channels):
        one = dataclasses.replace(
            staircase,
            sign=staircase.sign[c : c + 1],
            thresholds=staircase.thresholds[c : c + 1],
            slope=staircase.slope[c : c + 1],
            offset=staircase.offset[c : c + 1],
        )
        fit = fit_staircase(one, np.array([-reach]), np.array([reach]), np.array([multiplier]))
        if fit is None:
            continue
        fitted += 1
        values = fit.scale[0] * (fit.multiplier[0] * one.sign[0] * accumulators + fit.bias[0]).astype(np.float32)
        codes = np.clip(np.round(values), fit.floor[0], fit.ceiling[0])
        np.testing.assert_array_equal(codes, one.apply(accumulators[None])[0], err_msg=f"seed {SEED}, channel {c}")
        assert fit.overshoots or np.round(values).max() <= fit.ceiling[0]
    assert fitted >= {1: 1, 8: 20, 18: 30}[multiplier], f"seed {SEED}"


def test_banded_and_dense_weights_compute_the_same_convolution():
    rng = np.random.default_rng(SEED)
    pixels, lanes, inputs, outputs, height, width = 2, 3, 4, 6, 5, 8
    weights = torch.from_numpy(rng.integers(-7, 8, (outputs, inputs // 2, 5, 5)).astype(np.float64))
    images = torch.from_numpy(rng.integers(0, 16, (lanes, inputs, height, width)).astype(np.float64))
    expected = torch.nn.functional.conv2d(images, weights, padding=2, groups=2)  # (lanes, O, H, W)
    banded = torch.from_numpy(banded_weights(dense_weights(weights.numpy(), 2), pixels, lanes))
    # (lanes, I, H, W / pixels, pixels) -> (1, pixels * lanes * I, H, W / pixels)
    wide = images.reshape(lanes, inputs, height, width // pixels, pixels).permute(4, 0, 1, 2, 3)
    wide = wide.reshape(1, pixels * lanes * inputs, height, width // pixels)
    found = torch.nn.functional.conv2d(wide, banded, padding=(2, banded.shape[3] // 2))
    found = found.reshape(pixels, lanes, outputs, height, width // pixels).permute(1, 2, 3, 4, 0)
    np.testing.assert_array_equal(found.reshape(lanes, outputs, height, width), expected)


@pytest.mark.parametrize("kernel", [(1, 5), (3, 1), (2, 2)])
def test_grouped_kernels_of_any_sides_become_dense_ones(kernel):
    rng = np.random.default_rng(SEED)
    weights = torch.from_numpy(rng.integers(-7, 8, (6, 2, *kernel)).astype(np.float64))
    images = torch.from_numpy(rng.integers(0, 16, (2, 4, 7, 6)).astype(np.float64))
    dense = torch.from_numpy(dense_weights(weights.numpy(), 2))
    assert dense.shape == (6, 4, *kernel)
    convolve = torch.nn.functional.conv2d
    np.testing.assert_array_equal(convolve(images, dense), convolve(images, weights, groups=2))


def test_wide_networks_take_one_image_at_a_time(program):
    wide = dataclasses.replace(program.convolutions[0], weights=np.ones((256, 3, 3, 3), np.int64))
    assert widest_lanes(program, LANES) == LANES
    assert widest_lanes(dataclasses.replace(program, steps=(wide,)), LANES) == 1


def test_thresholds_are_settled_and_float32_follows_them(model, program):
    assert require_settled(program) >= 0.95 * SETTLED_DISTANCE
    sides = sum(2 * conv.staircase.thresholds.size for conv in program.convolutions if conv.staircase)
    assert prove_steps(model, program) == sides


def changed_staircase(program, **changes):
    first = program.convolutions[0]
    steps = tuple(
        dataclasses.replace(step, staircase=dataclasses.replace(step.staircase, **changes)) if step is first else step
        for step in program.steps
    )
    return dataclasses.replace(program, steps=steps)


def test_a_threshold_on_an_accumulator_is_refused(program):
    distances = program.convolutions[0].staircase.distances.copy()
    distances[2, 4] = 5e-4
    with pytest.raises(ExportError, match=r"'Conv_0', channel 2: threshold 5 lies 0.0005 from an integer accumulator"):
        require_settled(changed_staircase(program, distances=distances))


def test_float32_that_leaves_the_thresholds_is_refused(model, program):
    thresholds = program.convolutions[0].staircase.thresholds + 1
    with pytest.raises(ExportError, match=r"'Conv_0', channel 0: float32 rounds accumulator .* settle the BN shifts"):
        prove_steps(model, changed_staircase(program, thresholds=thresholds))


def edited(model, kind, **changes):
    """A copy of ``model`` whose first node of ``kind`` has another type, other inputs, constants or attributes."""
    copy = ModelWrapper(onnx.ModelProto.FromString(model.model.SerializeToString()))
    node = next(node for node in copy.graph.node if node.op_type == kind)
    if "op_type" in changes:
        node.op_type = changes["op_type"]
    for index, name in changes.get("inputs", {}).items():
        node.input[index] = name
    for name, value in changes.get("constants", {}).items():
        copy.set_initializer(node.input[name], value)
    for name, value in changes.get("attributes", {}).items():
        attribute = next(attribute for attribute in node.attribute if attribute.name == name)
        attribute.CopyFrom(onnx.helper.make_attribute(name, value))
    return copy


REFUSED = [
    ("Relu", {"op_type": "HardSwish"}, r"node 'Relu_0' \(HardSwish\) is a function of .*; put a quantizer before"),
    (
        "Relu",
        {"op_type": "Softmax"},
        r"node 'Relu_0' \(Softmax\) has no integer form; supported: Abs, Add, Average",
    ),
    ("Quant", {"constants": {1: np.float32(0.5)}}, r"input quantizer 'Quant_0' has scale 0.5 .* pixel codes / 256"),
    ("Quant", {"constants": {2: np.float32(3)}}, r"quantizer 'Quant_0' must round to nearest with zero point 0"),
    ("Quant", {"attributes": {"rounding_mode": "FLOOR"}}, r"quantizer 'Quant_0' must round to nearest"),
    ("MaxPool", {"attributes": {"strides": [3, 3]}}, r"max-pool 'MaxPool_0' has a last window that lies in padding"),
    ("Resize", {"attributes": {"mode": "nearest"}}, r"upsampling 'Resize_0' must repeat each pixel by one whole"),
    ("Resize", {"attributes": {"mode": "cubic"}}, r"upsampling 'Resize_0' must be bilinear by 2"),
    ("Relu", {"op_type": "Elu"}, r"node 'Relu_0' \(Elu\) is a function of .*, not of one tensor of codes; put"),
    ("BatchNormalization", {"inputs": {0: "global_in"}}, r"the input passes .* without mean and deviation"),
]


@pytest.mark.parametrize(("kind", "changes", "sentence"), REFUSED, ids=[sentence[:30] for _, _, sentence in REFUSED])
def test_what_has_no_integer_form_is_refused_by_name(model, kind, changes, sentence):
    with pytest.raises(ExportError, match=sentence):
        parse(edited(model, kind, **changes))


def test_a_concatenation_of_two_scales_is_refused(model):
    changed = edited(model, "Add", op_type="Concat")
    concat = next(node for node in changed.graph.node if node.op_type == "Concat")
    concat.name = "both"
    parts = [changed.find_producer(name) for name in concat.input]
    assert [part.op_type for part in parts] == ["Quant", "Quant"]
    changed.set_initializer("doubled", 2 * changed.get_initializer(parts[1].input[1]))
    parts[1].input[1] = "doubled"
    with pytest.raises(ExportError, match="'both'.* scale"):
        parse(changed)


def test_a_leaky_relu_without_a_slope_has_that_of_the_standard(model):
    without = parse(edited(model, "Relu", op_type="LeakyRelu"))
    changed = edited(model, "Relu", op_type="LeakyRelu")
    node = next(node for node in changed.graph.node if node.op_type == "LeakyRelu")
    node.attribute.append(onnx.helper.make_attribute("alpha", 0.01))
    assert repr(without.steps) == repr(parse(changed).steps)


@pytest.mark.parametrize(("offset", "exact"), [(0.25, True), (0.5, False)])
def test_a_line_is_exact_where_no_step_meets_an_integer(offset, exact):
    """Codes 0 to 3 of accumulator / 2 + offset: a step at a half meets the accumulator where the offset is one."""
    line = Line(
        slope=np.array([0.5]), offset=np.array([offset]), floor=np.array([0.0]), ceiling=np.array([3.0]),
        overshoots=False, undershoots=False, thresholds=np.array([[1, 3, 5]]), distance=0.5,
    )  # fmt: skip
    assert line.exact(np.float32) is exact


@pytest.mark.parametrize(
    ("operand", "sentence"),
    [
        (1, r"convolution 'Conv_[0-9]+' reaches accumulators of [0-9]{8,}, beyond the 16777216 that float32 execution"),
        (2, r"convolution 'Conv_[0-9]+' reaches logits of 167[0-9]+, beyond the 16777216 that float32 execution holds"),
    ],
)
def test_integers_that_float32_does_not_hold_are_refused(model, operand, sentence):
    copy = ModelWrapper(onnx.ModelProto.FromString(model.model.SerializeToString()))
    head = [node for node in copy.graph.node if node.op_type == "Conv"][-1]
    quantizer = copy.find_producer(head.input[operand])
    values, scale = (copy.get_initializer(name) for name in quantizer.input[:2])
    copy.set_initializer(quantizer.input[0], np.full_like(values, (2**24 - 1) * scale.max()))
    copy.set_initializer(quantizer.input[3], np.float32(32))  # bits
    with pytest.raises(ExportError, match=sentence):
        parse(copy)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(ExportError, match=r"model.qonnx' does not exist; write it with `python -m quant export`"):
        IntegerReference(tmp_path)
    for content, reason in ((b"no graph at all", "is not a QONNX graph"), (b"", "holds no graph")):
        (tmp_path / "model.qonnx").write_bytes(content)
        with pytest.raises(ExportError, match=reason):
            load_program(tmp_path / "model.qonnx")


def test_images_of_another_size_or_depth_are_refused(exported):
    reference = IntegerReference(exported, threads=1)
    with pytest.raises(DataError, match=r"shape \(16, 48, 3\) do not fit .* which takes 32x48 pixels of 3 channels"):
        reference.run(np.zeros((1, 16, 48, 3), np.uint8))
    with pytest.raises(DataError, match="takes 8-bit codes, not uint16"):
        reference.run(np.zeros((1, 32, 48, 3), np.uint16))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_device_is_refused(exported):
    with pytest.raises(ConfigError, match="device 'cuda' is not available here; use --device cpu"):
        IntegerReference(exported, device="cuda")
