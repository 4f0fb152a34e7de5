"""Training: resuming gives the weights of the unbroken run, QAT starts from float weights, errors are sentences."""

import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import models
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, TrainingError
from quant.base.note import note
from quant.base.sole_writer import sole_writer
from quant.data.pairs import load_samples
from quant.evaluation.evaluate import evaluate_checkpoint
from quant.evaluation.predict import predict_masks
from quant.export.export import export
from quant.scores.metrics import score_masks
from quant.training import find_rate as finding
from quant.training import train as training
from quant.training.beginning import calibration_codes
from quant.training.find_rate import FIRST, LAST, find_rate
from quant.training.learner import Learner
from quant.training.train import fit, train
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble, from_checkpoint


def config(squares, **changes):
    return TrainConfig(
        **{"model": "cmunext-tiny-hw", "data": str(squares), "size": 32, "epochs": 3, "lr": 1e-2, **changes}
    )


def states_equal(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("quant", "changes"),
    [
        (None, {}),
        ("w4a4", {}),
        pytest.param(None, {"ema": 0.5, "augmentation": "strong"}, marks=pytest.mark.slow),
        (None, {"schedule": "plateau", "loss": "bce", "find_lr": True}),
        (None, {"loss": "boundary", "augmentation": "ultrasound", "copy_paste": 0.5, "sampling": "balanced"}),
        ("w4a4", {"ema": 0.5, "augmentation": "strong", "ranges": "learned", "damp": 1.0}),
        ("w4a4", {"ema": 0.5, "frozen_norms": 0.7}),
    ],
)
def test_interrupted_and_resumed_run_ends_with_the_weights_of_the_unbroken_one(
    squares, tmp_path, monkeypatch, quant, changes
):
    quant = QuantConfig.read(quant) if quant else None
    train(config(squares, **changes), quant, tmp_path / "whole")

    append_log = training._append_log

    def interrupt_before_the_second_epoch_is_saved(path, epoch, *rest, **named):
        append_log(path, epoch, *rest, **named)
        if epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_append_log", interrupt_before_the_second_epoch_is_saved)
    with pytest.raises(KeyboardInterrupt):
        train(config(squares, **changes), quant, tmp_path / "broken")
    monkeypatch.setattr(training, "_append_log", append_log)
    train(config(squares, **changes), quant, tmp_path / "broken", resume=True)

    for name in ("last.pt", "weights.pt"):
        whole, broken = (checkpoints.load(tmp_path / run / name) for run in ("whole", "broken"))
        assert states_equal(whole["state"], broken["state"]), name
    with (tmp_path / "broken" / "log.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]
    assert not list(tmp_path.rglob("*.partial*"))


def test_float_training_learns_and_qat_from_its_weights_keeps_it(squares, tmp_path):
    scores = train(config(squares, epochs=15, batch=2, schedule="cosine"), None, tmp_path / "float")
    assert scores["iou_pooled8"] > 0.6
    quantized = train(
        config(squares, epochs=3, batch=2, lr=1e-3),
        QuantConfig.read("w4a4"),
        tmp_path / "qat",
        init_from=tmp_path / "float" / "weights.pt",
    )
    assert quantized["iou_pooled8"] > scores["iou_pooled8"] - 0.1
    twin = from_checkpoint(checkpoints.load(tmp_path / "qat" / "weights.pt"))
    samples = load_samples(squares, "val", (32, 32))
    found = score_masks(predict_masks(twin, samples.codes, 8), samples.masks[:, 0].numpy())
    assert found == quantized, "the scores of a checkpoint are those of its settled weights"
    assert not any(module.training for module in twin.modules())


def test_best_weights_of_a_broken_run_can_be_exported(squares, tmp_path, monkeypatch):
    train_epoch = Learner.train_epoch

    def interrupt_the_second_epoch(learner, samples, epoch, on_batch):
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(learner, samples, epoch, on_batch)

    monkeypatch.setattr(Learner, "train_epoch", interrupt_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        train(config(squares), QuantConfig.read("w4a4"), tmp_path / "broken")
    manifest = export(tmp_path / "broken" / "weights.pt", tmp_path / "export", images=1)
    assert manifest["verification"]["logits_compared"] == 32 * 32


def test_all_images_are_the_lists_joined_and_leave_nothing_to_score(squares, tmp_path, capsys):
    joined = tmp_path / "joined"
    joined.mkdir()
    for name in ("images", "masks"):
        (joined / name).symlink_to(squares / name)
    (joined / "train.txt").write_text("\n".join(map(str, range(24))))
    (joined / "val.txt").write_text((squares / "val.txt").read_text())
    train(config(joined), None, tmp_path / "of-one-list")

    options = ("--size", "32", "--epochs", "3", "--lr", "1e-2", "--all-images", "--out", str(tmp_path / "all"))
    assert main(["train", "--model", "cmunext-tiny-hw", "--data", str(squares), *options]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"checkpoint": str(tmp_path / "all" / "weights.pt")}
    kept = checkpoints.load(tmp_path / "all" / "weights.pt")
    assert kept["scores"] is None
    assert states_equal(kept["state"], checkpoints.load(tmp_path / "of-one-list" / "weights.pt")["state"])

    told = [evaluate_checkpoint(tmp_path / run / "weights.pt", squares, "val") for run in ("all", "of-one-list")]
    assert [scores.get("seen_in_training", 0) for scores in told] == [8, 8]
    for link in ("init_from", "teacher"):
        with pytest.raises(
            ConfigError, match=f"was trained on 8 of the 8 images of '{squares.name}' that are to be scored"
        ):
            train(config(squares), None, tmp_path / "next", **{link: tmp_path / "all" / "weights.pt"})
    own = (config(squares, epochs=1), None, tmp_path / "own")
    train(*own)
    assert train(*own, init_from=tmp_path / "gone.pt", resume=True)["images"] == 8
    ranges = config(squares, epochs=1, calibration="calib_data")  # which a float network does not have
    assert train(ranges, None, tmp_path / "own", resume=True)["images"] == 8
    with pytest.raises(CheckpointError, match=r"was trained with all_images=True, not False; resume with the same"):
        train(config(squares), None, tmp_path / "all", resume=True)


def test_learned_ranges_leave_their_calibration_and_then_stay(squares, tmp_path):
    settings = config(squares, epochs=2, batch=2, ranges="learned")
    assert [settings.range_learning_rate(epoch, 0.01) for epoch in range(2)] == [0.1, 0.0]
    train(settings, QuantConfig.read("w4a4"), tmp_path / "run")
    twin = from_checkpoint(checkpoints.load(tmp_path / "run" / "last.pt"))
    exponents = torch.stack(twin.learn_ranges())
    assert (exponents % 1 != 0.5).any(), "a range starts in the middle of its octave"


def test_learned_ranges_are_not_averaged(squares, tmp_path):
    settings = config(squares, epochs=2, batch=2, ranges="learned", ema=0.9)
    train(settings, QuantConfig.read("w4a4"), tmp_path / "run")
    kept, last = (checkpoints.load(tmp_path / "run" / f"{name}.pt") for name in ("weights", "last"))
    of_kept, of_last = (torch.stack(from_checkpoint(checkpoint).learn_ranges()) for checkpoint in (kept, last))
    assert torch.equal(of_kept, of_last)
    assert not torch.equal(kept["state"]["network.head.weight"], last["state"]["network.head.weight"]), "an average"


def test_a_student_follows_its_teacher_where_that_contradicts_the_masks(squares, tmp_path):
    settings = {"epochs": 5, "batch": 2}
    assert train(config(squares, **settings), None, tmp_path / "teacher")["iou_pooled8"] > 0.6
    contrary = checkpoints.load(tmp_path / "teacher" / "weights.pt")
    for name in ("head.weight", "head.bias"):
        contrary["state"][name].neg_()
    checkpoints.save(tmp_path / "contrary.pt", contrary)
    train(config(squares, **settings, distill=20.0), None, tmp_path / "student", teacher=tmp_path / "contrary.pt")
    assert checkpoints.load(tmp_path / "student" / "last.pt")["scores"]["iou_pooled8"] < 0.1


def test_scales_are_fitted_to_the_shipped_images_or_to_those_of_the_data(squares):
    shipped = calibration_codes(config(squares, size=32, calibration="calib_data"), None)
    assert shipped.shape == (16, 3, 32, 32)
    samples = load_samples(squares, "train", (32, 32))
    assert torch.equal(calibration_codes(config(squares), samples), samples.codes[:16])


def test_the_kept_network_is_the_moving_average_of_the_steps(squares, tmp_path):
    settings = {"epochs": 1, "batch": 8}  # 16 images: two steps, so the average is decay * w1 + (1 - decay) * w2
    train(config(squares, **settings, ema=0.0), None, tmp_path / "last")
    train(config(squares, **settings, ema=0.25), None, tmp_path / "quarter")
    train(config(squares, **settings, ema=0.75), None, tmp_path / "three-quarters")
    last, quarter, three = (
        checkpoints.load(tmp_path / run / "weights.pt")["state"] for run in ("last", "quarter", "three-quarters")
    )
    for name, value in last.items():
        if value.is_floating_point():
            moved = (quarter[name] - value) * 3  # w1 - w2 = 4 (quarter - w2), three quarters of it
            assert torch.allclose(three[name] - value, moved, atol=1e-6), name
    assert any(not torch.equal(last[name], quarter[name]) for name in last)


def test_a_folder_takes_one_training_at_a_time(squares, tmp_path):
    with (
        sole_writer(tmp_path / "run"),
        pytest.raises(ConfigError, match=r"another training is running in '.*run'; wait for it or give another --out"),
    ):
        train(config(squares), None, tmp_path / "run")
    assert not (tmp_path / "run" / "log.csv").exists()
    train(config(squares), None, tmp_path / "run")


@pytest.mark.parametrize(("ema", "share"), [(0.0, 0.5), (0.9, 0.5), (0.9, 1.0)])
def test_norms_are_frozen_at_the_statistics_that_are_kept(squares, tmp_path, ema, share):
    for epochs in (1, 2):
        settings = config(squares, epochs=epochs, ema=ema, frozen_norms=share if epochs == 2 else 0.0)
        train(settings, None, tmp_path / f"{epochs}")
    begun, learning, kept = (
        {key: value for key, value in checkpoints.load(tmp_path / path)["state"].items() if "running" in key}
        for path in ("1/weights.pt", "2/last.pt", "2/weights.pt")
    )
    fresh = {key: value for key, value in models.build("cmunext-tiny-hw").state_dict().items() if "running" in key}
    expected = fresh if share == 1 else begun
    assert learning.keys() == expected.keys() and learning
    for key, value in expected.items():
        assert torch.equal(learning[key], value), key
        assert torch.allclose(kept[key], value, rtol=1e-5, atol=1e-7), key
    assert config(squares, epochs=3, frozen_norms=0.1).first_frozen_epoch == 2
    with pytest.raises(ConfigError, match=r"--frozen-norms is a share of the epochs, 0 to 1, got 1.5"):
        config(squares, frozen_norms=1.5)


@pytest.mark.parametrize(
    ("more", "follows"), [([], "their scores say nothing of others"), (["--all-images"], "each epoch sees them twice")]
)
def test_images_in_both_lists_are_told(squares, tmp_path, capsys, more, follows):
    shutil.copytree(squares, tmp_path / "data")
    (tmp_path / "data" / "val.txt").write_text("1\n20\n")
    command = ["train", "--model", "cmunext-tiny-hw", "--data", str(tmp_path / "data"), "--size", "32", "--epochs", "1"]
    assert main([*command, *more, "--out", str(tmp_path / "run")]) == 0
    assert (
        f"note: 1 of the 2 images of `val` of '{tmp_path / 'data'}' are in `train`, too: {follows}"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(("quant", "all_images"), [(None, False), (None, True), ("w4a4", True)])
@pytest.mark.parametrize("cut_off", ["last.pt", "weights.pt"])
def test_a_full_disk_at_either_file_of_the_last_epoch_is_mended_by_the_same_command(
    squares, tmp_path, monkeypatch, quant, all_images, cut_off
):
    settings = config(squares, epochs=1, ema=0.5, all_images=all_images)
    quant = QuantConfig.read(quant) if quant else None
    scores = train(settings, quant, tmp_path / "whole")
    save = checkpoints.save

    def disk_is_full(path, checkpoint):
        if path.name == cut_off:
            raise OSError(28, "No space left on device")
        save(path, checkpoint)

    out = tmp_path / "broken"
    monkeypatch.setattr(checkpoints, "save", disk_is_full)
    with pytest.raises(OSError, match="No space"):
        train(settings, quant, out)
    monkeypatch.setattr(checkpoints, "save", save)
    assert train(settings, quant, out, resume=(out / "last.pt").exists()) == scores
    whole, broken = (checkpoints.load(tmp_path / run / "weights.pt") for run in ("whole", "broken"))
    assert states_equal(whole.pop("state"), broken.pop("state"))
    assert [whole[key] for key in ("epoch", "scores", "run", "lr")] == [
        broken[key] for key in ("epoch", "scores", "run", "lr")
    ]
    (out / "weights.pt").write_bytes(b"half")
    assert train(settings, quant, out, resume=True) == scores
    assert states_equal(
        checkpoints.load(tmp_path / "whole" / "weights.pt")["state"], checkpoints.load(out / "weights.pt")["state"]
    )


def test_a_stage_whose_beginning_was_made_anew_goes_on(squares, tmp_path, capsys):
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    stages = "".join(f'[[stages]]\nname = "{name}"\n{more}' for name, more in (("a", ""), ("b", 'teacher = "a"\n')))
    recipe.write_text(f'model = "cmunext-tiny-hw"\nsize = 32\nepochs = 1\nema = 0.5\n{stages}')
    command = ["train", "--recipe", str(recipe), "--data", str(squares), "--out", str(out)]
    assert main(command) == 0
    kept = (out / "a" / "weights.pt").read_bytes()
    (out / "a" / "weights.pt").unlink()
    assert main(command) == 0, capsys.readouterr().err
    state = checkpoints.load(out / "b" / "last.pt")
    digest = int.from_bytes(hashlib.blake2b(kept, digest_size=8).digest(), signed=True)
    state["run"]["contents"] = {"init_from": digest, "teacher": digest}  # of the file, as it was recorded once
    checkpoints.save(out / "b" / "last.pt", state)
    (out / "a" / "weights.pt").write_bytes(kept)
    assert main(command) == 0, capsys.readouterr().err


def test_weights_without_the_file_to_go_on_from_say_so(squares, tmp_path):
    settings, out = config(squares, epochs=1), tmp_path / "run"
    train(settings, None, out)
    (out / "last.pt").unlink()
    for resume in (False, True):
        with pytest.raises(ConfigError, match=r"without the last.pt to go on from; .* or delete its weights.pt"):
            train(settings, None, out, resume=resume)
    (out / "weights.pt").unlink()
    train(settings, None, out)
    (out / "last.pt").write_bytes(b"half")
    with pytest.raises(CheckpointError, match=r"is truncated .*; to begin this training again, delete '.*run'"):
        train(settings, None, out, resume=True)


def test_resume_tells_what_is_damaged_and_needs_no_log(squares, tmp_path):
    """The weights are what a training continues from; its log is for readers."""
    settings, out = config(squares, epochs=2, ema=0.5), tmp_path / "run"
    train(settings, None, out)
    kept = checkpoints.load(out / "weights.pt")["state"]
    last, log = out / "last.pt", out / "log.csv"
    whole = checkpoints.load(last)
    (tmp_path / "begun").mkdir()
    for folder in ("begun", "missing"):
        with pytest.raises(CheckpointError, match=r"no epoch of this training was finished; begin without --resume"):
            train(settings, None, tmp_path / folder, resume=True)
    for damage, where in (
        ({"epoch": "x"}, "'epoch'"),
        ({"epoch": 7}, "'epoch'"),
        ({"epoch": 0, "optimiser": None}, "what the optimiser and the averages were"),
        ({"epoch": 0, "averaged": {}}, "what the optimiser and the averages were"),
    ):
        checkpoints.save(last, whole | damage)
        with pytest.raises(CheckpointError, match=f"is damaged in {where}"):
            train(settings, None, out, resume=True)
    for damage in (b"\xff\x00,", b"epoch,\xff\x00\n" * 3, b""):
        shutil.rmtree(out, ignore_errors=True)
        train(config(squares, epochs=2, ema=0.5), None, out)
        checkpoints.save(last, {**checkpoints.load(last), "epoch": 0})
        log.write_bytes(damage + log.read_bytes())
        train(settings, None, out, resume=True)
        assert log.read_text(encoding="utf-8").splitlines()[-1].startswith("1,"), "the second epoch was trained again"
    assert not states_equal(kept, checkpoints.load(out / "weights.pt")["state"]), "twice the second epoch"


def test_one_image_left_over_where_bn_needs_two_is_refused_before_the_first_step(squares, tmp_path):
    settings = config(squares, model="unext-s", epochs=1, batch=2)
    samples = load_samples(squares, "train", (32, 32))
    with pytest.raises(ConfigError, match=r"levels of one pixel at 32x32.* 3 images in batches of 2 .*another --batch"):
        fit(settings, None, tmp_path / "run", samples[range(3)])
    assert not (tmp_path / "run" / "log.csv").exists()
    fit(settings, None, tmp_path / "even", samples[range(4)])
    fit(config(squares, epochs=1, batch=2), None, tmp_path / "wide", samples[range(3)])


def test_resume_with_other_settings_and_other_networks_is_refused(squares, checkpoint, tmp_path):
    train(config(squares, epochs=1), None, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"was trained with epochs=1, not 2; resume with the same settings"):
        train(config(squares, epochs=2), None, tmp_path / "run", resume=True)
    with pytest.raises(CheckpointError, match=r"was trained with quant=None, not w4a4; resume with the same settings"):
        train(config(squares, epochs=1), QuantConfig.read("w4a4"), tmp_path / "run", resume=True)
    with pytest.raises(
        CheckpointError,
        match="the checkpoint is quantized; give --quant or `quant`, too, or",
    ):
        train(config(squares), None, tmp_path / "other", init_from=checkpoint)
    with pytest.raises(CheckpointError, match=r"holds 'cmunext-tiny-hw', not 'unet3'"):
        train(config(squares, model="unet3"), None, tmp_path / "other", init_from=tmp_path / "run" / "weights.pt")


def test_resume_on_other_images_or_from_other_weights_of_the_same_name_is_refused(squares, tmp_path):
    data, began = shutil.copytree(squares, tmp_path / "data"), tmp_path / "began" / "weights.pt"
    train(config(data, epochs=1), None, began.parent)
    with pytest.raises(
        ConfigError, match=r"began' holds a training already; give --resume to go on with it, or another"
    ):
        train(config(data, epochs=1), None, began.parent)
    for link in ("init_from", "teacher"):
        run = (config(data, epochs=1, ema=0.5), None, tmp_path / link)
        train(*run, **{link: began})
        train(*run, **{link: began}, resume=True)
        other = checkpoints.load(began)
        name = next(iter(other["state"]))
        checkpoints.save(began, {**other, "state": {**other["state"], name: other["state"][name] + 1}})
        with pytest.raises(
            CheckpointError, match=f"with another network as {link} than '.*began/weights.pt' is now; resume with"
        ):
            train(*run, **{link: began}, resume=True)
    image = data / "images" / f"{(data / 'train.txt').read_text().split()[0]}.png"
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    with pytest.raises(
        CheckpointError, match=r"was trained on other images than 'data' now holds; resume with the same"
    ):
        train(config(data, epochs=1), None, began.parent, resume=True)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, r"--epochs must be 1 to 2147483647, got 0"),
        ({"lr": "find"}, "write find_lr = true"),
        ({"classes": 257}, "--classes must be 1 to 256, got 257"),
        ({"calibration": "val"}, r"unknown calibration 'val'; known: calib_data, train"),
        ({"precision": "float16"}, r"unknown precision 'float16'; known: float32, bfloat16"),
        ({"augmentation": "mild"}, r"unknown augmentation 'mild'; known: flips, strong"),
        ({"copy_paste": 1.5}, r"--copy-paste is a probability of 0 to 1, got 1.5"),
        (
            {"copy_paste": 0.5, "classes": 3},
            r"--copy-paste pastes lesions of one class, the masks have 3 classes",
        ),
        ({"copy_paste": 0.5, "batch": 1}, "pastes lesions of other images of a batch; give --batch 2 or more"),
        ({"damp": 0.1, "epochs": 1}, "rises from 0 in the first epoch to W in the last; give --epochs 2 or more"),
        ({"sampling": "hard"}, r"unknown sampling 'hard'; known: uniform, balanced"),
        ({"ema": 1.0}, r"--ema must be at least 0 and below 1, got 1.0"),
        ({"ranges": "guessed"}, r"unknown ranges 'guessed'; known: calibrated, learned"),
        ({"distill": -0.5}, r"--distill must be 0 to 1e\+06, got -0.5"),
        ({"lr": -1.0}, r"--lr must be above 0 and at most 1e\+06, got -1.0"),
        ({"lr": float("nan")}, r"--lr must be above 0 and at most 1e\+06, got nan"),
        ({"weight_decay": 1e300}, r"--weight-decay must be 0 to 1e\+06, got 1e\+300"),
        ({"lr": "fast"}, r"--lr must be a number, got 'fast'; correct it"),
        ({"batch": 2.5}, r"--batch must be a whole number, got 2.5"),
        ({"epochs": True}, r"--epochs must be a whole number, got True"),
        ({"schedule": ["cosine"]}, r"--schedule must be text, got \['cosine'\]"),
        ({"normal_cases": 1}, r"--normal-cases must be true or false, got 1"),
        ({"seed": -1}, r"--seed must be 0 to 4294967295, got -1"),
        ({"size": 2**31}, r"--size must be 1 to 2147483647, got 2147483648"),
        ({"schedule": "step"}, r"unknown schedule 'step'; known: constant, cosine"),
    ],
)
def test_bad_settings_are_refused(squares, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        config(squares, **changes)


def test_missing_truncated_and_foreign_checkpoints_get_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match=r"'.*none\.pt' does not exist"):
        checkpoints.load(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match=r"is a folder; give the file, of a training run its weights\.pt"):
        checkpoints.load(tmp_path)
    checkpoints.save(tmp_path / "good.pt", {"model": "x", "state": {"w": torch.zeros(1000)}})
    (tmp_path / "cut.pt").write_bytes((tmp_path / "good.pt").read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"'.*cut\.pt' is truncated or not a checkpoint"):
        checkpoints.load(tmp_path / "cut.pt")
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"is not an edgeseg checkpoint of format 1"):
        checkpoints.load(tmp_path / "foreign.pt")


