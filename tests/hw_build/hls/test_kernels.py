"""The C++ of our kernels, as FINN's back end writes it for a node, compiled with g++ against each numpy reference.

Each layer's folder has a copy of its kernel's header; all of them meet in one translation unit.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model

sys.path.insert(0, str(Path(__file__).parents[1]))
from hls_frames import compile_frames, run_frames

from board.packing import pack_stream, unpack_stream
from hw_build.backends.hls.sources import write_sources
from hw_build.graph.nodes import HLS_DOMAIN
from hw_build.kernels import KERNELS, load_hls_nodes
from hw_build.kernels.crop.kernel import TO_THE_END

load_hls_nodes()

FRAMES = 3
BILINEAR, NEAREST, AVERAGE = "BilinearUpsample_hls", "NearestUpsample_hls", "AveragePool2x2_hls"
MAXIMUM, SPREAD, CONCAT = "WindowMax_hls", "DepthToSpace_hls", "StreamConcat_hls"
TABLE, SUM, REPEAT = "CodeTable_hls", "GlobalSum_hls", "StreamRepeat_hls"
CROP, GATHER, SUMS, PAD = "StreamCrop_hls", "ChannelGather_hls", "WindowSum_hls", "ZeroPad_hls"
PLACE, BLOCKS = "PlaceFactor_hls", "BlockSum_hls"
NODES = [  # (node, (H, W), NumChannels, PE, data type, further attributes)
    (BILINEAR, (4, 6), 2, 1, "UINT4", {}),
    (BILINEAR, (5, 3), 4, 2, "INT3", {}),
    (BILINEAR, (1, 1), 1, 1, "UINT8", {}),
    (BILINEAR, (2, 8), 6, 3, "UINT4", {}),
    (BILINEAR, (1, 4), 3, 3, "INT8", {}),
    (BILINEAR, (6, 1), 2, 2, "UINT2", {}),
    (BILINEAR, (3, 4), 4, 2, "UINT4", {"Factor": 4}),
    (BILINEAR, (1, 2), 2, 1, "INT8", {"Factor": 4}),
    (BILINEAR, (2, 1), 2, 1, "INT3", {"Factor": 8}),
    (NEAREST, (3, 4), 4, 2, "UINT4", {"Factor": 2}),
    (NEAREST, (2, 5), 3, 1, "INT3", {"Factor": 3}),
    (NEAREST, (1, 1), 2, 2, "UINT8", {"Factor": 4}),
    (AVERAGE, (4, 6), 4, 2, "UINT4", {}),
    (AVERAGE, (2, 2), 3, 1, "INT8", {}),
    (AVERAGE, (6, 4), 2, 2, "INT3", {}),
    (MAXIMUM, (3, 4), 9 * 4, 2, "UINT4", {"Taps": 9}),
    (MAXIMUM, (2, 3), 6 * 3, 3, "INT5", {"Taps": 6}),
    (MAXIMUM, (1, 1), 2, 1, "INT2", {"Taps": 2}),
    (SPREAD, (3, 4), 4 * 6, 2, "UINT4", {"Block": 2}),
    (SPREAD, (2, 3), 9 * 2, 2, "INT6", {"Block": 3}),
    (SPREAD, (1, 1), 4, 1, "UINT8", {"Block": 2}),
    (CONCAT, (3, 4), [4, 6], 2, "UINT4", {}),
    (CONCAT, (2, 3), [3, 1], 1, "UINT8", {"inputDataType2": "INT4"}),
    (CONCAT, (1, 2), [2, 4], 2, "INT3", {"inputDataType2": "UINT3"}),
    (CONCAT, (2, 2), [2, 2], 2, "UINT3", {"inputDataType2": "INT3", "outputDataType": "INT7", "Times": [5, 12]}),
    (TABLE, (3, 4), 4, 2, "UINT3", {"outputDataType": "INT5", "TableRows": 4}),
    (TABLE, (2, 3), 3, 3, "INT4", {"outputDataType": "UINT8", "TableRows": 1}),
    (TABLE, (3, 2), 4, 2, "INT3", {"outputDataType": "INT4", "TableRows": 4, "inputDataType2": "UINT2"}),
    (TABLE, (1, 1), 1, 1, "UINT2", {"outputDataType": "UINT4", "TableRows": 1, "inputDataType2": "INT3"}),
    (BLOCKS, (4, 6), 4, 2, "UINT4", {"Rows": 2, "Columns": 1, "outputDataType": "UINT5"}),
    (BLOCKS, (2, 6), 3, 1, "INT4", {"Rows": 1, "Columns": 3, "outputDataType": "INT6"}),
    (SUM, (4, 6), 4, 2, "UINT4", {"outputDataType": "UINT9"}),
    (SUM, (3, 1), 3, 1, "INT8", {"outputDataType": "INT10"}),
    (REPEAT, (3, 1), 4, 2, "INT5", {"OutDim": [3, 4], "OutChannels": 4}),
    (REPEAT, (1, 4), 4, 2, "UINT4", {"OutDim": [3, 4], "OutChannels": 4}),
    (REPEAT, (1, 1), 6, 2, "UINT4", {"OutDim": (3, 5), "OutChannels": 6}),
    (REPEAT, (2, 3), 1, 3, "INT5", {"OutDim": (2, 3), "OutChannels": 6}),
    (SUMS, (3, 4), 9 * 4, 2, "UINT4", {"Taps": 9, "outputDataType": "UINT8"}),
    (SUMS, (1, 2), 6 * 3, 3, "INT3", {"Taps": 6, "outputDataType": "INT7"}),
    (CROP, (5, 7), 6, 2, "UINT4", {"Rows": [1, -1, 1], "Columns": [2, 6, 1], "Channels": [2, 6]}),
    (CROP, (6, 5), 2, 1, "INT3", {"Rows": [1, TO_THE_END, 2], "Columns": [0, TO_THE_END, 3], "Channels": [1, 2]}),
    (CROP, (2, 2), 3, 3, "UINT8", {"Rows": [1, 2, 1], "Columns": [-2, -1, 1], "Channels": [0, 3]}),
    (PAD, (3, 4), 4, 2, "UINT4", {"Padding": [1, 2, 3, 0]}),
    (PAD, (1, 2), 3, 1, "INT5", {"Padding": [2, 0, 0, 1], "Channels": [1, 3]}),
    (PAD, (2, 2), 2, 2, "UINT8", {"Padding": [0, 0, 0, 0], "Channels": [0, 2]}),
    (GATHER, (3, 4), 6, 2, "UINT4", {"Index": [0, 3, 1, 4, 2, 5]}),
    (GATHER, (2, 3), 4, 1, "INT5", {"Index": [3, 0]}),
    (GATHER, (2, 2), 2, 2, "UINT8", {"Index": [1, 1, 0, 0, 1, 0]}),
    (GATHER, (1, 1), 1, 1, "INT2", {"Index": [0, 0, 0]}),
    (PLACE, (3, 4), 6, 2, "UINT4", {"RowFactors": [3, 2, 3], "ColumnFactors": [5, 1, 2, 4], "outputDataType": "UINT8"}),
    (PLACE, (2, 3), 3, 1, "INT5", {"RowFactors": [1, 7], "ColumnFactors": [3, 2, 3], "outputDataType": "INT10"}),
    (PLACE, (1, 2), 2, 2, "INT13", {"RowFactors": [20], "ColumnFactors": [20, 12], "outputDataType": "INT22"}),
]


def model_of_all():
    """Every node of NODES beside each other, none connected."""
    nodes, inputs, outputs, tables = [], [], [], {}
    for index, (kind, size, channels, pe, data_type, attributes) in enumerate(NODES):
        two = kind == CONCAT or "inputDataType2" in attributes
        names = [f"in{index}_{position}" for position in range(2 if two else 1)]
        table = [f"table{index}"] if kind == TABLE else []
        node = helper.make_node(
            kind, [*names, *table], [f"out{index}"], name=f"node_{index}", domain=HLS_DOMAIN,
            backend="fpgadataflow", PE=pe, ImgDim=size, NumChannels=channels, inputDataType=data_type, **attributes,
        )  # fmt: skip
        op = getCustomOp(node)
        nodes.append(node)
        for name in table:
            tables[name] = random_table(index, op)
        for position, name in enumerate(names):
            inputs.append(helper.make_tensor_value_info(name, 1, op.get_normal_input_shape(position)))
        outputs.append(helper.make_tensor_value_info(f"out{index}", 1, op.get_normal_output_shape()))
    model = ModelWrapper(qonnx_make_model(helper.make_graph(nodes, "all", inputs, outputs)))
    for name, table in tables.items():
        model.set_initializer(name, table)
    return model


def random_table(seed, op):
    """Words (TableRows, 2**bits of all codes) of the output's type."""
    bits, data_type = sum(op.get_input_datatype(ind).bitwidth() for ind in op.stream_inputs()), op.get_output_datatype()
    shape = (op.get_nodeattr("TableRows"), 1 << bits)
    table = np.random.default_rng(seed).integers(int(data_type.min()), int(data_type.max()) + 1, shape)
    return table.astype(np.float32)


