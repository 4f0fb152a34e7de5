"""``check --backend hls``: the layers that the HLS back end makes of a network's nodes, and what it cannot take."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import synthetic

from hw_build.backends.hls import graph as hls_graph_module
from hw_build.cli import main as cli


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
    assert any(operator == "Resize" and "BilinearUpsample2x_hls" in kernel for operator, kernel in kernels)


def test_concatenation_is_refused_by_its_own_name(tmp_path, capsys):
    net = synthetic.Net()
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    both = net.concat(stem, net.conv_bn(stem, 4, 3, "other"), "joined")
    status, verdicts = check(net.model(net.head(both), 8, 8), tmp_path, capsys)
    (refused,) = [verdict for verdict in verdicts.values() if verdict["reason"]]
    assert status == 2 and refused["operator"] == "Concat"
    assert "(Concat): FINN's back end has no such node" in refused["reason"]


def test_what_finn_cannot_generate_is_a_row(tmp_path, capsys, monkeypatch):
    def too_wide(model):
        for node in model.get_nodes_by_op_type("Thresholding_hls"):
            attribute = next(entry for entry in node.attribute if entry.name == "weightDataType")
            attribute.s = b"INT2000"
        return model

    monkeypatch.setattr(hls_graph_module, "minimised", too_wide)
    _, verdicts = check(synthetic.unet(16, 32, levels=1, dims=(4, 6)), tmp_path, capsys)
    assert "FINN cannot generate Thresholding_hls" in verdicts["network"]["reason"]