def test_command_line_ends_with_one_line_on_stderr(squares, tmp_path, capsys, monkeypatch):
    command = ["train", "--data", str(squares), "--out", str(tmp_path / "run"), "--size", "32", "--model"]
    assert main([*command, "resnet"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown network 'resnet'; known networks: ")

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "train_epoch", interrupt)
    assert main([*command, "cmunext-tiny-hw"]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_training_that_diverges_stops_in_that_epoch(squares, tmp_path, capsys, monkeypatch):
    out, train_epoch = tmp_path / "run", Learner.train_epoch

    def diverging(learner, samples, epoch, on_batch):
        return train_epoch(learner, samples, epoch, on_batch) if epoch == 0 else float("nan")

    monkeypatch.setattr(Learner, "train_epoch", diverging)
    command = ["train", "--data", str(squares), "--out", str(out), "--size", "32", "--model", "cmunext-tiny-hw"]
    monkeypatch.setattr("quant.base.device.has_bfloat16", lambda _device: True)
    assert main([*command, "--epochs", "3", "--precision", "bfloat16"]) == 2
    error = capsys.readouterr().err
    assert error.endswith("error: the loss of epoch 2 is nan: give a lower --lr than 0.001, or --precision float32\n")
    assert checkpoints.load(out / "weights.pt")["epoch"] == 0
    assert [line.split(",")[0] for line in (out / "log.csv").read_text().split()] == ["epoch", "0"]


def test_a_processor_without_bfloat16_computes_in_float32_and_says_so(squares, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    note.cache_clear()
    kept = []
    for precision in ("bfloat16", "float32"):
        out = tmp_path / precision
        command = ["train", "--data", str(squares), "--out", str(out), "--size", "32", "--model", "cmunext-tiny-hw"]
        assert main([*command, "--epochs", "1", "--precision", precision]) == 0
        told = capsys.readouterr().err
        assert ("note: this processor has no convolutions of bfloat16" in told) == (precision == "bfloat16")
        kept.append(checkpoints.load(out / "weights.pt")["state"])
    assert all(torch.equal(value, kept[1][key]) for key, value in kept[0].items())


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_foreground_is_refused_before_training(squares, tmp_path, capsys, split):
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(squares, data)
    for name in (data / f"{split}.txt").read_text().split():
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(data / "masks" / f"{name}.png")
    command = ["train", "--data", str(data), "--out", str(out), "--size", "32", "--model", "cmunext-tiny-hw"]
    for classes in ([], ["--classes", "3"]):
        if classes:  # masks of 0 and 255 are no class indices
            for path in (data / "masks").iterdir():
                Image.fromarray(np.asarray(Image.open(path)) // 255).save(path)
        assert main([*command, *classes]) == 2
        error = capsys.readouterr().err
        count = {"train": 16, "val": 8}[split]
        assert error.startswith(
            f"error: none of the {count} masks of split '{split}' of '{data}' has any foreground; give"
        )
        assert error.count("\n") == 1 and not out.exists()
    assert main([*command, "--classes", "3", "--epochs", "1", "--all-images"]) == 0, "the other list has some"
    for path in (data / "masks").iterdir():
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    assert main([*command, "--all-images"]) == 2
    assert "error: none of the 24 masks of split 'train and val' of" in capsys.readouterr().err


def test_masks_of_zero_and_one_train_the_same_network(squares, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(squares, data)
    for path in (data / "masks").iterdir():
        Image.fromarray(np.asarray(Image.open(path)) // 255).save(path)
    found = [train(config(folder, epochs=1), None, tmp_path / folder.name / "run") for folder in (squares, data)]
    assert found[0] == found[1]


def test_masks_of_class_indices_are_refused_without_classes(squares, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(squares, data)
    labels = np.zeros((32, 32), np.uint8)
    labels[4:12, 4:12], labels[16:28, 16:28] = 1, 2
    Image.fromarray(labels).save(data / "masks" / "3.png")
    command = ["train", "--data", str(data), "--out", str(tmp_path / "run"), "--size", "32"]
    assert main([*command, "--model", "cmunext-tiny-hw"]) == 2
    assert f"error: mask '{data / 'masks' / '3.png'}' holds the values 0, 1, 2, which" in capsys.readouterr().err


def test_a_rate_that_is_found_lowers_the_loss(squares, tmp_path, capsys):
    """Of w4a4 as of float networks; the loss of an epoch in the log is the mean over its batches."""
    quant = [["--quant", "w4a4"], []]
    for kind in quant:
        command = ["train", "--model", "cmunext-tiny-hw", "--data", str(squares), "--size", "32", "--epochs", "6"]
        command += ["--batch", "4", *kind]
        losses = {}
        for rate in ("find", FIRST):
            out = tmp_path / f"{len(kind)}-{rate}"
            assert main([*command, "--lr", str(rate), "--out", str(out)]) == 0
            with (out / "log.csv").open() as file:
                losses[rate] = float(list(csv.DictReader(file))[-1]["loss"])
        kept = checkpoints.load(tmp_path / f"{len(kind)}-find" / "weights.pt")
        assert 100 * FIRST < kept["lr"] <= LAST and f"learning rate {kept['lr']:.3g}" in capsys.readouterr().err
        assert losses["find"] < losses[FIRST] - 0.02
    last = tmp_path / "0-find" / "last.pt"
    checkpoints.save(last, {**checkpoints.load(last), "lr": None})
    assert main([*command, "--lr", "find", "--resume", "--out", str(last.parent)]) == 2
    assert "is damaged in 'lr', the rate that was found" in capsys.readouterr().err


def test_the_search_for_a_rate_changes_nothing_and_says_where_there_is_none(squares, monkeypatch):
    samples, network = load_samples(squares, "train", (32, 32)), assemble("cmunext-tiny-hw", None)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    monkeypatch.setattr(finding, "STEPS", 12)
    rate = find_rate(network, config(squares, batch=64), samples, torch.device("cpu"))
    assert 0 < rate <= LAST and states_equal(before, network.state_dict())
    with torch.no_grad():
        network.stem[0].weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="no learning rate makes the loss fall; give --lr a number"):
        find_rate(network, config(squares), samples, torch.device("cpu"))


def test_an_image_alone_has_no_other_to_paste_from(squares, tmp_path):
    samples = load_samples(squares, "train", (32, 32))[[0]]
    with pytest.raises(ConfigError, match="there is one image to train on; leave it out"):
        training.fit(config(squares, copy_paste=0.5), None, tmp_path / "run", samples)


def test_teachers_of_other_classes_and_of_other_sizes_are_refused(squares, tmp_path):
    for name, classes in (("cmunext-xxs-hw", 1), ("cmunext-tiny-hw", 3), ("cmunext-tiny-hw", 2)):
        network, path = assemble(name, None, classes), tmp_path / f"{name}-{classes}.pt"
        checkpoints.save(
            path,
            {"model": name, "quant": None, "size": [32, 32], "classes": classes, "state": network.state_dict()},
        )
    run = config(squares, epochs=1, size=20)
    with pytest.raises(
        CheckpointError, match=r"teacher '.*3.pt' has 3 logits per pixel, the network 1; give a teacher"
    ):
        train(run, None, tmp_path / "run", teacher=tmp_path / "cmunext-tiny-hw-3.pt")
    with pytest.raises(ConfigError, match=r"teacher '.*pt': network 'cmunext-xxs-hw' does not accept images of 20x20"):
        train(run, None, tmp_path / "run", teacher=tmp_path / "cmunext-xxs-hw-1.pt")
    train(run, None, tmp_path / "run", teacher=tmp_path / "cmunext-tiny-hw-2.pt")  # a softmax of two is a logistic
