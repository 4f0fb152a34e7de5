"""Training and scoring on volumes: it learns balls, goes on as if unbroken, and refuses what does not fit."""

import csv
import json

import files
import nibabel
import numpy as np
import pytest
import torch

from board.intensity import Window
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, TrainingError
from quant.export.export import export
from quant.twin.config import QuantConfig
from quant.twin.networks import from_checkpoint
from quant.volumes.evaluate import evaluate_volumes
from quant.volumes.loss import LOSSES
from quant.volumes.predict import decide, predict_logits
from quant.volumes.slab_images import write_slabs
from quant.volumes.slabs import slabs
from quant.volumes.train import train_volumes
from quant.volumes.train_config import VolumeTrainConfig, window_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    lists = {"train": ["a", "b", "c", "d"], "val": ["e", "f"]}
    return files.write_set(tmp_path_factory.mktemp("balls"), list("abcdef"), classes=3, lists=lists)


def config(folder, **changes):
    settings = {
        "model": "nnunet-tiny",
        "data": str(folder),
        "classes": 3,
        "patch": (16, 16, 8),
        "epochs": 2,
        "steps": 3,
    }
    return VolumeTrainConfig(**{**settings, "ema": 0.5, **changes})


def options(folder, out, *further):
    names = ("--data", str(folder), "--classes", "3", "--out", str(out), "--epochs", "4", "--steps", "12")
    return ["train-volumes", *names, *further]


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny")
    further = ("--model", "nnunet-tiny", "--patch", "16,16,12", "--ema", "0.8", "--foreground-share", "1")
    assert main(options(folder, out, *further)) == 0
    return out


