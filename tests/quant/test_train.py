"""Training: resuming gives the weights of the unbroken run, QAT starts from float weights, errors are sentences."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from quant import checkpoint as checkpoints
from quant import train as training
from quant.__main__ import main
from quant.config import QuantConfig
from quant.data import load_samples
from quant.errors import CheckpointError, ConfigError
from quant.metrics import score_masks
from quant.networks import from_checkpoint
from quant.predict import predict_masks
from quant.train import TrainConfig, segmentation_loss, train

SEED = 11


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bright squares on a dark ground: what a network of 1,685 parameters learns in a few epochs."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(SEED)
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for index in range(24):
        mask = np.zeros((32, 32), np.uint8)
        top, left = rng.integers(2, 18, 2)
        mask[top : top + 12, left : left + 12] = 255
        image = np.clip(mask * 0.6 + rng.normal(40, 10, mask.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    (folder / "train.txt").write_text("\n".join(map(str, range(16))))
    (folder / "val.txt").write_text("\n".join(map(str, range(16, 24))))
    return folder


def config(data, **changes):
    return TrainConfig(
        **{"model": "cmunext-tiny-hw", "data": str(data), "size": 32, "epochs": 3, "lr": 1e-2, **changes}
    )


def states_equal(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("quant", "changes"),
    [
        (None, {}),
        ("w4a4", {}),
        (None, {"ema": 0.5, "augmentation": "strong"}),
        ("w4a4", {"ema": 0.5, "augmentation": "strong"}),
    ],
)
def test_interrupted_and_resumed_run_ends_with_the_weights_of_the_unbroken_one(
    data, tmp_path, monkeypatch, quant, changes
):
    quant = QuantConfig.read(quant) if quant else None
    train(config(data, **changes), quant, tmp_path / "whole")

    append_log = training._append_log

    def interrupt_after_first_epoch(path, epoch, *rest, **named):
        append_log(path, epoch, *rest, **named)
        if epoch == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_append_log", interrupt_after_first_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(config(data, **changes), quant, tmp_path / "broken")
    monkeypatch.setattr(training, "_append_log", append_log)
    train(config(data, **changes), quant, tmp_path / "broken", resume=True)

    for name in ("last.pt", "best.pt"):
        whole, broken = (checkpoints.load(tmp_path / run / name) for run in ("whole", "broken"))
        assert states_equal(whole["state"], broken["state"]), name
    with (tmp_path / "broken" / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    assert not list(tmp_path.rglob("*.partial*"))


def test_float_training_learns_and_qat_from_its_weights_keeps_it(data, tmp_path):
    scores = train(config(data, epochs=15, batch=2, schedule="cosine"), None, tmp_path / "float")
    assert scores["iou_pooled8"] > 0.6
    quantized = train(
        config(data, epochs=3, batch=2, lr=1e-3),
        QuantConfig.read("w4a4"),
        tmp_path / "qat",
        init_from=tmp_path / "float" / "best.pt",
    )
    assert quantized["iou_pooled8"] > scores["iou_pooled8"] - 0.1
    twin = from_checkpoint(checkpoints.load(tmp_path / "qat" / "best.pt"))
    samples = load_samples(data, "val", (32, 32))
    found = score_masks(predict_masks(twin, samples.codes, 8), samples.masks[:, 0].numpy())
    assert found == quantized, "the scores of a checkpoint are those of its settled weights"
    assert not any(module.training for module in twin.modules())


def test_scales_are_fitted_to_the_shipped_images_or_to_those_of_the_data(data):
    shipped = training._calibration_codes(config(data, size=32), None)
    assert shipped.shape == (16, 3, 32, 32)
    samples = load_samples(data, "train", (32, 32))
    assert torch.equal(training._calibration_codes(config(data, calibration="train"), samples), samples.codes[:16])


def test_the_kept_network_is_the_moving_average_of_the_steps(data, tmp_path):
    settings = {"epochs": 1, "batch": 8}  # 16 images: two steps, so the average is decay * w1 + (1 - decay) * w2
    train(config(data, **settings, ema=0.0), None, tmp_path / "last")
    train(config(data, **settings, ema=0.25), None, tmp_path / "quarter")
    train(config(data, **settings, ema=0.75), None, tmp_path / "three-quarters")
    last, quarter, three = (
        checkpoints.load(tmp_path / run / "best.pt")["state"] for run in ("last", "quarter", "three-quarters")
    )
    for name, value in last.items():
        if value.is_floating_point():
            moved = (quarter[name] - value) * 3  # w1 - w2 = 4 (quarter - w2), three quarters of it
            assert torch.allclose(three[name] - value, moved, atol=1e-6), name
    assert any(not torch.equal(last[name], quarter[name]) for name in last)


def test_loss_is_half_bce_plus_dice():
    logits, masks = torch.tensor([[[[0.0, 0.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    # BCE of probability 1/2 is ln 2; Dice is 1 - 2 * 0.5 / (1 + 1)
    assert segmentation_loss(logits, masks).item() == pytest.approx(0.5 * np.log(2) + 0.5, abs=1e-5)


def test_resume_with_other_settings_and_other_networks_is_refused(data, tmp_path):
    train(config(data, epochs=1), None, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"was trained with epochs=1, not 2; resume with the same settings"):
        train(config(data, epochs=2), None, tmp_path / "run", resume=True)
    with pytest.raises(CheckpointError, match=r"holds 'cmunext-tiny-hw', not 'unet3'"):
        train(config(data, model="unet3"), None, tmp_path / "other", init_from=tmp_path / "run" / "best.pt")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, r"--epochs must be at least 1, got 0"),
        ({"calibration": "val"}, r"unknown calibration 'val'; known: calib_data, train"),
        ({"precision": "float16"}, r"unknown precision 'float16'; known: float32, bfloat16"),
        ({"augmentation": "mild"}, r"unknown augmentation 'mild'; known: flips, strong"),
        ({"ema": 1.0}, r"--ema must be at least 0 and below 1, got 1.0"),
        ({"schedule": "step"}, r"unknown schedule 'step'; known: constant, cosine"),
    ],
)
def test_bad_settings_are_refused(data, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(data, **changes)


def test_missing_truncated_and_foreign_checkpoints_get_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match=r"'.*none\.pt' does not exist"):
        checkpoints.load(tmp_path / "none.pt")
    checkpoints.save(tmp_path / "good.pt", {"model": "x", "state": {"w": torch.zeros(1000)}})
    (tmp_path / "cut.pt").write_bytes((tmp_path / "good.pt").read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"'.*cut\.pt' is truncated or not a checkpoint"):
        checkpoints.load(tmp_path / "cut.pt")
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"is not an edgeseg checkpoint of format 1"):
        checkpoints.load(tmp_path / "foreign.pt")


def test_command_line_ends_with_one_line_on_stderr(data, tmp_path, capsys, monkeypatch):
    command = ["train", "--data", str(data), "--out", str(tmp_path / "run"), "--size", "32", "--model"]
    assert main([*command, "resnet"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown network 'resnet'; known networks: ")

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_train_epoch", interrupt)
    assert main([*command, "cmunext-tiny-hw"]) == 130
    assert "--resume" in capsys.readouterr().err
