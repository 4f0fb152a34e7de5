"""FINN's RTL node through our adapter, simulated alone against FINN's own Python execution, under stalls."""

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


def random_integers(datatype, shape, seed):
    dt = DataType[datatype]
    return np.random.default_rng(seed).integers(int(dt.min()), int(dt.max()) + 1, size=shape)


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


def test_unknown_node_type_is_named(work):
    model = one_node("VVAU_rtl", [1, 4], [1, 4], "UINT4", "UINT4")
    with pytest.raises(BuildError, match="dut: FINN node type VVAU_rtl has no adapter"):
        rtl_instance(model.graph.node[0], model, work)


def window(size):
    return one_node(
        "ConvolutionInputGenerator_rtl", [1, size, size, 4], [1, 1, 1, 36], "UINT4", "UINT4", ConvKernelDim=[3, 3],
        IFMChannels=4, IFMDim=[size, size], OFMDim=[1, 1], SIMD=1, M=1, Stride=[1, 1], Dilation=[1, 1],
        inputDataType="UINT4", outputDataType="UINT4", depthwise=0,
    )  # fmt: skip


def test_finn_refusal_becomes_one_sentence(work):
    with pytest.raises(
        ConfigError, match=r"^dut \(Conv.*_rtl\): FINN refuses it: Illegal conv configuration: kernel or"
    ):
        rtl_instance(window(2).graph.node[0], window(2), work)


def test_node_is_not_changed(work):
    model = window(3)
    before = onnx.helper.printable_node(model.graph.node[0])
    rtl_instance(model.graph.node[0], model, work)
    assert onnx.helper.printable_node(model.graph.node[0]) == before
