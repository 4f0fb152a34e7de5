"""Files whose image or logits are no floats: taken where the type holds every code of the image, else one sentence."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

from hw_build.base.errors import LoweringError
from hw_build.lowering import execute_codes
from hw_build.lowering.convert import convert
from hw_build.lowering.forms import scales
from hw_build.lowering.intake import normalise
from tests.hw_build import synthetic

CODES = np.random.default_rng(5).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)


def network(scale=2.0**-8):
    """image -> conv 3x3 -> head, where the image is its codes times ``scale``."""
    net = synthetic.Net(seed=3)
    net.channels["image"] = 3
    image = net.quant("image", scale, bits=8, name="image_q")
    net.head(net.conv_bn(image, 4, 3, "stem", bits=8, scale=32 * scale))
    return net.model("logits", 8, 8)


def cast_from(kind, scale, *, to=TensorProto.FLOAT):
    """The network with an image of type ``kind`` and a Cast before it."""
    model = network(scale)
    image = model.graph.input[0]
    image.name, image.type.tensor_type.elem_type = "camera", kind
    model.graph.node.insert(0, helper.make_node("Cast", ["camera"], ["image"], to=to))
    return model


def logits(model):
    taken = normalise(model)
    assert taken.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    return execute_codes(taken, CODES), scales(taken)


@pytest.mark.parametrize("kind", ["INT64", "STRING", "UINT8", "BOOL", "COMPLEX64"])
def test_an_image_of_another_type_is_a_sentence(kind):
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = getattr(TensorProto, kind)
    with pytest.raises(LoweringError, match=f"the input image is of {kind.lower()}: export the network for images"):
        normalise(model)


@pytest.mark.parametrize("number", [0, 99])
def test_an_image_of_a_type_that_there_is_not_is_a_sentence(number):
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = number
    with pytest.raises(LoweringError, match="the input image is of no type that ONNX has"):
        normalise(model)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "DOUBLE"])
def test_an_image_of_another_kind_of_float_is_taken(kind):
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = getattr(TensorProto, kind)
    found, expected = logits(model), logits(network())
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


@pytest.mark.parametrize(("kind", "scale"), [("UINT8", 1.0), ("INT64", 2.0)])
def test_an_integer_image_that_holds_every_code_is_taken(kind, scale):
    found, expected = logits(cast_from(getattr(TensorProto, kind), scale)), logits(network(scale))
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1] and np.unique(found[0]).size > 4


@pytest.mark.parametrize(("kind", "scale"), [("UINT8", 2.0**-8), ("UINT8", 2.0), ("INT8", 1.0), ("INT64", 1.5)])
def test_an_integer_image_that_does_not_hold_every_code_is_a_sentence(kind, scale):
    model = cast_from(getattr(TensorProto, kind), scale)
    with pytest.raises(LoweringError, match=f"code times {scale:g}, but the input camera is of {kind.lower()}, which"):
        normalise(model)


def test_an_integer_image_before_quantize_linear_is_the_same_sentence():
    model = network().transform(QuantToQCDQ())
    image = model.graph.input[0]
    image.name, image.type.tensor_type.elem_type = "camera", TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["camera"], ["image"], to=TensorProto.FLOAT))
    with pytest.raises(LoweringError, match=r"\(QuantizeLinear\) gives code times 0.00390625, but the input camera"):
        normalise(ModelWrapper(model.model))


@pytest.mark.parametrize("kind", ["INT64", "STRING"])
def test_logits_of_another_type_are_a_sentence(kind):
    model = network()
    model.graph.output[0].type.tensor_type.elem_type = getattr(TensorProto, kind)
    with pytest.raises(LoweringError, match=f"writes floats, but the file declares logits as {kind.lower()}: export"):
        normalise(model)


def test_a_second_input_is_told_as_one_whatever_its_type():
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("step", TensorProto.INT64, [1]))
    with pytest.raises(LoweringError, match=r"the input step has shape \(1,\)"):
        convert(model)