def test_a_network_in_3d_learns_balls(folder, trained, tmp_path, capsys):
    arguments = ["--checkpoint", str(trained / "weights.pt"), "--data", str(folder), "--largest-component"]
    assert main(["evaluate-volumes", *arguments, "--json", "--masks", str(tmp_path)]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["dice"] > 0.5
    assert (scores["volumes"], scores["unit"], set(scores["per_volume"])) == (2, "mm", {"e", "f"})
    mask = nibabel.load(tmp_path / "e.nii.gz")
    np.testing.assert_array_equal(mask.affine, files.AFFINE)
    truth = nibabel.load(folder / "masks" / "e.nii.gz").get_fdata()
    found = mask.get_fdata()
    overlap = 2 * ((found == 1) & (truth == 1)).sum() / ((found == 1).sum() + (truth == 1).sum())
    assert scores["per_volume"]["e"]["1"]["dice"] == pytest.approx(overlap)
    assert json.loads((trained / "window.json").read_text()) == Window().as_dict()
    assert [row["epoch"] for row in csv.DictReader((trained / "log.csv").open())] == ["0", "1", "2", "3"]


def test_slabs_train_an_image_network_whose_checkpoint_other_commands_take(folder, tmp_path, capsys):
    further = ("--model", "unet3", "--slices", "3", "--patch", "16,20", "--foreground-share", "1", "--lr", "0.02")
    assert main(options(folder, tmp_path, *further)) == 0
    scores = evaluate_volumes(tmp_path / "weights.pt", folder, "val", largest_only=True)
    assert scores["dice"] > 0.4
    checkpoint = checkpoints.load(tmp_path / "weights.pt")
    assert checkpoint["size"] == [20, 16]  # height, width
    network = from_checkpoint(checkpoint)
    assert network(torch.zeros(1, 3, 20, 16)).shape == (1, 3, 20, 16)
    capsys.readouterr()


@pytest.mark.parametrize("slices", [1, 5, 7])
def test_other_numbers_of_slices_are_quantized_exported_and_label_a_scan(folder, tmp_path, slices):
    changes = {"model": "cmunext-tiny-hw", "slices": slices, "patch": (16, 16), "epochs": 1, "steps": 1}
    floats = train_volumes(config(folder, **changes), tmp_path / "float")
    assert evaluate_volumes(floats, folder, "val")["volumes"] == 2
    twin = train_volumes(config(folder, **changes), tmp_path / "w4a4", quant=QuantConfig.read("w4a4"), init_from=floats)
    manifest = export(twin, tmp_path / "export", size=(32, 32), images=1)
    assert manifest["input"]["channels"] == manifest["volume"]["slices"] == slices
    whole = checkpoints.load(twin)
    for change in ({"slices": None}, {"slices": 2}, {"channels": 9 * slices}, {"file_spacing_mm": 5}, {"window": 5}):
        checkpoints.save(tmp_path / "damaged.pt", {**whole, "volumes": {**whole["volumes"], **change}})
        with pytest.raises(CheckpointError, match="'volumes'|does not fit network"):
            export(tmp_path / "damaged.pt", tmp_path / "none", size=(32, 32), images=1)
    scan, out = folder / "images" / "e.nii.gz", tmp_path / "labels.nii.gz"
    assert main(["predict-scan", "--export", str(tmp_path / "export"), "--out", str(out), str(scan)]) == 0
    codes = Window().codes(np.asarray(nibabel.load(scan).dataobj))
    padded = np.zeros((32, 32, codes.shape[2]), np.uint8)
    left, top = (32 - codes.shape[0]) // 2, (32 - codes.shape[1]) // 2
    place = slice(left, left + codes.shape[0]), slice(top, top + codes.shape[1])
    padded[place] = codes
    network = from_checkpoint({**checkpoints.load(twin), "size": [32, 32]})
    with torch.no_grad():
        logits = network(slabs(torch.from_numpy(padded)[None], slices) / 256).permute(1, 3, 2, 0)  # (classes, X, Y, Z)
    expected = decide(logits).numpy()[place]
    np.testing.assert_array_equal(np.asarray(nibabel.load(out).dataobj), expected)


def test_five_slices_train_as_images_too(folder, tmp_path, capsys):
    write_slabs(folder, tmp_path / "slabs", window=Window(), slices=5, classes=3, size=(32, 32))
    command = ["train", "--model", "cmunext-tiny-hw", "--data", str(tmp_path / "slabs"), "--size", "32"]
    command += ["--classes", "3", "--epochs", "1", "--augmentation", "none"]
    assert main([*command, "--out", str(tmp_path / "three")]) == 2
    assert "are 5 with their neighbours, the network takes 3 channels; give --channels 5" in capsys.readouterr().err
    assert main([*command, "--channels", "5", "--out", str(tmp_path / "five")]) == 0
    weights = tmp_path / "five" / "weights.pt"
    assert from_checkpoint(checkpoints.load(weights))(torch.zeros(1, 5, 32, 32)).shape == (1, 3, 32, 32)
    assert evaluate_volumes(weights, folder, "val")["volumes"] == 2
    assert main(["evaluate", "--checkpoint", str(weights), "--data", str(tmp_path / "slabs"), "--json"]) == 0
    capsys.readouterr()
    write_slabs(folder, tmp_path / "threes", window=Window(), classes=3, size=(32, 32))
    command[command.index("--data") + 1] = str(tmp_path / "threes")
    assert main([*command, "--init-from", str(weights), "--out", str(tmp_path / "other")]) == 2
    assert "takes 5 channels, not 3; give --channels to match" in capsys.readouterr().err


def test_a_run_that_is_broken_off_ends_with_the_same_weights(folder, tmp_path):
    whole = train_volumes(config(folder), tmp_path / "whole")
    short = tmp_path / "short"

    class BrokenOff(Exception):
        pass

    original = checkpoints.save

    def save_once(path, content):
        original(path, content)
        if path.name == "last.pt":
            raise BrokenOff

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "save", save_once)
        with pytest.raises(BrokenOff):
            train_volumes(config(folder), short)
    resumed = train_volumes(config(folder), short, resume=True)
    states = [checkpoints.load(path, of_volumes=True)["state"] for path in (whole, resumed)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert len((short / "log.csv").read_text().splitlines()) == 3
    with pytest.raises(CheckpointError, match="was trained with lr=0.01, not 0.02; continue with the same settings"):
        train_volumes(config(folder, lr=0.02), short, resume=True)


def test_accumulated_batches_are_steps_of_the_larger_batch(folder, tmp_path):
    changes = {"epochs": 1, "steps": 1, "foreground_share": 1.0, "loss": "distance-focal"}  # a mean over voxels
    one = train_volumes(config(folder, **changes, batch=4, accumulate=1), tmp_path / "one")
    four = train_volumes(config(folder, **changes, batch=1, accumulate=4), tmp_path / "four")
    states = [checkpoints.load(path, of_volumes=True)["state"] for path in (one, four)]
    for key in states[0]:
        torch.testing.assert_close(states[0][key], states[1][key], atol=1e-6, rtol=1e-4)


def test_windows_that_overlap_blend_to_what_one_window_gives():
    """A network that looks at single voxels gives the same logits whatever the windows."""
    torch.manual_seed(2)
    network = torch.nn.Conv3d(1, 3, 1)
    codes = torch.randint(0, 256, (1, 13, 10, 9), dtype=torch.uint8)
    found = predict_logits(network, codes, (8, 8, 8))
    torch.testing.assert_close(found, network(codes[None] / 256)[0].detach(), atol=1e-5, rtol=1e-5)
    assert torch.equal(decide(found), found.argmax(0).to(torch.uint8))
    flat = torch.nn.Conv2d(3, 1, 1)
    slabs = predict_logits(flat, codes, (8, 8), slices=3)
    assert slabs.shape == (1, 13, 10, 9)
    middle = flat(codes[0, :, :, 3:6].permute(2, 1, 0)[None] / 256)[0, 0].detach()  # (Y, X)
    torch.testing.assert_close(slabs[0, :, :, 4], middle.T, atol=1e-5, rtol=1e-5)
    assert decide(slabs).max() <= 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "unet3"}, "network 'unet3' is for images; add --slices 3, or give another --model"),
        ({"slices": 3}, "network 'nnunet-tiny' is for volumes; leave out --slices"),
        ({"model": "unet3", "slices": 2, "patch": (8, 8)}, "--slices must be odd"),
        ({"patch": (8, 8)}, "--patch must be 3 sides of 1 to 4096, got 8,8"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; known: dice-ce, distance-focal"),
        ({"foreground_share": 1.5}, "--foreground-share must be 0 to 1, got 1.5"),
        ({"steps": 0}, "--steps must be at least 1, got 0"),
        ({"spacing_mm": (1, 1, 0)}, "--spacing must be three distances in mm above 0"),
    ],
)
def test_settings_without_sense_are_refused(folder, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(folder, **changes)


def test_a_patch_that_the_network_cannot_take_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="'nnunet-tiny' takes no patches of 16x16x6: the sides of a volume must be"):
        train_volumes(config(folder, patch=(16, 16, 6)), tmp_path)


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_epoch_before(folder, tmp_path, monkeypatch):
    kept, losses = train_volumes(config(folder, epochs=1, steps=1), tmp_path).read_bytes(), iter([0.5])

    def of_numbers_once(logits, _):
        return logits.mean() * next(losses, float("nan"))

    monkeypatch.setitem(LOSSES, "dice-ce", of_numbers_once)
    with pytest.raises(TrainingError, match=r"the loss of epoch 1 is nan: give a lower --lr than 0\.01"):
        train_volumes(config(folder, epochs=1, steps=2), tmp_path)
    assert (tmp_path / "weights.pt").read_bytes() == kept


