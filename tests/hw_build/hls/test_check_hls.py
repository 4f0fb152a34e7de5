"""``check --backend hls``: the layers that the HLS back end makes of a network's nodes, and what it cannot take."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import synthetic

from hw_build.backends.hls import graph as hls_graph_module
from hw_build.cli import main as cli
from hw_build.lowering import execute_codes
from tests.hw_build.hls_programs import assert_exact_in_hls
from tests.hw_build.test_transposed import transposed


def check(model, folder, capsys):
    model.save(str(folder / "model.qonnx"))
    status = cli.main(["check", str(folder / "model.qonnx"), "--backend", "hls", "--json"])
    return status, {verdict["node"]: verdict for verdict in json.loads(capsys.readouterr().out)}


def test_every_node_names_its_hls_layers(tmp_path, capsys):
    status, verdicts = check(synthetic.unet(16, 32, levels=1, dims=(4, 6)), tmp_path, capsys)
    assert status == 0 and not any(verdict["reason"] for verdict in verdicts.values())
    kernels = {(verdict["operator"], verdict["kernel"]) for verdict in verdicts.values()}
    convolutions = {kernel for operator, kernel in kernels if operator == "Conv"}
    assert any("MVAU_hls" in kernel for kernel in convolutions)
    assert any("VVAU_hls" in kernel for _, kernel in kernels)
    assert any(operator == "MaxPool" and "Pool_hls" in kernel for operator, kernel in kernels)
    assert any(operator == "Resize" and "BilinearUpsample_hls" in kernel for operator, kernel in kernels)


SIZE = (16, 24)


def every_form():
    """All that FINN has no C++ for, or no C++ alone; the image has two readers."""
    net = synthetic.Net(seed=5)
    image = net.image()
    stem = net.conv_bn(image, 4, 3, "stem", bits=8)
    other = net.conv_bn(image, 4, 1, "other", bits=8)
    half = net.conv_bn(stem, 4, 3, "strided", strides=(2, 2), scale=net.scales[stem])
    net.node("AveragePool", [other], "mean", kernel_shape=[2, 2], strides=[2, 2])
    mean = net.quant("mean", net.scales[half], name="mean_q")
    net.node("MaxPool", [mean], "greatest", kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    net.scales["greatest"] = net.scales[half]
    low = net.conv_bn(net.concat(half, "greatest", "joined"), 8, 3, "low", scale=net.scales[half])
    net.node("Resize", [low, "", net.const("twice", [1, 1, 2, 2])], "near", mode="nearest")
    net.scales["near"] = net.scales[low]
    deep = net.conv_bn(low, 8, 1, "deep", scale=net.scales[half])
    net.node("DepthToSpace", [deep], "spread", blocksize=2, mode="DCR")
    net.channels["spread"], net.scales["spread"] = 2, net.scales[deep]
    up = transposed(net, low, 3, 2, 2, "up")
    joined = net.concat(net.concat("near", "spread", "both"), up, "all")
    return net.model(net.head(net.conv_bn(joined, 4, 3, "mixed")), *SIZE)


def test_every_operator_names_its_layer(tmp_path, capsys):
    status, verdicts = check(every_form(), tmp_path, capsys)
    assert status == 0, [verdict for verdict in verdicts.values() if verdict["reason"]]
    kernels = {(row["operator"], kernel) for row in verdicts.values() for kernel in row["kernel"].split(", ")}
    assert kernels >= {
        ("Concat", "StreamConcat_hls"),
        ("AveragePool", "AveragePool2x2_hls"),
        ("MaxPool", "WindowMax_hls"),
        ("Resize", "NearestUpsample_hls"),
        ("DepthToSpace", "DepthToSpace_hls"),
    }


@pytest.mark.slow
def test_every_operator_is_exact_in_cpp(tmp_path):
    codes = np.random.default_rng(4).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    logits = execute_codes(every_form(), codes).astype(np.int32)
    assert np.ptp(logits) > 8
    for cycles_per_pixel in (1, 3, 11):
        folder = tmp_path / str(cycles_per_pixel)
        assert_exact_in_hls(every_form(), codes, logits, folder, cycles_per_pixel=cycles_per_pixel)


def test_what_the_build_refuses_is_refused_and_another_size_is_told(tmp_path, capsys):
    for classes, expected in ((2, 0), (257, 2)):
        net = synthetic.Net(seed=3)
        smaller = net.conv_bn(net.image(), 4, 3, "stem", bits=8, pads=[0] * 4)
        model = net.model(net.head(smaller, classes=classes), *SIZE)
        status, verdicts = check(model, tmp_path, capsys)
        assert status == expected
        said = verdicts["network"]["reason" if expected else "kernel"]
        assert ("has 257 logits a pixel" if expected else "results of 14x22 for images of 16x24") in said


def test_what_finn_cannot_generate_is_a_row(tmp_path, capsys, monkeypatch):
    def too_wide(model):
        for node in model.get_nodes_by_op_type("Thresholding_hls"):
            attribute = next(entry for entry in node.attribute if entry.name == "weightDataType")
            attribute.s = b"INT2000"
        return model

    monkeypatch.setattr(hls_graph_module, "minimised", too_wide)
    _, verdicts = check(synthetic.unet(16, 32, levels=1, dims=(4, 6)), tmp_path, capsys)
    assert "FINN cannot generate Thresholding_hls" in verdicts["network"]["reason"]
