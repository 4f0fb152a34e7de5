"""Several logits a pixel, and the index of the largest at a network's end: taken, or refused in one sentence."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from hw_build.base.errors import LoweringError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.flow.check import check, refuse
from hw_build.operators import operators
from tests.hw_build import synthetic


def network(classes=3, height=5, width=7):
    net = synthetic.Net(seed=11)
    return net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8), classes=classes), height, width)


def twins(model):
    """``model`` whose last class has the logits of its second, and the same bias for all: ties wherever it wins."""
    weights, bias = (model.get_initializer(name).copy() for name in ("head_float", "head_bias"))
    weights[-1], bias[:] = weights[1], bias[0]
    model.set_initializer("head_float", weights)
    model.set_initializer("head_bias", bias)
    return model


def ending(model, *nodes, shape, kind=TensorProto.INT64):
    """``model`` with nodes (type, attributes) in a row behind its output, which is then of ``shape``."""
    name = model.graph.output[0].name
    for number, (op_type, attributes) in enumerate(nodes):
        inputs = [name, *attributes.pop("more", ())]
        name = f"end{number}"
        model.graph.node.append(helper.make_node(op_type, inputs, [name], name=f"n_{name}", **attributes))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    return model


def saved(model, folder):
    onnx.save(model.model, folder / "network.onnx")
    return folder / "network.onnx"


def refused(capsys, path):
    assert cli.main(["adopt", str(path), "--out", str(path.parent / "export")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    with pytest.raises(LoweringError) as raised:
        refuse(check(path))
    assert line == f"error: {raised.value}"
    return line


AXES = numpy_helper.from_array(np.array([1]), "axes")
ENDS = {
    "argmax": ([("ArgMax", {"axis": 1, "keepdims": 1})], (1, 1, 5, 7), TensorProto.INT64),
    "without_the_axis": ([("ArgMax", {"axis": -3, "keepdims": 0})], (1, 5, 7), TensorProto.INT64),
    "softmax": ([("Softmax", {"axis": 1}), ("ArgMax", {"axis": 1})], (1, 1, 5, 7), TensorProto.INT64),
    "as_bytes": (
        [
            ("LogSoftmax", {"axis": 1}),
            ("Identity", {}),
            ("ArgMax", {"axis": 1}),
            ("Squeeze", {"more": ["axes"]}),
            ("Cast", {"to": TensorProto.UINT8}),
        ],
        (1, 5, 7),
        TensorProto.UINT8,
    ),
    "channels_last": (
        [("Transpose", {"perm": [0, 2, 3, 1]}), ("Softmax", {"axis": -1}), ("ArgMax", {"axis": 3, "keepdims": 0})],
        (1, 5, 7),
        TensorProto.INT64,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_index_at_the_end_is_what_the_accelerator_decides(tmp_path, name):
    nodes, shape, kind = ENDS[name]
    model = ending(twins(network(4)), *[(op, dict(attributes)) for op, attributes in nodes], shape=shape, kind=kind)
    model.graph.initializer.append(AXES)
    path = saved(model, tmp_path)
    assert cli.main(["adopt", str(path), "--out", str(tmp_path / "export")]) == 0
    export = read_export(tmp_path / "export")
    assert export.classes == 4 and export.manifest["output"]["mask"].startswith("index of the largest")
    original = cleanup_model(ModelWrapper(onnx.load(str(path))))
    for codes, mask in zip(export.codes, export.masks, strict=True):
        image = codes.transpose(2, 0, 1)[None].astype(np.float32) / 256
        found = execute_onnx(original, {original.graph.input[0].name: image})[original.graph.output[0].name]
        np.testing.assert_array_equal(found.reshape(5, 7), mask)
    assert set(np.unique(export.masks)) == {0, 1, 2}, "the last class ties with the second"
    assert (export.logits < 0).any() and (export.logits > 0).any()


ONE = (1, 1, 5, 7)
REFUSED = [
    ([("ArgMax", {"axis": 2})], (1, 3, 1, 7), "chooses along axis 2, the channels are axis 1: the index"),
    ([("ArgMax", {"axis": 0})], (1, 3, 5, 7), "chooses along axis 0, the channels are axis 1"),
    ([("ArgMax", {"axis": 1, "select_last_index": 1})], ONE, r"gives the last of equals \(select_last_index=1\)"),
    ([("ArgMax", {"axis": 1}), ("Cast", {"to": 1}), ("Relu", {})], ONE, "gives indices inside the network: the index"),
    ([("Softmax", {"axis": 1})], (1, 3, 5, 7), "gives probabilities, which have no integer form: export the logits"),
    ([("Softmax", {"axis": 3}), ("ArgMax", {"axis": 1})], ONE, "gives probabilities, which have no integer form"),
    ([("Sigmoid", {}), ("ArgMax", {"axis": 1})], ONE, r"\(Sigmoid\)|\(ArgMax\)"),
]


@pytest.mark.parametrize(("nodes", "shape", "sentence"), REFUSED)
def test_what_is_no_index_of_the_largest_logit_is_refused(tmp_path, capsys, nodes, shape, sentence):
    kind = TensorProto.INT64 if nodes[-1][0] == "ArgMax" else TensorProto.FLOAT
    nodes = [(op, dict(attributes)) for op, attributes in nodes]
    path = saved(ending(network(), *nodes, shape=shape, kind=kind), tmp_path)
    assert re.search(sentence, refused(capsys, path))


def test_an_index_of_one_class_is_refused(tmp_path, capsys):
    path = saved(ending(network(classes=1), ("ArgMax", {"axis": 1}), shape=ONE), tmp_path)
    assert "chooses among one channel, which is index 0 everywhere: take it out; the mask" in refused(capsys, path)


def test_more_classes_than_a_byte_holds_are_refused(tmp_path, capsys):
    path = saved(network(classes=257, height=2, width=2), tmp_path)
    assert "has 257 logits a pixel; an index of the largest is a byte: at most 256 classes" in refused(capsys, path)


def test_argmax_is_told_among_what_lowers():
    assert "ArgMax at the end" in {operator.told for operator in operators()}


def test_logits_of_scales_of_their_own_are_refused(tmp_path, capsys):
    model = network(classes=3)
    model.set_initializer("head_w_s", np.array([1, 1, 2], np.float32).reshape(3, 1, 1, 1) / 128)
    line = refused(capsys, saved(model, tmp_path))
    assert "scales that differ: logits need one positive scale (weights of the head with one scale per tensor)" in line


def test_a_rate_is_no_higher_than_the_output_stage_allows(tmp_path, capsys):
    path = saved(network(classes=40), tmp_path)
    export = ["--export", str(tmp_path / "export"), "--board", "pynq-z2", "--stop-after", "folding"]
    assert cli.main(["adopt", str(path), "--out", str(tmp_path / "export")]) == 0
    assert cli.main(["build", *export, "--out", str(tmp_path / "slow"), "--target-fps", "50000"]) == 0
    capsys.readouterr()
    for number, rate in enumerate((["--target-fps", "80000"], ["--folding", "1399"])):
        assert cli.main(["build", *export, "--out", str(tmp_path / f"build{number}"), *rate]) == 2
        assert re.search(
            r"the output stage takes 1,400 cycles a frame, one for each logit, more than the target of 1,\d+: ask",
            capsys.readouterr().err,
        )
