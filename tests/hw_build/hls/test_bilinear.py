"""The bilinear node's C++, as FINN's back end writes it for a node, compiled with g++ against the numpy reference.

Each layer's folder has a copy of our header; all of them meet in one translation unit.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.util.basic import qonnx_make_model

sys.path.insert(0, str(Path(__file__).parents[1]))
from hls_frames import compile_frames, run_frames

from board.packing import pack_stream, unpack_stream
from hw_build.backends.hls.sources import write_sources
from hw_build.graph.nodes import HLS_DOMAIN
from hw_build.kernels.bilinear import bilinear_reference
from hw_build.kernels.bilinear.hls import BilinearUpsample2x_hls

FRAMES = 3
NODES = [  # (H, W, C, PE, data type)
    (4, 6, 2, 1, "UINT4"),
    (5, 3, 4, 2, "INT3"),
    (1, 1, 1, 1, "UINT8"),
    (2, 8, 6, 3, "UINT4"),
    (1, 4, 3, 3, "INT8"),
    (6, 1, 2, 2, "UINT2"),
]


def model_of_all():
    """Every node of NODES beside each other, none connected."""
    nodes, inputs, outputs = [], [], []
    for index, (height, width, channels, pe, data_type) in enumerate(NODES):
        nodes.append(
            helper.make_node(
                BilinearUpsample2x_hls.__name__, [f"in{index}"], [f"out{index}"], name=f"bilinear_{index}",
                domain=HLS_DOMAIN, backend="fpgadataflow", ImgDim=[height, width], NumChannels=channels, PE=pe,
                inputDataType=data_type,
            )
        )  # fmt: skip
        inputs.append(helper.make_tensor_value_info(f"in{index}", 1, (1, height, width, channels)))
        outputs.append(helper.make_tensor_value_info(f"out{index}", 1, (1, 2 * height, 2 * width, channels)))
    return ModelWrapper(qonnx_make_model(helper.make_graph(nodes, "all", inputs, outputs)))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The generated sources of all nodes, compiled with a main program around them."""
    folder = tmp_path_factory.mktemp("hls")
    model = model_of_all()
    write_sources(model, folder / "hls", "xc7z020clg400-1", 10.0)
    for age, copy in enumerate(sorted(folder.rglob("bilinear2x.hpp"))):
        os.utime(copy, (age, age))  # g++ takes copies of one time for one file
    names = [node.name for node in model.graph.node]
    includes = "".join(f'#undef AP_INT_MAX_W\n#include "hls/{name}/top_{name}.cpp"\n' for name in names)
    return compile_frames(folder, includes, names, frames=FRAMES)


@pytest.mark.parametrize("index", range(len(NODES)), ids=["-".join(map(str, node)) for node in NODES])
def test_cpp_gives_the_integers_of_the_reference(program, index):
    height, width, channels, pe, name = NODES[index]
    data_type = DataType[name]
    low, high = int(data_type.min()), int(data_type.max())
    frames = np.random.default_rng(index).integers(low, high + 1, (FRAMES, height, width, channels))
    frames[0], frames[1] = low, high  # the widest sums of either sign
    beats = pack_stream(frames, pe, data_type.bitwidth())
    given = run_frames(program, index, beats, frames=FRAMES)
    expected = bilinear_reference(frames)
    out_bits = data_type.bitwidth() + 4
    given = np.frombuffer(given, np.uint8).reshape(-1, (pe * out_bits + 7) // 8)
    got = unpack_stream(given, expected.shape, pe, out_bits, data_type.signed())
    np.testing.assert_array_equal(got, expected)


def test_node_executes_as_the_reference():
    model = model_of_all()
    x = np.random.default_rng(0).integers(0, 16, (1, 4, 6, 2)).astype(np.float32)
    context = {"in0": x}
    getCustomOp(model.graph.node[0]).execute_node(context, model.graph)
    np.testing.assert_array_equal(context["out0"], bilinear_reference(x.astype(np.int64)))
