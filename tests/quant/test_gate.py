"""The IoU gate: open for a network that keeps its IoU, shut with a sentence for one that was damaged on purpose."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import trained
from PIL import Image

from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError, GateError
from quant.evaluation.gate import GateConfig, Row, junit, markdown, require_open, run_gate
from quant.evaluation.predict import predict_logits, predict_masks
from quant.twin.config import QuantConfig
from quant.twin.networks import from_checkpoint

SIZE = (32, 48)
IMAGES = 4


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A float checkpoint, its settled twin, and data whose truth is what the float network says: its IoU is 1."""
    folder = tmp_path_factory.mktemp("gate")
    network, quant = trained.trained_network("cmunext-tiny-hw", SIZE), QuantConfig.read("w4a4")
    codes = trained.torch_codes(SIZE)
    with torch.no_grad():
        network.head.bias -= predict_logits(network, codes, len(codes)).median()  # half of all pixels foreground
    float_path = trained.write_checkpoint(folder / "float.pt", "cmunext-tiny-hw", SIZE, network, None)
    twin = trained.twin_of(network, "cmunext-tiny-hw", SIZE, quant)
    twin_path = trained.write_checkpoint(folder / "w4a4.pt", "cmunext-tiny-hw", SIZE, twin, quant)
    masks = predict_masks(network, codes, len(codes))
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for index in range(IMAGES):
        Image.fromarray(codes[index, 0].numpy()).save(folder / "images" / f"{index}.png")
        Image.fromarray(masks[index].astype(np.uint8) * 255).save(folder / "masks" / f"{index}.png")
    (folder / "val.txt").write_text("\n".join(map(str, range(IMAGES))))
    return float_path, twin_path, folder


@pytest.mark.slow
def test_an_eight_bit_network_agrees_in_all_forms(network, tmp_path):
    quant = QuantConfig.read("w8a8")
    twin = trained.twin_of(from_checkpoint(checkpoints.load(network[0])), "cmunext-tiny-hw", SIZE, quant)
    path = trained.write_checkpoint(tmp_path / "w8a8.pt", "cmunext-tiny-hw", SIZE, twin, quant)
    rows = run_gate(gate_config((network[0], path, network[2])))
    assert not any(row.differing_pixels for row in rows) and rows[3].iou_pooled8 > 0.8
    require_open(rows, 0.2)


def gate_config(network, **changes):
    float_path, twin_path, data = network
    values = {"float_checkpoint": float_path, "quantized_checkpoint": twin_path, "data": data, "qonnx_images": 3}
    return GateConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def rows(network):
    return run_gate(gate_config(network))


def test_all_forms_are_scored_on_the_same_images_and_agree(rows):
    assert [row.form for row in rows] == [
        "float", "quantized (Brevitas)", "quantized (QONNX)", "quantized (integers)",
    ]  # fmt: skip
    assert [row.images for row in rows] == [IMAGES, IMAGES, 3, IMAGES]
    assert rows[0].iou_pooled8 == 1.0 and all(row.reference == 1.0 for row in rows)
    assert rows[1].iou_pooled8 == rows[3].iou_pooled8 < 1.0
    assert not any(row.differing_pixels for row in rows)


def test_the_gate_shuts_just_below_the_drop_that_was_measured(rows):
    drop = max(row.drop for row in rows)
    require_open(rows, drop)
    with pytest.raises(
        GateError, match=r"IoU of quantized \(.*\), 0\.\d{4}, lies .* below the float network's 1\.0000"
    ):
        require_open(rows, drop - 1e-6)


def test_a_network_damaged_on_purpose_is_refused_with_status_1(network, rows, tmp_path, capsys):
    damaged = checkpoints.load(network[1])
    for name, value in damaged["state"].items():
        if name.endswith("conv.weight") or name.endswith("0.weight"):
            value.neg_()
    checkpoints.save(tmp_path / "damaged.pt", damaged)
    allowed = max(row.drop for row in rows)  # what the sound network needs
    command = ["gate", "--float", str(network[0]), "--data", str(network[2]), "--qonnx-images", "4"]
    command += ["--max-drop", str(allowed), "--junit", str(tmp_path / "ci" / "junit.xml")]
    assert main([*command, "--quantized", str(tmp_path / "damaged.pt")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: IoU of quantized (Brevitas)") and captured.err.count("\n") == 1
    assert "failed" in captured.out
    suite = ElementTree.parse(tmp_path / "ci" / "junit.xml").getroot()
    assert suite.get("tests") == "4" and suite.get("failures") == "3"


def test_masks_that_differ_shut_the_gate_whatever_the_iou():
    row = Row(form="integers", images=2, iou_pooled8=0.9, iou=0.9, reference=0.8, differing_pixels=3)
    with pytest.raises(GateError, match="integers differs from Brevitas in 3 pixels of 2 images"):
        require_open([row], 0.01)
    assert "| failed |" in markdown([row], 0.01)
    assert ElementTree.fromstring(junit([row], 0.01)).get("failures") == "1"


def test_checkpoints_in_the_wrong_place_are_named(network, tmp_path):
    float_path, twin_path, _ = network
    with pytest.raises(ConfigError, match=r"float\.pt' is not quantized; give a quantized one with --quantized"):
        run_gate(gate_config(network, quantized_checkpoint=float_path))
    with pytest.raises(ConfigError, match=r"is quantized; give a float checkpoint with --float"):
        run_gate(gate_config(network, float_checkpoint=twin_path))
    float_of_one = {**checkpoints.load(float_path), "channels": 1}
    checkpoints.save(tmp_path / "one.pt", float_of_one)
    with pytest.raises(ConfigError, match="the float checkpoint has channels 1, the quantized one 3; compare two"):
        run_gate(gate_config(network, float_checkpoint=tmp_path / "one.pt"))
    for drop in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=f"--max-drop must be 0 to 1, got {drop}"):
            gate_config(network, max_drop=drop)


@pytest.mark.parametrize("option", ["--junit", "--markdown"])
def test_a_folder_where_a_file_is_to_be_written_is_refused_before_the_work(network, tmp_path, capsys, option):
    command = ["gate", "--float", str(network[0]), "--quantized", str(network[1]), "--data", str(network[2])]
    assert main([*command, option, str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: '{tmp_path}' is a folder, which no file can replace; give the name of a file\n"


def test_a_checkpoint_that_says_one_class_is_comparable_with_one_that_says_nothing(network, tmp_path):
    silent, says = torch.load(network[0], weights_only=True), torch.load(network[1], weights_only=True)
    silent.pop("classes", None)
    torch.save(silent, tmp_path / "silent.pt")
    torch.save({**says, "classes": 1}, tmp_path / "one.pt")
    given = {"float_checkpoint": tmp_path / "silent.pt", "quantized_checkpoint": tmp_path / "one.pt"}
    assert len(run_gate(gate_config(network, **given, qonnx_images=1))) == 4