def test_fixed_windows_need_their_bounds():
    assert window_of("zscore", None, 3.0, True) == Window("zscore", -4.0, 3.0, True)
    with pytest.raises(ConfigError, match="--window fixed needs --low and --high"):
        window_of("fixed", 0.0, None, False)
    with pytest.raises(ConfigError, match="unknown intensity window 'hounsfield'"):
        window_of("hounsfield", None, None, False)


def test_mistakes_are_one_line_and_status_2(folder, trained, tmp_path, capsys):
    weights = str(trained / "weights.pt")
    files.write_set(tmp_path / "turned", ["e"], classes=3, affine=files.AFFINE @ np.diag([1.0, -1, 1, 1]))
    (tmp_path / "turned" / "val.txt").write_text("e")
    broken = files.write_set(tmp_path / "broken", ["e"], classes=3, lists={"val": ["e"]})
    (broken / "images" / "e.nii.gz").write_bytes(b"nothing")
    (tmp_path / "other").mkdir()
    for arguments, told in (
        (
            ["--checkpoint", weights, "--data", str(tmp_path / "turned")],
            "has orientation RPS, the network was trained on RAS",
        ),
        (["--checkpoint", weights, "--data", str(broken)], "e.nii.gz' is damaged or no NIfTI"),
        (["--checkpoint", weights, "--data", str(tmp_path / "other")], "is of no known layout"),
        (
            ["--checkpoint", weights, "--data", str(folder), "--overlap", "1"],
            "--overlap must be at least 0 and below 1",
        ),
        (
            ["--checkpoint", weights, "--data", str(folder), "--least-voxels", "0"],
            "--least-voxels must be at least 1, got 0",
        ),
        (["--checkpoint", weights, "--data", str(folder), "--split", "test"], "splits of this folder: train, val"),
    ):
        assert main(["evaluate-volumes", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and told in line


def test_commands_for_images_refuse_a_network_for_volumes(trained, tmp_path, capsys):
    weights = str(trained / "weights.pt")
    for arguments, told in (
        (["export", "--checkpoint", weights, "--out", str(tmp_path)], "holds a float network; train its twin with"),
        (
            ["evaluate", "--checkpoint", weights, "--data", "calib_data", "--split", "calib"],
            "is of a network for volumes, which do not lower; score it with `python -m quant evaluate-volumes`",
        ),
        (
            ["train", "--model", "bunet", "--data", "calib_data", "--out", str(tmp_path)],
            "network 'bunet' is for volumes, which do not lower; train it with `python -m quant train-volumes`",
        ),
    ):
        assert main(arguments) == 2
        assert told in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named(trained, folder, tmp_path):
    content = checkpoints.load(trained / "weights.pt", of_volumes=True)
    window = {"kind": "percentile", "low": 1}
    for changes, told in (
        ({"size": [16, 16, 16, 16]}, "is damaged in 'size', which is height and width, or x, y and z"),
        ({"volumes": [1]}, "is damaged in 'volumes'"),
        (
            {"volumes": {**content["volumes"], "window": window}},
            "does not fit its network .an intensity window has kind",
        ),
        ({"classes": 4}, "does not fit its network"),
        ({"state": {key: value * float("nan") for key, value in content["state"].items()}}, "holds NaN or infinity"),
    ):
        checkpoints.save(tmp_path / "w.pt", {**content, **changes})
        with pytest.raises(CheckpointError, match=told):
            evaluate_volumes(tmp_path / "w.pt", folder, "val")


def test_a_checkpoint_of_images_is_no_checkpoint_of_volumes(folder, tmp_path):
    content = {"model": "unet3", "quant": None, "size": [64, 64], "classes": 1, "state": {}}
    checkpoints.save(tmp_path / "w.pt", content)
    with pytest.raises(CheckpointError, match="is not of a network for volumes; train one with"):
        evaluate_volumes(tmp_path / "w.pt", folder, "val")
