"""Cross-validation through the command: no fold sees what it reports, a killed run ends as an unbroken one."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from PIL import Image

from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.digests import digest_of
from quant.base.errors import ConfigError
from quant.base.seen_images import Seen
from quant.data.image_classes import classes_by_name
from quant.evaluation.evaluate import evaluate_checkpoint
from quant.evaluation.predict import predict_masks
from quant.scores.metrics import score_masks
from quant.training import crossval
from quant.training import train as training
from quant.training.crossval_report import markdown, write_report
from quant.training.recipe import Stage
from quant.training.soup import soup
from quant.training.train import train
from quant.training.train_config import TrainConfig
from quant.twin.networks import assemble, from_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SEED = 17
KINDS = ("benign", "malignant")
SETTINGS = ("--model", "cmunext-tiny-hw", "--size", "32", "--batch", "2", "--lr", "1e-2", "--ema", "0.5")


@pytest.fixture(scope="module")
def tumours(tmp_path_factory):
    """24 images, 16 benign and 8 malignant, 8 of them in val; one is there twice, once in train and once in val."""
    folder = tmp_path_factory.mktemp("tumours")
    rng = np.random.default_rng(SEED)
    names = [f"{KINDS[index % 3 == 0]} ({index})" for index in range(24)]
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for name in names:
        mask = np.zeros((32, 32), np.uint8)
        side = rng.integers(22, 30)  # most of the image, so that a network of few steps finds some of it
        top, left = rng.integers(0, 32 - side, 2)
        mask[top : top + side, left : left + side] = 255
        image = np.clip(mask * 0.6 + rng.normal(40, 10, mask.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    shutil.copy(folder / "images" / f"{names[1]}.png", folder / "images" / f"{names[21]}.png")
    (folder / "train.txt").write_text("\n".join(names[:16]))
    (folder / "val.txt").write_text("\n".join(names[16:]))
    return folder


def command(data, out, *more):
    return ["crossval", *SETTINGS, "--data", str(data), "--out", str(out), *map(str, more)]


def refusal(capsys, *arguments):
    assert main(list(map(str, arguments))) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.fixture(scope="module")
def finished(tumours, tmp_path_factory):
    """Two folds of four epochs, the names and pixels that each was trained on, and where they lie."""
    out = tmp_path_factory.mktemp("finished")
    trained_on = {}

    def note(config, quant, out_dir, samples, *rest, fit=crossval.fit, **named):
        trained_on[out_dir.parent.name] = samples
        assert not rest, "no fold is given samples to score while it trains"
        return fit(config, quant, out_dir, samples, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crossval, "fit", note)
        assert main(command(tumours, out, "--folds", 2, "--epochs", 4)) == 0
    return out, trained_on


def images_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [row["name"] for row in csv.DictReader(file)]


def test_a_network_of_a_fold_tells_what_it_saw_and_begins_no_training_that_scores_it(finished, tumours, tmp_path):
    """Also under another name of the folder, by the networks that begin with it, and by their soups."""
    path = finished[0] / "fold-0" / "network" / "weights.pt"
    learned = set((finished[0] / "fold-0" / "train.txt").read_text().splitlines())
    seen = len(learned.intersection((tumours / "val.txt").read_text().splitlines()))
    assert 0 < seen < 8
    renamed = shutil.copytree(tumours, tmp_path / "renamed")
    assert evaluate_checkpoint(path, renamed, "val")["seen_in_training"] == seen
    assert evaluate_checkpoint(path, renamed, "train")["seen_in_training"] == len(learned) - seen

    others = tmp_path / "others"
    shutil.copytree(tumours, others)
    for image in (others / "images").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    settings = {"model": "cmunext-tiny-hw", "size": 32, "epochs": 1, "batch": 8}
    train(TrainConfig(data=str(others), **settings), None, tmp_path / "second", init_from=path)
    second = tmp_path / "second" / "weights.pt"
    assert evaluate_checkpoint(second, renamed, "val")["seen_in_training"] == seen
    assert evaluate_checkpoint(second, others, "val")["seen_in_training"] == 1, "the one that is in both lists"
    checkpoints.save(tmp_path / "soup.pt", soup([path, second]))
    for link, beginning in (("init_from", path), ("teacher", second), ("init_from", tmp_path / "soup.pt")):
        with pytest.raises(ConfigError, match=r"was trained on \d of the \d images of 'renamed' that are to be scored"):
            train(TrainConfig(data=str(renamed), **settings), None, tmp_path / "no", **{link: beginning})
    assert not (tmp_path / "no").exists()


def test_no_image_that_a_fold_reports_is_in_its_training(finished, tumours):
    out, trained_on = finished
    everything = {name for split in ("train", "val") for name in (tumours / f"{split}.txt").read_text().splitlines()}
    reported_once = []
    assert trained_on.keys() == {f"fold-{fold}" for fold in range(2)}
    for fold, samples in trained_on.items():
        reported = images_of(out / fold / "network" / "reported.csv")
        assert set(samples.names).isdisjoint(reported) and set(samples.names) | set(reported) == everything
        assert (out / fold / "train.txt").read_text().splitlines() == list(samples.names)
        assert (out / fold / "reported.txt").read_text().splitlines() == reported
        pixels = {samples.codes[index].numpy().tobytes() for index in range(len(samples))}
        for name in reported:
            image = np.asarray(Image.open(tumours / "images" / f"{name}.png"))
            assert np.repeat(image[None], 3, 0).tobytes() not in pixels, "under whatever name"
        of_training = np.asarray(Image.open(tumours / "images" / f"{samples.names[0]}.png"))
        assert np.repeat(of_training[None], 3, 0).tobytes() in pixels
        of_class = Counter(classes_by_name(reported).classes)
        assert abs(of_class["benign"] - 8) <= 1 and abs(of_class["malignant"] - 4) <= 1
        reported_once += reported
    assert sorted(reported_once) == sorted(everything)


def test_the_report_is_what_the_kept_weights_predict(finished, tumours):
    out, trained_on = finished
    found = json.loads((out / "network.json").read_text())
    iou = {}
    for fold in trained_on:
        kept = checkpoints.load(out / fold / "network" / "weights.pt")
        assert (kept["epoch"], kept["scores"]) == (3, None)
        averaged = checkpoints.load(out / fold / "network" / "last.pt")["averaged"]["state"]
        assert all(torch.equal(value, averaged[name]) for name, value in kept["state"].items())
        network = from_checkpoint(kept)
        for name in images_of(out / fold / "network" / "reported.csv"):
            image, mask = (np.asarray(Image.open(tumours / kind / f"{name}.png")) for kind in ("images", "masks"))
            codes = torch.from_numpy(np.repeat(image[None, None], 3, 1))
            iou[name] = score_masks(predict_masks(network, codes, 1), mask[None] > 0)["iou"]
    assert len(iou) == 24 and len(set(iou.values())) > 1
    everything = found["parts"]["all"]
    assert everything["iou"] == pytest.approx(np.mean(list(iou.values())))
    for kind in KINDS:
        part = found["parts"][f"class {kind}"]
        assert part["iou"] == pytest.approx(np.mean([value for name, value in iou.items() if name.startswith(kind)]))
    of_folds = [np.mean([iou[name] for name in images_of(out / f / "network" / "reported.csv")]) for f in trained_on]
    assert found["iou_of_folds"] == pytest.approx(of_folds)
    assert found["standard_error"] == pytest.approx(np.std(of_folds, ddof=1) / 2**0.5)
    assert everything["iou_interval"][0] < everything["iou"] < everything["iou_interval"][1]
    table = (out / "network.md").read_text()
    assert f"| all | 24 | {everything['iou']:.4f} |" in table and "| class malignant | 8 |" in table
    assert Image.open(out / "network.png").format == "PNG"


def test_parts_without_a_lesion_and_names_of_classes_do_not_break_the_table(finished):
    found = json.loads((finished[0] / "network.json").read_text())
    found["parts"]["class a|b"] = {**found["parts"]["all"], "missed": None}
    last = markdown(found).splitlines()[-1]
    assert last.startswith("| class a\\|b | 24 | ") and last.endswith(" |  |") and last.count(" | ") == 7


def test_of_the_first_folds_alone_images_are_reported(tumours, tmp_path):
    settings = {"model": "cmunext-tiny-hw", "size": 32, "batch": 8, "epochs": 1, "data": str(tumours)}
    stages = (Stage(name="network", quant=None),)
    plan = crossval.Plan(stages=stages, settings=settings, out=tmp_path, folds=3, first_folds=2)
    crossval.prepare(plan)
    for fold in plan.folds_to_train():
        assert not plan.is_finished()
        crossval.run_fold([plan], fold, quiet=True)
    assert plan.is_finished() and not (tmp_path / "fold-2").exists()
    reported = crossval.collect(plan)
    with (tmp_path / "folds.csv").open(newline="", encoding="utf-8") as file:
        first = [row["name"] for row in csv.DictReader(file) if row["fold"] in ("0", "1")]
    assert list(reported.names) == first and 12 < len(first) < 20
    found = write_report(plan, reported)
    assert (found["folds"], found["first_folds"], len(found["iou_of_folds"])) == (3, 2, 2)
    assert found["parts"]["all"]["images"] == len(first)
    text = (tmp_path / "network-first-2-folds.md").read_text()
    assert "by the one of the first 2 of 3 folds" in text and not (tmp_path / "network.md").exists()
    with pytest.raises(ConfigError, match="first_folds is 4; give 2 to 3, the number of folds"):
        replace(plan, first_folds=4)


def test_a_finished_one_is_not_trained_again_and_other_settings_are_refused(finished, tumours, capsys):
    out, _ = finished
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    assert len(written) == 4
    assert main(command(tumours, out, "--folds", 2, "--epochs", 4)) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == written
    capsys.readouterr()
    assert "was trained with epochs=4, not 5" in refusal(capsys, *command(tumours, out, "--folds", 2, "--epochs", 5))
    assert "folds.csv' holds other folds, or its images or masks were others; give the same data" in refusal(
        capsys, *command(tumours, out, "--folds", 2, "--epochs", 4, "--fold-seed", 2)
    )
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == written


def test_a_call_that_continues_refuses_changed_images_and_masks(finished, tumours, capsys, tmp_path):
    out, data = shutil.copytree(finished[0], tmp_path / "out"), shutil.copytree(tumours, tmp_path / tumours.name)
    for kind in ("masks", "images"):
        path = data / kind / "benign (1).png"
        before = path.read_bytes()
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        assert "holds other folds, or its images or masks were others; give the same data" in refusal(
            capsys, *command(data, out, "--folds", 2, "--epochs", 4)
        )
        path.write_bytes(before)
    table = out / "folds.csv"
    whole = table.read_text()
    table.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in whole.splitlines()))  # of an earlier version
    arguments = command(data, out, "--folds", 2, "--epochs", 4)
    assert "did not record what the images and masks are; if they are still those" in refusal(capsys, *arguments)
    table.write_bytes(b"\xff\xfe")
    assert "holds other folds" in refusal(capsys, *arguments)
    table.unlink()
    assert main(command(data, out, "--folds", 2, "--epochs", 4)) == 0


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.6, 0.99, "end of a row"])
def test_a_fold_reports_again_once_its_damaged_file_is_deleted(finished, tumours, capsys, tmp_path, kept):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    path = out / "fold-1" / "network" / "reported.csv"
    whole = path.read_text()
    path.write_text(whole[: whole.index("\n", 200) + 1 if isinstance(kept, str) else int(kept * len(whole))])
    arguments = command(tumours, out, "--folds", 2, "--epochs", 4)
    error = refusal(capsys, *arguments)
    assert error.endswith(f"'{path}' is cut off or damaged; delete it, and the same command reports its fold again\n")
    path.unlink()
    assert main(arguments) == 0
    assert path.read_text() == whole
    assert (out / "network.json").read_text() == (finished[0] / "network.json").read_text()


@pytest.mark.parametrize("counts", ["0,0,0,0", "1,0,0,0", "-1,0,0,1025", f"{'9' * 23},0,0,0", f"1{'0' * 18},0,0,0"])
def test_counts_that_cannot_be_are_not_believed(finished, tumours, capsys, tmp_path, counts):
    out = tmp_path / "out"
    shutil.copytree(finished[0], out)
    path = out / "fold-1" / "network" / "reported.csv"
    head, *rows = path.read_text().splitlines()
    assert sum(map(int, rows[0].split(",")[2:])) == 1024
    changed = [",".join([*row.split(",")[:2], counts]) for row in rows]
    path.write_text("\n".join([head, *changed]) + "\n")
    error = refusal(capsys, *command(tumours, out, "--folds", 2, "--epochs", 4))
    assert error.endswith(f"'{path}' is cut off or damaged; delete it, and the same command reports its fold again\n")


def test_a_stage_with_the_name_of_a_list_of_the_fold_is_refused(tumours, capsys, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('model = "cmunext-tiny-hw"\n[[stages]]\nname = "train.txt"\n')
    told = refusal(capsys, "crossval", "--recipe", str(recipe), "--data", str(tumours), "--out", str(tmp_path / "out"))
    assert "stage 'train.txt' has the name of a fold's list of images; rename it" in told


@pytest.mark.slow
def test_a_run_killed_in_an_epoch_ends_with_the_weights_of_the_unbroken_one(finished, tumours, tmp_path):
    arguments = command(tumours, tmp_path, "--folds", 2, "--epochs", 4)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([sys.executable, "-m", "quant", *arguments], cwd=ROOT, env=environment)
    while not (tmp_path / "fold-1" / "network" / "last.pt").is_file() and run.poll() is None:
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it was not over yet"
    assert not (tmp_path / "network.json").exists()
    assert main(arguments) == 0
    unbroken, _ = finished
    for fold in range(2):
        for name in ("weights.pt", "last.pt"):
            whole, killed = (
                checkpoints.load(out / f"fold-{fold}" / "network" / name)["state"] for out in (unbroken, tmp_path)
            )
            assert all(torch.equal(whole[key], killed[key]) for key in whole), (fold, name)
        with (tmp_path / f"fold-{fold}" / "network" / "log.csv").open() as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == list("0123")
    assert (tmp_path / "network.json").read_text() == (unbroken / "network.json").read_text()


def test_it_is_interrupted_with_one_line_and_stops_when_its_minutes_are_over(tumours, tmp_path, capsys, monkeypatch):
    arguments = command(tumours, tmp_path, "--folds", 2, "--epochs", 3)
    assert main([*arguments, "--minutes", "1e-9"]) == 3
    assert capsys.readouterr().err == (
        "the time allowed by --minutes is over; the same command continues where this one stopped\n"
    )
    assert not list(tmp_path.rglob("*.pt"))
    append_log = training._append_log

    def interrupt(path, epoch, *rest):
        append_log(path, epoch, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "_append_log", interrupt)
    assert main(arguments) == 130
    assert "interrupted; the same command continues" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.slow
def test_folds_in_processes_give_the_files_of_folds_one_after_the_other(finished, tumours, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(command(tumours, tmp_path, "--folds", 2, "--epochs", 4, "--jobs", 2)) == 0
    assert (tmp_path / "network.json").read_text() == (finished[0] / "network.json").read_text()


def test_bad_input_is_one_sentence_before_any_training(tumours, tmp_path, capsys):
    out = tmp_path / "out"
    assert "--folds must be at least 2, got 1" in refusal(capsys, *command(tumours, out, "--folds", 1))
    for seed in (-1, 5000000000):
        assert f"--fold-seed must be 0 to 4294967295, got {seed}" in refusal(
            capsys, *command(tumours, out, "--fold-seed", seed)
        )
    assert "class 'malignant' has 8 groups, fewer than --folds 9; give fewer folds, or join classes by" in refusal(
        capsys, *command(tumours, out, "--folds", 9)
    )
    assert "--jobs must be at least 1, got 0" in refusal(capsys, *command(tumours, out, "--jobs", 0))
    assert "--minutes must be above 0, got 0.0" in refusal(capsys, *command(tumours, out, "--minutes", 0))
    assert "no Dask scheduler answers at 'nowhere'" in refusal(capsys, *command(tumours, out, "--scheduler", "nowhere"))
    assert "stage 'network' fits its ranges to the shipped images, which a fold may report; set" in refusal(
        capsys, *command(tumours, out, "--quant", "w4a4", "--calibration", "calib_data")
    )
    recipe = tmp_path / "seen.toml"
    network, run = assemble("cmunext-tiny-hw", None), {"data": tumours.name}
    trained.write_checkpoint(tmp_path / "seen.pt", "cmunext-tiny-hw", (32, 32), network, None, run=run)
    recipe.write_text("model = 'cmunext-tiny-hw'\n[[stages]]\nname = 'a'\ninit_from = 'seen.pt'\n")
    assert (
        "seen.pt' was trained on images of '" + tumours.name + "', and every one of them is reported by a"
        in refusal(capsys, "crossval", "--data", tumours, "--out", out, "--recipe", recipe)
    )
    copy = shutil.copytree(tumours, tmp_path / "copy")
    seen = Seen(frozenset([digest_of(tumours / "images" / "malignant (0).png")])).as_record()
    trained.write_checkpoint(tmp_path / "seen.pt", "cmunext-tiny-hw", (32, 32), network, None, seen=seen)
    assert (
        "seen.pt' was trained on 1 of the 24 images of 'copy' that are to be scored as not seen; start from"
        in refusal(capsys, "crossval", "--data", copy, "--out", out, "--recipe", recipe)
    )
    recipe = tmp_path / "all.toml"
    recipe.write_text("model = 'cmunext-tiny-hw'\nall_images = true\n[[stages]]\nname = 'a'\n")
    assert "stage 'a' sets all_images, and a fold reports images that its training must not see" in refusal(
        capsys, "crossval", "--data", tumours, "--out", out, "--recipe", recipe
    )
    assert "nothing to train; give --model or --recipe" in refusal(capsys, "crossval", "--data", tumours, "--out", out)
    assert not list(out.rglob("*.pt"))


def test_classes_and_groups_of_a_csv_file(tumours, tmp_path, capsys):
    table = tmp_path / "classes.csv"
    for text, sentence in (
        ("name,kind\n", "has no column 'class', only name, kind; its header is name,class or name,class,group"),
        ("", "has no column 'name', only none"),
        ("name,class\nbenign (1),a\n", "gives no class for image 'malignant (0)'; add a row for it"),
        ("name,class\nmalignant (0).PNG,a\n", "; write the names without suffix, not 'malignant (0).PNG'"),
        ("name,class\nbenign (1),a\nbenign (1),b\n", "has rows of image 'benign (1)' that differ; leave one of them"),
    ):
        table.write_text(text)
        assert sentence in refusal(capsys, *command(tumours, tmp_path / "out", "--image-classes", table))
    assert "cannot be read as CSV" in refusal(
        capsys, *command(tumours, tmp_path / "out", "--image-classes", tmp_path / "none.csv")
    )
