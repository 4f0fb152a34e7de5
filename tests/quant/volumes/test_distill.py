"""A 3D teacher and 2.5D students: what it says of slices, that a student follows it, what is kept, and refusals."""

import json
import shutil

import files
import nibabel
import numpy as np
import pytest
import torch
from torch.nn import functional

from board.intensity import Window
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, DataError
from quant.data.augment import augmented_batches
from quant.data.pairs import Samples, load_samples
from quant.export.export import export
from quant.integer import IntegerReference
from quant.training.loss import distillation_loss, soft_target_loss
from quant.training.train import train
from quant.training.train_config import TrainConfig
from quant.volumes import soft_targets as module
from quant.volumes.evaluate import evaluate_volumes, load_network
from quant.volumes.predict import decide, predict_logits
from quant.volumes.scans import load_scans
from quant.volumes.slab_images import write_slabs
from quant.volumes.soft_targets import soft_targets
from quant.volumes.train import train_volumes
from quant.volumes.train_config import VolumeTrainConfig

SIZE = 32  # of frames: slices are 18x16


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return files.write_set(
        tmp_path_factory.mktemp("balls"), list("abcd"), classes=3, lists={"train": ["a", "b", "c"], "val": ["d"]}
    )


@pytest.fixture(scope="module")
def teacher(volumes, tmp_path_factory):
    config = VolumeTrainConfig(
        model="nnunet-tiny", data=str(volumes), classes=3, patch=(16, 16, 12), epochs=1, steps=1, foreground_share=1.0
    )
    return train_volumes(config, tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def slabs(volumes, tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "slabs"
    write_slabs(volumes, out, window=Window(), classes=3, size=(SIZE, SIZE))
    return out


def settings_of(slabs, **changes):
    settings = {"model": "cmunext-tiny-hw", "data": str(slabs), "size": SIZE, "classes": 3, "epochs": 4, "batch": 6}
    return TrainConfig(**{**settings, "lr": 2e-2, **changes})


@pytest.fixture(scope="module")
def alone(slabs, tmp_path_factory):
    """A float student without a teacher."""
    out = tmp_path_factory.mktemp("alone")
    train(settings_of(slabs), None, out)
    return out / "weights.pt"


def samples_of(slabs, split="train", size=SIZE):
    return load_samples(slabs, split, (size, size), classes=3)


def changed(teacher, folder, **changes):
    """A copy of the checkpoint; ``volumes`` is merged."""
    content = checkpoints.load(teacher, of_volumes=True)
    content["volumes"] = {**content["volumes"], **changes.pop("volumes", {})}
    checkpoints.save(folder / "changed.pt", {**content, **changes})
    return folder / "changed.pt"


def test_soft_targets_are_what_the_teacher_says_of_the_files(volumes, teacher, slabs, tmp_path):
    samples = samples_of(slabs)
    soft = soft_targets(teacher, slabs, samples, classes=3, cache_dir=tmp_path)
    checkpoint, network, window = load_network(teacher)
    at = 0
    for scan in load_scans(volumes, "train", window, 3):
        logits = predict_logits(network, scan.codes, checkpoint["size"])
        expected = functional.softmax(logits, dim=0)[1:].permute(3, 0, 2, 1)  # (2, X, Y, Z) -> (Z, 2, Y, X)
        depth, _, rows, columns = expected.shape
        of_volume = soft[at : at + depth].float()
        inside = of_volume[:, :, 7 : 7 + rows, 8 : 8 + columns]  # (32 - 18) / 2, (32 - 16) / 2
        torch.testing.assert_close(inside, expected, atol=2e-3, rtol=0)
        assert of_volume.sum() == pytest.approx(float(inside.sum())), "around a slice all is background"
        assert len(list(tmp_path.glob(f"{scan.name}-*.npy"))) == 1
        at += depth
    assert at == len(samples) and soft.dtype == torch.float16


def test_the_teacher_is_asked_once_and_goes_on_where_it_was_broken_off(teacher, slabs, tmp_path, monkeypatch):
    samples, asked = samples_of(slabs), []
    settings = {"classes": 3, "cache_dir": tmp_path}
    predict = module.predict_logits

    def counting(network, codes, *rest, **named):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(codes)
        return predict(network, codes, *rest, **named)

    monkeypatch.setattr(module, "predict_logits", counting)
    with pytest.raises(KeyboardInterrupt):
        soft_targets(teacher, slabs, samples, **settings)
    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".npy" and np.load(kept).dtype == np.float16
    asked.extend([None] * 2)  # no interruption any more
    whole = soft_targets(teacher, slabs, samples, **settings)
    assert len(asked) == 3 + 2, "the first volume is not asked for again"
    assert torch.equal(soft_targets(teacher, slabs, samples, **settings), whole) and len(asked) == 5
    kept.write_bytes(kept.read_bytes()[:200])
    assert torch.equal(soft_targets(teacher, slabs, samples, **settings), whole) and len(asked) == 6
    other = changed(teacher, tmp_path, epoch=7)
    soft_targets(other, slabs, samples, **settings)
    assert len(asked) == 9, "another teacher is asked anew"


@pytest.mark.parametrize("classes", [1, 3])
def test_probabilities_give_the_loss_and_gradient_of_the_logits_that_they_come_from(classes):
    torch.manual_seed(3)
    teacher, student = torch.randn(2, classes, 5, 7), torch.randn(2, classes, 5, 7, requires_grad=True)
    soft = torch.sigmoid(teacher) if classes == 1 else functional.softmax(teacher, dim=1)[:, 1:]
    losses = [distillation_loss(student, teacher), soft_target_loss(student, soft)]
    gradients = [torch.autograd.grad(loss, student)[0] for loss in losses]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    assert torch.isfinite(soft_target_loss(student, torch.zeros_like(soft))), "certain of the background"


@pytest.mark.parametrize("augmentation", ["flips", "strong"])
def test_soft_targets_move_as_the_masks_do(augmentation):
    torch.manual_seed(4)
    masks = (torch.rand(6, 1, 24, 24) < 0.3).repeat_interleave(2, 2).repeat_interleave(2, 3)
    codes = torch.randint(0, 256, (6, 3, 48, 48), dtype=torch.uint8)
    soft = torch.cat((masks * 0.75, ~masks * 0.25), dim=1).to(torch.float16)
    names = tuple("abcdef")
    plain, taught = Samples(names, codes, masks), Samples(names, codes, masks, soft)
    drawn = [
        list(augmented_batches(samples, 3, torch.Generator().manual_seed(5), augmentation=augmentation))
        for samples in (plain, taught)
    ]
    moved = 0
    for (codes_a, masks_a), (codes_b, truth) in zip(*drawn, strict=True):
        assert torch.equal(codes_a, codes_b) and torch.equal(masks_a, truth[:, :1] > 0.5)
        assert torch.equal(truth[:, 1:2], masks_a * 0.75)
        background = truth[:, 2:]
        assert not (background[masks_a] > 0).any()
        assert ((background == 0.25) == ~masks_a)[..., 20:28, 20:28].all(), "the middle stays inside"
        moved += int((masks_a != plain.masks[:3]).any())
    assert moved


def test_a_student_follows_a_3d_teacher_that_contradicts_the_masks(volumes, teacher, slabs, alone, tmp_path):
    """The teacher's head is made to know nothing: all classes are alike."""
    content = checkpoints.load(teacher, of_volumes=True)
    weight = content["state"]["heads.0.weight"]
    weight.zero_()
    contrary = changed(teacher, tmp_path, state=content["state"])
    soft = soft_targets(contrary, slabs, samples_of(slabs), classes=3, cache_dir=tmp_path / "t")
    inside = soft[:, :, 7:25, 8:24]
    torch.testing.assert_close(inside, torch.full_like(inside, 1 / 3), atol=1e-3, rtol=0)
    train(settings_of(slabs, distill=50.0), None, tmp_path / "taught", teacher=contrary)
    dice = [evaluate_volumes(path, volumes, "val")["dice"] for path in (tmp_path / "taught" / "weights.pt", alone)]
    assert dice[1] > dice[0] + 0.2
    assert len(list((tmp_path / "taught" / "teacher").glob("*.npy"))) == 3


def test_a_twin_taught_by_a_3d_network_is_scored_by_volume_in_integers(
    volumes, teacher, slabs, alone, tmp_path, capsys
):
    arguments = ["--model", "cmunext-tiny-hw", "--data", str(slabs), "--size", str(SIZE), "--classes", "3"]
    arguments += ["--epochs", "1", "--batch", "6", "--quant", "w4a4", "--calibration", "train", "--distill", "0.1"]
    links = ["--init-from", str(alone), "--teacher", str(teacher), "--out", str(tmp_path / "run")]
    assert main(["train", *arguments, *links]) == 0
    weights = tmp_path / "run" / "weights.pt"
    export(weights, tmp_path / "export", images=1)
    command = ["evaluate-volumes", "--checkpoint", str(weights), "--data", str(volumes), "--json"]
    capsys.readouterr()
    assert main([*command, "--integer", str(tmp_path / "export"), "--masks", str(tmp_path / "masks")]) == 0
    integer = json.loads(capsys.readouterr().out)
    of_floats = evaluate_volumes(weights, volumes, "val", overlap=0.0)
    assert integer == json.loads(json.dumps(of_floats)), "a frame is one window"
    assert integer["dice"] > 0.2
    reference = IntegerReference(tmp_path / "export")
    samples = samples_of(slabs, "val")
    logits = reference.run(samples.codes.permute(0, 2, 3, 1).numpy())
    decided = decide(torch.from_numpy(logits).permute(3, 0, 1, 2)).numpy()
    truth = samples.masks[:, 0].numpy()
    for kind in (1, 2):
        both, total = ((decided == kind) & (truth == kind)).sum(), (decided == kind).sum() + (truth == kind).sum()
        outside = (decided[:, :7] == kind).sum() + (decided[:, 25:] == kind).sum()
        outside += (decided[:, 7:25, :8] == kind).sum() + (decided[:, 7:25, 24:] == kind).sum()
        expected = 2 * both / (total - outside) if total - outside else 1.0
        assert integer["per_volume"]["d"][str(kind)]["dice"] == pytest.approx(expected)
    check_scans(tmp_path, volumes / "images" / "d.nii.gz", capsys)


def check_scans(folder, scan, capsys):
    """The export knows what a scan must be, and takes one to the labels that ``evaluate-volumes`` has written."""
    volume = json.loads((folder / "export" / "manifest.json").read_text())["volume"]
    window = {"kind": "percentile", "low": 1.0, "high": 99.0, "nonzero": False}
    assert volume == {"window": window, "slices": 3, "orientation": "RAS", "spacing_mm": [1.0, 1.5, 2.0]}
    command = ["predict-scan", "--export", str(folder / "export"), "--out", str(folder / "labels.nii.gz")]
    assert main([*command, str(scan)]) == 0
    labels, expected = (nibabel.load(path) for path in (folder / "labels.nii.gz", folder / "masks" / "d.nii.gz"))
    np.testing.assert_array_equal(np.asarray(labels.dataobj), np.asarray(expected.dataobj))
    np.testing.assert_array_equal(labels.affine, nibabel.load(scan).affine)
    assert len(np.unique(np.asarray(labels.dataobj))) > 1
    files.write_nifti(folder / "wide.nii.gz", np.zeros((16, 18, 14), np.int16), np.diag([1, 1.5, 3, 1]))
    assert main([*command, str(folder / "wide.nii.gz")]) == 2
    assert "has voxels of 1 x 1.5 x 3 mm, the networks were trained on 1 x 1.5 x 2 mm" in capsys.readouterr().err
    manifest = json.loads((folder / "export" / "manifest.json").read_text())
    del manifest["volume"]
    for slices, sentence in ((5, "says 5 slices, its network takes 3 channels"), (2, "is damaged in 'volume'")):
        damaged = {**manifest, "volume": {**volume, "slices": slices}}
        (folder / "export" / "manifest.json").write_text(json.dumps(damaged))
        assert main([*command, str(scan)]) == 2
        assert sentence in capsys.readouterr().err
    (folder / "export" / "manifest.json").write_text(json.dumps(manifest))
    assert main([*command, str(scan)]) == 2
    assert "is of a network for images; give image files to `python -m quant predict`" in capsys.readouterr().err


RECIPE = """
model = "cmunext-tiny-hw"
size = 32
classes = 3
epochs = 1
batch = 16
calibration = "train"

[[stages]]
name = "float"

[[stages]]
name = "w4a4"
quant = "w4a4"
teacher = "float"
"""


def test_one_command_cuts_slices_teaches_all_stages_and_scores_them(volumes, teacher, tmp_path, capsys):
    recipe, out = tmp_path / "recipe.toml", tmp_path / "out"
    recipe.write_text(RECIPE)
    command = ["distill", "--teacher", str(teacher), "--data", str(volumes), "--recipe", str(recipe)]
    assert main([*command, "--out", str(out)]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.split(" | ")[0] for line in table[2:]] == ["| teacher", "| float", "| w4a4"]
    scores = json.loads((out / "volumes.json").read_text())
    assert scores["teacher"]["dice"] == evaluate_volumes(teacher, volumes, "val")["dice"]
    larger = tmp_path / "larger.toml"
    larger.write_text(RECIPE.replace("size = 32", "size = 64"))
    assert main([*command[:-1], str(larger), "--out", str(out)]) == 2
    assert "/slabs' was cut for a teacher of another window, or networks of another size" in capsys.readouterr().err
    for stage in ("float", "w4a4"):
        assert checkpoints.load(out / stage / "last.pt")["run"]["teacher"] == "weights.pt"
        assert f"{scores[stage]['class1']['dice']:.4f}" in table[["float", "w4a4"].index(stage) + 3]
    assert len(list((out / "teacher").glob("*.npy"))) == 3, "its logits serve both stages"
    written = {path: path.stat().st_mtime_ns for path in [*out.rglob("*.pt"), *out.rglob("*.png"), *out.rglob("*.npy")]}
    assert main([*command, "--out", str(out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written
    recipe.write_text(RECIPE[: RECIPE.rindex("[[stages]]")].replace('calibration = "train"\n', ""))
    assert main([*command, "--out", str(tmp_path / "alone"), "--alone", "--seed", "2"]) == 0
    run = checkpoints.load(tmp_path / "alone" / "float" / "last.pt")["run"]
    assert (run["teacher"], run["seed"]) == (None, 2)
    assert not (tmp_path / "alone" / "teacher").exists()
    assert main([*command, "--out", str(tmp_path / "less"), "--distill", "0.5"]) == 0, "of the 3D teacher"
    assert checkpoints.load(tmp_path / "less" / "float" / "last.pt")["run"]["distill"] == 0.5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"classes": 2}, "has 2 logits a voxel, the student 3; give --classes to match"),
        (
            {"volumes": {"window": {"kind": "zscore", "low": -4.0, "high": 4.0, "nonzero": False}}},
            "sees intensities by .*'zscore'.*, the slices by .*'percentile'.*; write the slices with its --window",
        ),
        ({"volumes": {"orientation": "LPS"}}, "was trained on LPS, the slices are RAS; turn the volumes"),
        (
            {"volumes": {"spacing_mm": [1.0, 1.0, 1.0]}},
            r"sees voxels of 1 x 1 x 1 mm, the slices have 1 x 1\.5 x 2 mm; resample the volumes",
        ),
        ({"volumes": {"file_spacing_mm": [1.0, 1.0, 2.0]}}, r"sees voxels of 1 x 1 x 2 mm, the slices have 1 x 1\.5"),
    ],
)
def test_a_teacher_of_other_volumes_is_refused(teacher, slabs, tmp_path, monkeypatch, changes, sentence):
    other = changed(teacher, tmp_path, **changes)
    _, network, _ = load_network(teacher)

    def as_read(path):
        content = checkpoints.load(path, of_volumes=True)
        return content, network, Window.from_dict(content["volumes"]["window"])

    monkeypatch.setattr(module, "load_network", as_read)  # a head of two classes would not load
    with pytest.raises(CheckpointError, match=f"teacher '.*' {sentence}"):
        soft_targets(other, slabs, samples_of(slabs), classes=3, cache_dir=tmp_path)


def test_other_mistakes_are_told_in_a_sentence(teacher, slabs, volumes, tmp_path, capsys):
    samples, settings = samples_of(slabs), {"classes": 3, "cache_dir": tmp_path}
    with pytest.raises(ConfigError, match="are 32x32, and a teacher for volumes sees them as they are; give --size 32"):
        soft_targets(teacher, slabs, samples_of(slabs, size=16), **settings)
    with pytest.raises(DataError, match="slice 'a_0003' of .* is not in the list, but a teacher for volumes sees all"):
        soft_targets(teacher, slabs, samples[[0, 1, 2]], **settings)
    (tmp_path / "old").mkdir()
    content = json.loads((slabs / "slabs.json").read_text())
    del content["shapes"]
    (tmp_path / "old" / "slabs.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="does not say the size of volume 'a'; write the folder again"):
        soft_targets(teacher, tmp_path / "old", samples, **settings)
    out = ["--out", str(tmp_path / "run")]
    shutil.copytree(slabs, tmp_path / "flat_data", ignore=shutil.ignore_patterns("slabs.json"))
    on_images = ["train", "--model", "unet3", "--data", str(tmp_path / "flat_data"), "--size", "32", *out]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    named = tmp_path / "named.toml"
    named.write_text(RECIPE.replace('"float"', '"slabs"'))
    mixed = tmp_path / "mixed.toml"
    mixed.write_text(RECIPE + "size = 64\n")
    train(TrainConfig(model="unet3", data=str(slabs), size=16, classes=3, epochs=1), None, tmp_path / "flat")
    distill = ["distill", "--data", str(volumes), *out]
    capsys.readouterr()
    for arguments, told in (
        ([*on_images, "--teacher", str(teacher)], "has no slabs.json, but teacher '"),
        ([*on_images, "--teacher", str(tmp_path / "none.pt")], "none.pt' does not exist; train one with"),
        (
            [*distill, "--recipe", str(recipe), "--teacher", str(tmp_path / "flat" / "weights.pt")],
            "is a network for images; distil from it by `python -m quant train --teacher`",
        ),
        (
            [*distill, "--recipe", str(named), "--teacher", str(teacher)],
            "stage 'slabs' of recipe '" + str(named) + "' has the name of another part of --out; rename it",
        ),
        (
            [*distill, "--recipe", str(mixed), "--teacher", str(teacher)],
            "see images of different sizes, channels, classes or crops",
        ),
        (
            [*distill, "--recipe", str(recipe), "--teacher", str(teacher), "--alone", "--distill", "0.5"],
            "--distill has no effect with --alone; leave out one of them",
        ),
    ):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and told in line
    assert not (tmp_path / "run" / "slabs").exists()


@pytest.mark.parametrize("channels", [1, 4])
def test_a_network_of_other_channels_than_the_slices_have_is_refused(teacher, slabs, tmp_path, capsys, channels):
    for more in ([], ["--teacher", str(teacher)]):
        command = ["train", "--model", "cmunext-tiny-hw", "--classes", "3", "--channels", str(channels), "--size", "32"]
        assert main([*command, *more, "--data", str(slabs), "--out", str(tmp_path / "run")]) == 2
        told = f"are 3 with their neighbours, the network takes {channels} channels; give --channels 3, or cut others"
        assert told in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_a_stage_whose_slices_do_not_fit_the_teacher_is_refused_before_the_first(teacher, slabs, tmp_path, capsys):
    other = changed(teacher, tmp_path, volumes={"orientation": "LPS"})
    command = ["train", "--recipe", str(tmp_path / "recipe.toml"), "--data", str(slabs), "--out", str(tmp_path / "run")]
    for path, more, told in (
        (teacher, "size = 64\n", "are 32x32, and a teacher for volumes sees them as they are; give --size 32"),
        (other, "", "was trained on LPS, the slices are RAS; turn the volumes"),
    ):
        shutil.copy(path, tmp_path / "teacher.pt")
        (tmp_path / "recipe.toml").write_text(RECIPE.replace('teacher = "float"', 'teacher = "teacher.pt"') + more)
        assert main(command) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "run" / "float").exists()