MODEL = model_of_all()
OPERATIONS = [getCustomOp(node) for node in MODEL.graph.node]
CONSTANTS = [
    [MODEL.get_initializer(name).astype(np.int64) for name in node.input if name.startswith("table")]
    for node in MODEL.graph.node
]


def one_input(name, op):
    """A C++ function around a node: its inputs come one after the other in the one stream of ``hls_frames``."""
    widths, lines = [op.get_instream_width(ind) for ind in op.stream_inputs()], []
    for ind, width in enumerate(widths):
        beats = int(np.prod(op.get_folded_input_shape(ind)[:-1]))
        lines.append(f"hls::stream<ap_uint<{width}>> in{ind};")
        lines.append(f"for (int i = 0; i < {beats}; i++) in{ind}.write(in.read());")
    ports = f"hls::stream<ap_uint<{max(widths)}>> &in, hls::stream<ap_uint<{op.get_outstream_width(0)}>> &out"
    inputs = ", ".join(f"in{ind}" for ind in range(len(widths)))
    return "\n".join([f"void all_{name}({ports}) {{", *lines, f"{name}({inputs}, out); }}"])


def included(name, op):
    """The source of a node, whose constants get a name of their own."""
    defined = "".join(f"#define {constant} {name}_{constant}\n" for constant in op.constants)
    freed = "".join(f"#undef {constant}\n" for constant in op.constants)
    return f'{defined}#undef AP_INT_MAX_W\n#include "hls/{name}/top_{name}.cpp"\n{freed}'


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The generated sources of all nodes, compiled with a main program around them."""
    folder = tmp_path_factory.mktemp("hls")
    model = model_of_all()
    write_sources(model, folder / "hls", "xc7z020clg400-1", 10.0)
    for age, copy in enumerate(sorted(folder.rglob("*.hpp"))):
        os.utime(copy, (age, age))  # g++ takes copies of one time for one file
    names = [node.name for node in model.graph.node]
    includes = "".join(included(name, op) for name, op in zip(names, OPERATIONS, strict=True))
    wrappers = "\n".join(one_input(name, op) for name, op in zip(names, OPERATIONS, strict=True))
    return compile_frames(folder, includes + wrappers, [f"all_{name}" for name in names], frames=FRAMES)


def random_frames(seed, op):
    """Codes of each input (FRAMES, H, W, C); the first two frames are the least and the greatest."""
    frames = []
    for ind in op.stream_inputs():
        data_type, shape = op.get_input_datatype(ind), op.get_normal_input_shape(ind)[1:]
        low, high = int(data_type.min()), int(data_type.max())
        frames.append(np.random.default_rng(seed + ind).integers(low, high + 1, (FRAMES, *shape)))
        frames[-1][:2] = np.array([low, high])[:, None, None, None]
    return frames


@pytest.mark.parametrize("index", range(len(NODES)), ids=["-".join(map(str, node[:5])) for node in NODES])
def test_cpp_gives_the_integers_of_the_reference(program, index):
    op = OPERATIONS[index]
    frames = random_frames(index, op)
    packed = [
        pack_stream(x, op.input_elements(ind), op.get_input_datatype(ind).bitwidth()) for ind, x in enumerate(frames)
    ]
    width = max(beats.shape[-1] for beats in packed)
    beats = [np.pad(each, ((0, 0), (0, width - each.shape[-1]))).reshape(FRAMES, -1, width) for each in packed]
    given = run_frames(program, index, np.concatenate(beats, axis=1).reshape(-1, width), frames=FRAMES)
    (expected,) = op.compute([*frames, *CONSTANTS[index]])
    data_type = op.get_output_datatype()
    given = np.frombuffer(given, np.uint8).reshape(-1, (op.get_outstream_width(0) + 7) // 8)
    got = unpack_stream(given, expected.shape, op.pe, data_type.bitwidth(), data_type.signed())
    np.testing.assert_array_equal(got, expected)


def test_node_executes_as_the_reference():
    model = model_of_all()
    context = {"in0_0": np.random.default_rng(0).integers(0, 16, (1, 4, 6, 2)).astype(np.float32)}
    op = getCustomOp(model.graph.node[0])
    op.execute_node(context, model.graph)
    np.testing.assert_array_equal(context["out0"], op.compute([context["in0_0"].astype(np.int64)])[0])


OF_FINN = {"add", "add_threshold", "bias", "bilinear_threshold", "conv", "depthwise", "fork", "maxpool", "multiply"}
OF_FINN |= {"threshold"}  # these do what FINN's nodes do, one or two of them


def test_every_kernel_has_cpp_or_is_a_node_of_finn_and_every_header_is_tested():
    folder = Path(__file__).parents[3] / "hw_build" / "kernels"
    assert {path.name for path in folder.rglob("*.hpp")} == {op.header.name for op in OPERATIONS}
    names = {name.split(".")[-1] for name in KERNELS}
    ours = {name for name in names if (folder / name / "hls.py").is_file()}
    assert names - ours == OF_FINN
    assert len(ours) == len({node[0] for node in NODES})
