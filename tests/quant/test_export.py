"""The export: what it writes, and that a refused network leaves nothing behind."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from torch import nn

import models
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, ExportError
from quant.export import export as exporting
from quant.export.export import export
from quant.export.trained_proof import prove_trained
from quant.integer.parse import parse
from quant.integer.proof import prove_steps
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble, from_checkpoint, settle
from quant.twin.prepare import calibrate, fill_weight_range
from quant.twin.settle import SETTLED_DISTANCE
from quant.twin.structure import convolution_sites
from quant.twin.twin import build_twin

ROOT = Path(__file__).resolve().parents[2]
SIZE = (32, 48)
FILES = ["golden.npz", "manifest.json", "model.qonnx"]


def test_three_files_that_belong_together(exported, checkpoint):
    assert sorted([entry.name for entry in exported.iterdir()]) == FILES
    assert [entry.name for entry in exported.parent.iterdir()] == [exported.name]
    manifest = json.loads((exported / "manifest.json").read_text())
    model_sha256 = hashlib.sha256((exported / "model.qonnx").read_bytes()).hexdigest()
    with np.load(exported / "golden.npz") as golden:
        assert str(golden["model_sha256"]) == manifest["model_sha256"] == model_sha256
        assert (golden["codes"].dtype, golden["codes"].shape) == (np.uint8, (2, 32, 48, 3))
        assert (golden["logits"].dtype, golden["logits"].shape) == (np.int32, (2, 32, 48, 1))
        assert (golden["masks"].dtype, golden["masks"].shape) == (np.uint8, (2, 32, 48))
        assert set(np.unique(golden["masks"])) == {0, 1}
        assert list(golden["names"]) == manifest["verification"]["images"]
    assert manifest["checkpoint"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert manifest["model"]["parameters"] == sum(p.numel() for p in models.build("cmunext-tiny-hw").parameters())
    assert manifest["input"] == {
        "height": 32, "width": 48, "channels": 3, "bits": 8, "scale": 1 / 256, "normalisation": "code/256"
    }  # fmt: skip
    assert manifest["tie_rule"] == "round half up"
    assert manifest["output"]["mask"] == "logit > 0"
    assert {layer["bits"] for layer in manifest["layers"] if "bits" in layer} == {4}
    assert all(2 ** np.round(np.log2(layer["scale"])) == layer["scale"] for layer in manifest["layers"][:-1])


@pytest.mark.parametrize("data", ["busi-all", "isic2016"])
def test_shipped_weights_of_four_bits_are_exact(tmp_path, data):
    """The export itself compares QONNX' execution, the twin and the integer reference; small, for the weights alone."""
    checkpoint = ROOT / f"models/weights/cmunext-xxs-hw_w4a4_{data}.pt"
    export(checkpoint, tmp_path / "export", size=(64, 64))
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert manifest["checkpoint"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    with np.load(tmp_path / "export" / "golden.npz") as golden:
        assert {0, 1} == set(np.unique(golden["masks"])), "a network of lesions finds some in the calibration images"


def test_golden_logits_are_qonnx_execution(exported):
    model = ModelWrapper(str(exported / "model.qonnx"))
    scale = json.loads((exported / "manifest.json").read_text())["output"]["logit_scale"]
    with np.load(exported / "golden.npz") as golden:
        image = golden["codes"][:1].transpose(0, 3, 1, 2).astype(np.float32) / 256
        (found,) = execute_onnx(model, {model.graph.input[0].name: image}).values()
        np.testing.assert_array_equal(found[0, 0] / scale, golden["logits"][0, :, :, 0])


def refused(checkpoint, out, sentence):
    with pytest.raises(ExportError, match=sentence):
        export(checkpoint, out)
    assert not out.exists() and not list(out.parent.glob(".*"))


def test_input_with_mean_and_deviation_is_refused(checkpoint, tmp_path):
    path = tmp_path / "normalised.pt"
    checkpoints.save(path, {**checkpoints.load(checkpoint), "normalisation": "(code/255 - mean) / deviation"})
    refused(path, tmp_path / "out", r"normalises its input by '\(code/255 - mean\) / deviation', which makes zero")


def test_weights_that_are_no_numbers_are_refused(checkpoint, tmp_path):
    values = checkpoints.load(checkpoint)
    values["state"]["network.stem.1.bias"][2] = float("nan")
    checkpoints.save(tmp_path / "nan.pt", values)
    with pytest.raises(CheckpointError, match=r"'network\.stem\.1\.bias' of the checkpoint holds NaN or infinity"):
        export(tmp_path / "nan.pt", tmp_path / "out")


def test_float_checkpoint_is_refused(tmp_path):
    path = trained.write_checkpoint(
        tmp_path / "float.pt", "cmunext-tiny-hw", (32, 32), assemble("cmunext-tiny-hw", None), None
    )
    refused(path, tmp_path / "out", r"float.pt' holds a float network; train its twin with --quant w4a4")


def test_a_falling_slope_is_refused(checkpoint, tmp_path, monkeypatch):
    twin = from_checkpoint(checkpoints.load(checkpoint))
    twin.network.stem.append(nn.LeakyReLU(-0.5))
    monkeypatch.setattr(exporting, "from_checkpoint", lambda values: twin)
    refused(checkpoint, tmp_path / "out", r"activation 'stem.3' \(LeakyReLU\) has a slope that is not positive")


def test_threshold_on_an_integer_accumulator_is_refused(checkpoint, tmp_path, monkeypatch):
    twin = from_checkpoint(checkpoints.load(checkpoint))
    norm = twin.network.stem[1]
    norm.weight.data[1], norm.bias.data[1] = 1.0, 0.0  # every threshold is then a multiple of half a code
    norm.running_mean[1], norm.running_var[1] = 0.0, 1.0 - norm.eps
    monkeypatch.setattr(exporting, "from_checkpoint", lambda values: twin)
    refused(checkpoint, tmp_path / "out", r"'Conv_0', channel 1: threshold .* from an integer accumulator, the least")


def test_qonnx_that_differs_from_brevitas_in_one_logit_is_refused(checkpoint, tmp_path, monkeypatch):
    def off_by_one(model, inputs):
        outputs = execute_onnx(model, inputs)
        outputs["global_out"][0, 0, 3, 5] += 2.0**-10
        return outputs

    monkeypatch.setattr(exporting, "execute_onnx", off_by_one)
    refused(
        checkpoint,
        tmp_path / "out",
        r"QONNX execution differs from Brevitas in 2 of 3072 logits of the golden images, first at \(0, 0, 3, 5\)",
    )


def test_integer_reference_that_differs_is_refused(checkpoint, tmp_path, monkeypatch):
    run = exporting.OrtEngine.run
    monkeypatch.setattr(exporting.OrtEngine, "run", lambda self, codes: run(self, codes) + 1)
    refused(checkpoint, tmp_path / "out", r"the integer reference \(onnxruntime\) differs from QONNX in 3072 of 3072")


def test_refused_export_leaves_the_former_one_alone(checkpoint, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    for name in FILES:
        (out / name).write_text("former")
    monkeypatch.setattr(exporting, "_agreed_logits", lambda *args: (_ for _ in ()).throw(ExportError("no")))
    with pytest.raises(ExportError, match="no"):
        export(checkpoint, out)
    assert {(out / name).read_text() for name in FILES} == {"former"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"images": 0}, "--images must be 1 to 16, .* got 0"), ({"size": (0, 32)}, "--size must be positive, got 0x32")],
)
def test_senseless_requests_are_refused(checkpoint, tmp_path, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        export(checkpoint, tmp_path / "out", **changes)


def test_command_line_writes_another_size(checkpoint, tmp_path, capsys):
    arguments = ["export", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--size", "16x32"]
    assert main([*arguments, "--images", "1"]) == 0
    assert "cmunext-tiny-hw, 16x32, exact in 512 logits of 1 image and on" in capsys.readouterr().out


@pytest.mark.parametrize(("kept_bytes", "sentence"), [(0, "does not exist"), (900, "is truncated or not a checkpoint")])
def test_command_line_refuses_a_bad_checkpoint_in_one_line(checkpoint, tmp_path, capsys, kept_bytes, sentence):
    path = tmp_path / "bad.pt"
    if kept_bytes:
        path.write_bytes(checkpoint.read_bytes()[:kept_bytes])
    assert main(["export", "--checkpoint", str(path), "--out", str(tmp_path / "out")]) != 0
    message = capsys.readouterr().err
    assert sentence in message and message.startswith("error: ") and message.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--size", "31"], "network 'cmunext-tiny-hw' does not accept images of 31x31: "),
        (["--size", "9999999"], "--size 9999999x9999999 is more than 134217728 pixels"),
        (["--out", "file"], "--out 'file' is not a folder; give a folder for the three files of an export"),
        (["--out", "\udcff"], "--out '\\udcff' is not UTF-8 text, which ONNX needs; rename that folder"),
    ],
)
def test_sizes_and_folders_that_cannot_be_are_told_at_once(
    checkpoint, tmp_path, monkeypatch, capsys, options, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["export", "--checkpoint", str(checkpoint), "--out", "out", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {sentence}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_an_eight_bit_network_is_exported_once_it_is_settled(tmp_path, capsys):
    quant = QuantConfig.read("w8a8")
    network = trained.trained_network("cmunext-tiny-hw", SIZE)
    twin = build_twin(network, 3, quant)
    fill_weight_range(twin, convolution_sites(network))
    calibrate(twin, trained.torch_codes(SIZE))
    raw, settled = tmp_path / "raw.pt", tmp_path / "settled.pt"
    trained.write_checkpoint(raw, "cmunext-tiny-hw", SIZE, twin, quant)
    refused(raw, tmp_path / "out", r"settle the BN shifts \(`python -m quant settle`\)")
    assert main(["settle", "--checkpoint", str(raw), "--out", str(settled)]) == 0
    assert "channels moved" in capsys.readouterr().out
    manifest = export(settled, tmp_path / "out", images=1)
    assert manifest["verification"]["smallest_threshold_distance"] >= 0.95 * SETTLED_DISTANCE
    assert manifest["layers"][0]["codes"] == [0, 255]


def test_few_thresholds_on_large_accumulators_are_further_from_the_integers_than_float32_rounds(tmp_path):
    """As of a first layer, 8-bit weights on pixels, whose BN has a small factor: sums of 300,000 are 0.03 apart."""
    twin = trained.settled_twin("cmunext-tiny-hw", SIZE, QuantConfig.read("w4a4"))

    def first_layer():
        model = exporting.qonnx_model(twin, tmp_path / "model.qonnx", SIZE)
        return model, parse(model).convolutions[0].staircase

    _, before = first_layer()
    per_code = np.abs(before.thresholds[:, -1] - before.thresholds[:, 0]) / (before.thresholds.shape[1] - 1)
    with torch.no_grad():
        twin.network.stem[1].weight *= torch.from_numpy(per_code / 20_000.37).float()
    assert settle(twin, "cmunext-tiny-hw") > 0
    model, after = first_layer()
    largest = np.abs(after.thresholds).max(axis=1)
    assert largest.max() > 200_000
    assert (after.distances.min(axis=1) > 4 * largest * 2.0**-24).all(), (
        "float32 is off by half a unit in the last place"
    )
    assert prove_steps(model, parse(model)) > 0


def test_a_float_network_has_nothing_to_settle(tmp_path, capsys):
    path = trained.write_checkpoint(
        tmp_path / "float.pt", "cmunext-tiny-hw", (32, 32), assemble("cmunext-tiny-hw", None), None
    )
    assert main(["settle", "--checkpoint", str(path), "--out", str(tmp_path / "out.pt")]) == 2
    assert "holds a float network, which has no thresholds to settle" in capsys.readouterr().err


def test_brevitas_that_leaves_the_integer_thresholds_is_refused(checkpoint, tmp_path, monkeypatch):
    twin = from_checkpoint(checkpoints.load(checkpoint))
    model = exporting.qonnx_model(twin, tmp_path / "model.qonnx", (32, 32))
    with torch.no_grad():
        twin.network.stem[1].bias += 0.05  # after the graph was made
    with pytest.raises(ExportError, match=r"convolution 'stem.0', channel \d+: Brevitas rounds accumulator .* settle"):
        prove_trained(twin, convolution_sites(models.build("cmunext-tiny-hw")), parse(model))
