"""FINN's RTL nodes through our adapters, simulated alone against FINN's own Python execution, under stalls."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model

from board.packing import bytes_per_beat, pack_stream, unpack_stream
from hw_build.base.errors import BuildError, ConfigError
from hw_build.finn_rtl import rtl_instance
from hw_build.finn_rtl.matrix_vector import weight_words
from hw_build.simulate import build

DOMAIN = "finn.custom_op.fpgadataflow.rtl"
STALLS = [(0.0, 0.0), (0.6, 0.1), (0.1, 0.6)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("finn_rtl")


def one_node(op_type, in_shape, out_shape, in_type, out_type, constants=(), **attributes):
    """A graph of one FINN node ``dut``, input ``x``, output ``y``; constants are (array, datatype name)."""
    names = [f"c{i}" for i in range(len(constants))]
    node = helper.make_node(
        op_type,
        ["x", *names],
        ["y"],
        domain=DOMAIN,
        backend="fpgadataflow",
        name="dut",
        exec_mode="cppsim",
        **attributes,
    )
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, in_shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, out_shape)
    model = ModelWrapper(qonnx_make_model(helper.make_graph([node], "g", [x], [y])))
    model.set_tensor_datatype("x", DataType[in_type])
    model.set_tensor_datatype("y", DataType[out_type])
    for name, (array, datatype) in zip(names, constants, strict=True):
        model.set_initializer(name, array.astype(np.float32))
        model.set_tensor_datatype(name, DataType[datatype])
    return model


def random_integers(datatype, shape, seed=0, *, narrow=False):
    dt = DataType[datatype]
    low = int(dt.min()) + (1 if narrow else 0)
    return np.random.default_rng(seed).integers(low, int(dt.max()) + 1, size=shape)


def stream_beats(array, port, pe):
    """Beats of an integer array, padded to the port's declared width."""
    beats = pack_stream(array, pe, port.element_bits)
    assert bytes_per_beat(pe, port.element_bits) == beats.shape[1]
    return np.pad(beats, ((0, 0), (0, (port.width_bits + 7) // 8 - beats.shape[1])))


def check(model, work, frames=2):
    """Simulate two different frames back to back and compare with FINN's Python execution."""
    node = model.graph.node[0]
    instance = rtl_instance(node, model, work / "code")
    op = getCustomOp(node)
    source, sink = instance.inputs[0], instance.outputs[0]
    simulator = build(
        instance.module, instance.files, work / "sim", parameters=instance.parameters, inputs=instance.inputs,
        outputs=instance.outputs, clock=instance.clock, reset_n=instance.reset_n,
    )  # fmt: skip
    in_type, out_type = model.get_tensor_datatype("x"), model.get_tensor_datatype("y")
    shape = model.get_tensor_shape("x")
    inputs = [random_integers(in_type.name, shape, seed) for seed in range(frames)]
    expected = [execute_onnx(model, {"x": x.astype(np.float32)})["y"] for x in inputs]
    pe_in, pe_out = source.payload_bits // source.element_bits, sink.payload_bits // sink.element_bits
    stream = np.concatenate([stream_beats(x, source, pe_in) for x in inputs])
    beats = expected[0].size // pe_out
    for idle, stall in STALLS:
        result = simulator.run([stream], [frames * beats], idle=idle, stall=stall, seed=7)
        for frame, reference in enumerate(expected):
            part = result.outputs[0][frame * beats : (frame + 1) * beats]
            values = unpack_stream(part, reference.shape, pe_out, sink.element_bits, out_type.signed())
            assert np.array_equal(values, reference), f"frame {frame}, idle {idle}, stall {stall}, seed 7"
    undisturbed = simulator.run([stream], [frames * beats])
    return undisturbed.output_cycles[0].reshape(frames, beats), op.get_exp_cycles()


@pytest.mark.parametrize(
    ("channels", "simd", "kernel", "parallel"),
    [(3, 3, 3, 0), (10, 5, 3, 0), (12, 2, 5, 0), (10, 1, 1, 0), (10, 10, 3, 1)],
)
def test_sliding_window(work, channels, simd, kernel, parallel):
    height, width = 8, 11
    out = [height - kernel + 1, width - kernel + 1]
    model = one_node(
        "ConvolutionInputGenerator_rtl", [1, height, width, channels], [1, *out, kernel * kernel * channels],
        "UINT4", "UINT4", ConvKernelDim=[kernel, kernel], IFMChannels=channels, IFMDim=[height, width], OFMDim=out,
        SIMD=simd, M=1, Stride=[1, 1], Dilation=[1, 1], inputDataType="UINT4", outputDataType="UINT4", depthwise=0,
        parallel_window=parallel,
    )  # fmt: skip
    cycles, expected = check(model, work)
    assert cycles[1, -1] - cycles[0, -1] <= 1.2 * expected + 40


@pytest.mark.parametrize(
    ("mw", "mh", "simd", "pe", "activations", "weights"),
    [
        (90, 12, 10, 4, "UINT4", "INT4"),
        (27, 10, 9, 5, "UINT8", "INT8"),
        (12, 48, 1, 1, "UINT4", "INT4"),
        (14, 10, 14, 10, "UINT4", "INT4"),
        (10, 7, 5, 7, "INT5", "INT4"),
        (16, 1, 4, 1, "UINT4", "INT8"),
    ],
)
def test_matrix_vector(work, mw, mh, simd, pe, activations, weights):
    values = random_integers(weights, (mw, mh), 5, narrow=True)
    model = one_node(
        "MVAU_rtl", [1, 3, 4, mw], [1, 3, 4, mh], activations, "INT20", [(values, weights)], MW=mw, MH=mh, SIMD=simd,
        PE=pe, inputDataType=activations, weightDataType=weights, outputDataType="INT20", noActivation=1,
        numInputVectors=[1, 3, 4], mem_mode="internal_decoupled", resType="dsp", accDataType="INT20",
    )  # fmt: skip
    cycles, expected = check(model, work)
    assert cycles[1, -1] - cycles[0, -1] == expected


@pytest.mark.parametrize(
    ("channels", "pe", "input_type", "steps"),
    [(10, 5, "INT12", 15), (12, 1, "INT9", 15), (8, 8, "INT16", 3), (6, 2, "UINT8", 15), (5, 5, "INT11", 255)],
)
def test_thresholding(work, channels, pe, input_type, steps):
    bits = int(np.ceil(np.log2(steps + 1)))
    dt = DataType[input_type]
    rng = np.random.default_rng(steps)
    low, high = (int(dt.min()), int(dt.max())) if steps > 15 else (int(dt.min()) // 2, int(dt.max()) // 2)
    thresholds = np.sort(rng.integers(low, high + 1, size=(channels, steps)), axis=1)
    thresholds[0, :2] = thresholds[0, 1]  # equal neighbours
    model = one_node(
        "Thresholding_rtl", [1, 4, 5, channels], [1, 4, 5, channels], input_type, f"UINT{bits}",
        [(thresholds, input_type)], NumChannels=channels, PE=pe, numSteps=steps, inputDataType=input_type,
        weightDataType=input_type, outputDataType=f"UINT{bits}", numInputVectors=[1, 4, 5], ActVal=0,
        runtime_writeable_weights=0,
    )  # fmt: skip
    cycles, expected = check(model, work)
    assert cycles[1, -1] - cycles[0, -1] <= expected


@pytest.mark.parametrize(
    ("mw", "mh", "simd", "pe", "weights"),
    [(6, 4, 1, 1, "INT4"), (6, 4, 3, 2, "INT4"), (9, 5, 9, 5, "INT3"), (8, 8, 2, 4, "INT8"), (6, 6, 2, 3, "UINT2")],
)
def test_weights_are_written_as_finn_writes_them(work, mw, mh, simd, pe, weights):
    matrix = random_integers(weights, (mw, mh))
    shapes = {"MW": mw, "MH": mh, "SIMD": simd, "PE": pe, "inputDataType": "INT4", "weightDataType": weights}
    model = one_node("MVAU_rtl", [1, mw], [1, mh], "INT4", "INT32", [(matrix, weights)], **shapes, noActivation=1)
    op = getCustomOp(model.graph.node[0])
    op.make_weight_file(matrix.astype(np.float32), "decoupled_verilog_dat", str(work / "finn.dat"))
    tensor = op.get_hw_compatible_weight_tensor(matrix.astype(np.float32))
    assert weight_words(tensor, DataType[weights].bitwidth()) == (work / "finn.dat").read_text()


def test_unknown_node_type_is_named(work):
    model = one_node("VVAU_rtl", [1, 4], [1, 4], "UINT4", "UINT4")
    with pytest.raises(BuildError, match="dut: FINN node type VVAU_rtl has no adapter"):
        rtl_instance(model.graph.node[0], model, work)


def test_activation_inside_mvau_is_refused(work):
    model = one_node(
        "MVAU_rtl", [1, 4], [1, 4], "UINT4", "UINT4", [(np.ones((4, 4)), "INT4"), (np.ones((4, 15)), "INT12")], MW=4,
        MH=4, SIMD=1, PE=1, inputDataType="UINT4", weightDataType="INT4", outputDataType="UINT4", noActivation=0,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="must have noActivation=1"):
        rtl_instance(model.graph.node[0], model, work)


def test_weights_out_of_range_are_refused(work):
    model = one_node(
        "MVAU_rtl", [1, 4], [1, 4], "UINT4", "INT20", [(np.full((4, 4), 9), "INT4")], MW=4, MH=4, SIMD=1, PE=1,
        inputDataType="UINT4", weightDataType="INT4", outputDataType="INT20", noActivation=1,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="weights 9 to 9 do not fit INT4"):
        rtl_instance(model.graph.node[0], model, work)


def test_finn_refusal_becomes_one_sentence(work):
    model = one_node(
        "Thresholding_rtl", [1, 4], [1, 4], "INT8", "UINT4", [(np.arange(60)[::-1].reshape(4, 15), "INT8")],
        NumChannels=4, PE=1, numSteps=15, inputDataType="INT8", weightDataType="INT8", outputDataType="UINT4",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="FINN refuses it: dut: Thresholds must be sorted"):
        rtl_instance(model.graph.node[0], model, work)


def test_node_is_not_changed(work):
    model = one_node(
        "MVAU_rtl", [1, 4], [1, 4], "UINT4", "INT20", [(np.ones((4, 4)), "INT4")], MW=4, MH=4, SIMD=1, PE=1,
        inputDataType="UINT4", weightDataType="INT4", outputDataType="INT20", accDataType="INT20", noActivation=1,
        numInputVectors=[1], mem_mode="internal_decoupled", resType="dsp",
    )  # fmt: skip
    before = onnx.helper.printable_node(model.graph.node[0])
    rtl_instance(model.graph.node[0], model, work)
    assert onnx.helper.printable_node(model.graph.node[0]) == before
