"""The integer reference on the largest operands: what a saturating kernel would get wrong, on any processor."""

import numpy as np
import onnx
import onnxruntime
import pytest

from quant.integer.compiled.engine import compiled_engine
from quant.integer.ort_engine import OrtEngine
from quant.integer.ort_graph import GraphBuilder
from quant.integer.program import Codes, Conv, Program
from quant.integer.staircase import Affine, Chain
from quant.integer.torch_engine import TorchEngine
from quant.operators.bilinear import Upsample
from quant.operators.max_pool import MaxPool
from quant.operators.stream_sum import Sum

SEED, HEIGHT, WIDTH = 5, 8, 12
INT16 = np.iinfo(np.int16)


def extreme_program(high, weight, head_kernel, *, alone=False):
    """Dense, depthwise and pointwise convolutions, a sum, an upsampling and a head: codes 0 to ``high``, weights of
    +weight and -weight, whole channels of either sign among them. ``alone``: the head, on the image itself.
    """
    rng = np.random.default_rng(SEED)
    codes = {name: Codes(1.0, 0, high) for name in "abcspu"} | {"x": Codes(1 / 256, 0, 255)}
    channels = {"x": 3, "a": 6, "b": 6, "c": 6, "s": 6, "p": 6, "u": 6, "y": 2}

    def staircase(low, top, gain, output):
        shift = np.where(np.abs(gain) < 1, 0.5 * np.abs(gain), 2.0**-9)  # thresholds half way between accumulators
        return Chain(np.ones(len(low)), low, top, (Affine(gain, shift),)).staircase(codes[output])

    def conv(source, output, kernel, groups=1):
        weights = weight * rng.choice([-1, 1], (channels[output], channels[source] // groups, kernel, kernel))
        weights[0], weights[1] = weight, -weight
        low = np.minimum(weights * codes[source].high, 0).sum((1, 2, 3))
        top = np.maximum(weights * codes[source].high, 0).sum((1, 2, 3))
        if output == "y":
            nothing = np.zeros(2, np.int64)
            ends, scale = ("conv_y", source, "y"), (nothing + 1.0, nothing + 0.0)
            return Conv(*ends, weights, (kernel // 2,) * 4, 1, low, top, *scale, None, nothing - 5)
        gain = np.where(top > -low, 1.0, -1.0) * 2.0 ** np.floor(np.log2(high / np.maximum(top, -low)) + 0.5)
        stairs = staircase(low, top, gain, output)
        ends, scale = (f"conv_{output}", source, output), (np.ones(len(low)), 0.0 * low)
        return Conv(*ends, weights, (kernel // 2,) * 4, groups, low, top, *scale, stairs)

    def stairs(top, gain, output):
        return staircase(np.zeros(1, np.int64), np.array([top]), np.array([gain]), output)

    if alone:
        return Program("x", "y", (HEIGHT, WIDTH), 1.0, (conv("x", "y", head_kernel),), codes, channels)
    steps = (
        conv("x", "a", 3),
        conv("a", "b", 5, groups=6),
        conv("b", "c", 1),
        Sum("sum", ("a", "c"), "s", stairs(2 * high, 0.5, "s")),
        MaxPool("pool", "s", "p"),
        Upsample("up", "p", "u", stairs(16 * high, 1 / 16, "u")),
        conv("u", "y", head_kernel),
    )
    return Program("x", "y", (HEIGHT, WIDTH), 1.0, steps, codes, channels)


def extreme_images():
    """All white, black, a chessboard, columns, and noise of 0 and 255: (5, H, W, 3) uint8."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    noise = np.random.default_rng(SEED).random((HEIGHT, WIDTH, 3)) < 0.7
    planes = (rows >= 0, rows < 0, (rows + columns) % 2 == 0, columns % 2 == 0)
    images = [*(np.repeat(plane[..., None], 3, axis=2) for plane in planes), noise]
    return 255 * np.stack(images).astype(np.uint8)


def largest_pair_sums(program):
    """(largest, smallest) sum of two products of each uint8 by int8 kernel in onnxruntime's graph.

    Of the largest code that reaches it on extreme images, and of any two weights of a channel.
    """
    model = GraphBuilder(program, 1).build()
    kernels = [node for node in model.graph.node if node.op_type in ("QLinearConv", "MatMulInteger")]
    sources = sorted({node.input[0] for node in kernels} - {program.source})
    for name in sources:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    constants = {value.name: onnx.numpy_helper.to_array(value) for value in model.graph.initializer}
    largest = {program.source: 255}
    for image in extreme_images():
        values_of = session.run([program.output, *sources], {program.source: image[None]})[1:]
        for name, values in zip(sources, values_of, strict=True):
            largest[name] = max(largest.get(name, 0), int(values.max()))
    sums = []
    for node in kernels:
        is_conv = node.op_type == "QLinearConv"
        weights = constants[node.input[3 if is_conv else 1]].astype(np.int64)
        rows = np.sort(weights.reshape(len(weights), -1) if is_conv else weights.T, axis=1)  # (O, K)
        code = largest[node.input[0]]
        sums.append((code * rows[:, -2:].sum(axis=1).max(), code * rows[:, :2].sum(axis=1).min()))
    return sums


def assert_exact(program):
    images = extreme_images()
    expected = TorchEngine(program, "cpu").run(images)  # float64
    assert len(np.unique(expected)) > 3
    for threads in (1, 2):
        np.testing.assert_array_equal(OrtEngine(program, threads).run(images), expected)
        np.testing.assert_array_equal(compiled_engine(program, threads).run(images), expected)


@pytest.mark.parametrize("head_kernel", [1, 3])
@pytest.mark.parametrize(("high", "weight"), [(255, 127), (255, 64), (255, 1), (15, 127), (15, 7), (1, 127)])
def test_largest_operands_are_exact_and_no_two_products_leave_int16(high, weight, head_kernel):
    program = extreme_program(high, weight, head_kernel)
    assert_exact(program)
    for largest, smallest in largest_pair_sums(program):
        assert INT16.min <= smallest and largest <= INT16.max


@pytest.mark.parametrize("weight", [1, 63, 64, 65, 127, 128])
def test_the_head_alone_takes_weights_up_to_64_of_8_bit_codes_in_int8(weight):
    program = extreme_program(255, weight, 1, alone=True)
    assert_exact(program)
    in_int8 = [(2 * 255 * weight, -2 * 255 * weight)] if weight <= 64 else []  # else in float32
    assert largest_pair_sums(program) == in_int8


@pytest.mark.parametrize(("weight", "alone"), [(1, False), (127, True)])
def test_operands_are_large_enough_to_saturate_where_nothing_kept_weights_small(monkeypatch, weight, alone):
    """The checks above are not empty: with a limit of one product they find sums that a kernel without VNNI cuts."""
    limit = GraphBuilder.int8_limit
    monkeypatch.setattr(GraphBuilder, "int8_limit", lambda builder, source: 2 * limit(builder, source) - 1)
    sums = largest_pair_sums(extreme_program(255, weight, 1, alone=alone))
    assert max(largest for largest, _ in sums) > INT16.max and min(smallest for _, smallest in sums) < INT16.min
