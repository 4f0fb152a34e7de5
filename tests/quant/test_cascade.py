"""The cascade of a recipe: crops in training, two exports joined, their masks against torch's floats, and refusals."""

import hashlib
import json

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, special

import calib_data
from board.intensity import Window
from board.volume_spec import VolumeSpec
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError, DataError, ExportError
from quant.data.crops import crops, load_seen
from quant.data.pairs import Samples, load_samples
from quant.evaluation.cascade import evaluate_cascade, join, reference
from quant.export.export import qonnx_model
from quant.integer.parse import load_program
from quant.training.crossval import Plan
from quant.training.recipe import follow, read_cascade_table, read_recipe
from quant.training.train_config import TrainConfig
from quant.twin.networks import from_checkpoint

SIZE, CROP = (32, 48), (16, 24)  # of `checkpoint` in conftest.py
RECIPE = """
model = "cmunext-tiny-hw"
epochs = 1

[cascade]
first = "coarse"
second = "fine"
crop = [16, 24]
jitter = 2
least_pixels = 4

[[stages]]
name = "coarse"
size = 16

[[stages]]
name = "fine"
size = 32
"""


def write(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text)
    return str(path)


def test_stages_behind_the_first_see_crops(tmp_path):
    path = write(tmp_path, RECIPE)
    coarse, fine = read_recipe(path)
    assert "crop_height" not in coarse.settings
    assert TrainConfig(**fine.settings, data="anywhere").crop == (16, 24) and fine.settings["jitter"] == 2
    table, reduction = read_cascade_table(path)
    assert (reduction, table.weight, table.threshold, table.least_pixels) == (2, 0.5, 0.6, 4)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('first = "coarse"', "", r"\[cascade\]: key 'first' is missing; add it"),
        ('first = "coarse"', 'first = "none"', "names stage 'none', which does not exist"),
        (
            'first = "coarse"\nsecond = "fine"',
            'first = "fine"\nsecond = "coarse"',
            "needs 'coarse' after 'fine'; swap",
        ),
        ("crop = [16, 24]", "crop = [16]", r"crop is \[height, width\] in pixels, got \[16\]"),
        ("crop = [16, 24]", "crop = 16", "crop must be a list, got 16"),
        ("jitter = 2", "jitter = -1", "jitter must be at least 0, got -1"),
        ("jitter = 2", "weight = 1.5", "weight of stage 1 must be at least 0 and below 1, got 1.5"),
        ("jitter = 2", "speed = 1", "unknown key 'speed'; known: first, second"),
        ("size = 16", "size = 0", "stage 'coarse': size must be a whole number above 0, got 0"),
        ("size = 32", 'size = "32"', "stage 'fine': size must be a whole number above 0, got '32'"),
        ("size = 32", "size = 40", "size 40 of 'fine' is not a whole number of times the size 16 of 'coarse'"),
    ],
)
def test_a_table_without_sense_is_one_sentence(tmp_path, old, new, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(write(tmp_path, RECIPE.replace(old, new)))


def test_a_recipe_without_the_table_joins_nothing(tmp_path):
    with pytest.raises(ConfigError, match=r"has no table \[cascade\]"):
        read_cascade_table(write(tmp_path, RECIPE.partition("[cascade]")[0] + '[[stages]]\nname = "alone"'))
    with pytest.raises(ConfigError, match="stage 'fine' sees crops of a cascade"):
        Plan(stages=read_recipe(write(tmp_path, RECIPE)), settings={"data": "anywhere"}, out=tmp_path)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"crop_height": 16}, "height and width of 1 to --size 32, got 16 and 0"),
        ({"crop_height": 48, "crop_width": 16}, "got 48 and 16"),
        ({"jitter": 2}, "jitter moves a crop by 0 pixels or more, got 2; give it with a crop"),
    ],
)
def test_crops_without_sense_are_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        TrainConfig(model="cmunext-tiny-hw", data="anywhere", size=32, **settings)


def test_crops_stand_around_the_truth_and_jitter_moves_them():
    masks = torch.zeros((3, 1, 40, 40), dtype=torch.bool)
    masks[0, 0, 18:23, 10:15] = True
    masks[1, 0, 0, 39] = True
    where = torch.arange(40 * 40).reshape(1, 1, 40, 40).expand(3, -1, -1, -1)
    samples = Samples(("a", "b", "c"), where, masks)
    still = crops(samples, (16, 8))
    rows, columns = still.codes[:, 0, 0, 0] // 40, still.codes[:, 0, 0, 0] % 40
    assert rows.tolist() == [20 - 8, 0, 20 - 8] and columns.tolist() == [12 - 4, 40 - 8, 20 - 4]
    assert ndimage.center_of_mass(still.masks[0, 0].numpy()) == (8, 4)
    moved = [crops(samples, (16, 8), 3, torch.Generator().manual_seed(seed)).codes[0, 0, 0, 0] for seed in range(40)]
    away = {(int(at) // 40 - 12, int(at) % 40 - 8) for at in moved}
    assert len(away) > 20 and {step for pair in away for step in pair} == set(range(-3, 4))


def test_a_recipe_trains_both_stages_and_scores_the_second_on_crops(tmp_path, squares):
    follow(read_recipe(write(tmp_path, RECIPE)), tmp_path, {"data": str(squares)})
    kept = checkpoints.load(tmp_path / "fine" / "weights.pt")
    assert kept["size"] == [16, 24] and checkpoints.load(tmp_path / "coarse" / "weights.pt")["size"] == [16, 16]
    seen, whole = load_seen(kept, squares, "val"), load_samples(squares, "val", (32, 32))
    assert seen.codes.shape[2:] == (16, 24)
    assert seen.masks.float().mean() > whole.masks.float().mean()


def write_export(checkpoint, folder, size):
    """What a cascade reads of an export, without its proofs."""
    folder.mkdir()
    path = folder / "model.qonnx"
    qonnx_model(from_checkpoint(checkpoints.load(checkpoint)), path, size)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = {"output": {"logit_scale": load_program(path).logit_scale}, "model_sha256": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    np.savez(folder / "golden.npz", model_sha256=np.array(digest))


@pytest.fixture(scope="module")
def joined(checkpoint, tmp_path_factory):
    """A cascade of one network at two sizes; nothing is learned, so stage 1 finds what it finds."""
    folder = tmp_path_factory.mktemp("joined")
    for name, size in (("whole", SIZE), ("small", CROP)):
        write_export(checkpoint, folder / name, size)
    recipe = write(folder, RECIPE.replace("size = 16", "size = 32").replace("least_pixels = 4", ""))
    arguments = ["--first", str(folder / "whole"), "--second", str(folder / "small"), "--out", str(folder / "cascade")]
    assert main(["cascade", "--recipe", recipe, *arguments]) == 0
    return folder / "cascade"


@pytest.mark.slow
def test_masks_are_those_of_the_float_networks(joined, checkpoint):
    twin, cascade = from_checkpoint(checkpoints.load(checkpoint)), reference(joined)

    def probability(image):
        with torch.no_grad():
            return special.expit(
                twin(torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 256)[0, 0].double().numpy()
            )

    crops_seen = 0
    for name in calib_data.names()[:6]:
        image = calib_data.load(name, SIZE, 3).codes
        found, first = cascade.segment(image), probability(image)
        if not (first > 0.5).any():
            assert found.crop is None and not found.mask.any()
            continue
        centre = ndimage.center_of_mass(first > 0.5)
        assert all(abs(at.start + side // 2 - c) <= 0.5 or at.start in (0, whole - side)
                   for at, side, c, whole in zip(found.crop, CROP, centre, SIZE, strict=True))  # fmt: skip
        fused = 0.5 * first[found.crop] + 0.5 * probability(image[found.crop])
        clear = np.abs(fused - 0.6) > 1e-6
        np.testing.assert_array_equal(found.mask[found.crop][clear], (fused >= 0.6)[clear])
        outside = found.mask.copy()
        outside[found.crop] = False
        assert not outside.any()
        crops_seen += 1
    assert crops_seen


@pytest.mark.slow
def test_both_stages_are_scored(joined, tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for name in calib_data.names()[:3]:
        sample = calib_data.load(name, SIZE, 3)
        Image.fromarray(sample.codes).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(sample.mask.astype(np.uint8) * 255).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "val.txt").write_text("\n".join(calib_data.names()[:3]))
    scores, cascade = evaluate_cascade(joined, tmp_path, "val"), reference(joined)
    samples = load_samples(tmp_path, "val", SIZE)
    overlaps = []
    for codes, mask in zip(samples.codes, samples.masks[:, 0].numpy(), strict=True):
        found = cascade.segment(codes.permute(1, 2, 0).numpy()).mask
        union = (found | mask).sum()
        overlaps.append((found & mask).sum() / union if union else 1.0)
    assert scores["cascade"]["iou"] == pytest.approx(np.mean(overlaps), abs=1e-6)
    assert scores["images"] == 3 and "iou" in scores["first"]
    for classes, told in ((3, "--classes is for labels of volumes"), (0, "--classes must be")):
        with pytest.raises(ConfigError, match=told):
            evaluate_cascade(joined, tmp_path, "val", classes)


@pytest.mark.slow
def test_exports_that_do_not_fit_are_one_sentence(joined, tmp_path, capsys):
    first, second = joined / "first", joined / "second"
    fusion = {"weight": 0.5, "threshold": 0.6}
    with pytest.raises(DataError, match="is for images of 16x24, the recipe's crop is 8x8; export the second"):
        join((first, second), tmp_path, **fusion, crop=(8, 8))
    with pytest.raises(DataError, match="crop of 32x48 is larger than the image of 16x24"):
        join((second, first), tmp_path, **fusion, crop=SIZE)
    with pytest.raises(ExportError, match="is missing or not a manifest"):
        join((tmp_path, second), tmp_path, **fusion, crop=CROP)
    join((first, second), tmp_path / "again", **fusion, crop=CROP)
    spec = json.loads((tmp_path / "again" / "cascade.json").read_text())
    assert spec["networks"] == [
        json.loads((one / "manifest.json").read_text())["model_sha256"] for one in (first, second)
    ]
    spec["networks"].reverse()
    (tmp_path / "again" / "cascade.json").write_text(json.dumps(spec))
    assert main(["evaluate-cascade", "--cascade", str(tmp_path / "again"), "--data", str(tmp_path)]) == 2
    assert "is not the export that" in capsys.readouterr().err


@pytest.fixture
def joined_for_volumes(checkpoint, tmp_path):
    for name, size in (("whole", SIZE), ("small", CROP)):
        write_export(checkpoint, tmp_path / name, size)
    volume = VolumeSpec(Window("fixed", 0.0, 255.0), 3, "RAS", [1.0, 1.0, 2.0])
    exports = (tmp_path / "whole", tmp_path / "small")
    join(exports, tmp_path / "cascade", weight=0.5, threshold=0.5, volume=volume, crop=CROP)
    return tmp_path / "cascade"


def write_volumes(folder, affine=(1, 1, 2, 1)):
    """Two volumes (X, Y, Z) of real images as slices, with two classes of labels, as NIfTI."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    samples = [calib_data.load(name, (28, 40), 1) for name in calib_data.names()[:6]]
    for name, chosen in (("a", samples[:3]), ("b", samples[3:])):
        voxels = np.stack([sample.codes[..., 0].T for sample in chosen], axis=-1)
        labels = np.stack([sample.mask.T for sample in chosen], axis=-1).astype(np.uint8)
        labels[:20] *= 2
        for kind, array in (("images", voxels), ("masks", labels)):
            nibabel.Nifti1Image(array, np.diag(affine)).to_filename(folder / kind / f"{name}.nii.gz")
    (folder / "val.txt").write_text("a\nb")
    return folder


@pytest.mark.slow
def test_a_cascade_for_scans_is_scored_by_volume(joined_for_volumes, tmp_path, capsys):
    data, cascade = write_volumes(tmp_path / "data"), reference(joined_for_volumes)
    command = ["evaluate-cascade", "--cascade", str(joined_for_volumes), "--data", str(data), "--classes", "3"]
    assert main([*command, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    dice = {"first": [], "cascade": []}
    for name in "ab":
        codes, truth = (
            np.asarray(nibabel.load(data / kind / f"{name}.nii.gz").dataobj) for kind in ("images", "masks")
        )
        logits = cascade.first_logits([cascade.slices(codes).frame(index) for index in range(3)])
        inside = logits[:, 2:30, 4:44].transpose(2, 1, 0)  # (32 - 28) / 2, (48 - 40) / 2
        for key, mask in (("first", inside > 0), ("cascade", cascade.segment_volume(codes).mask)):
            total = mask.sum() + (truth > 0).sum()
            dice[key].append(2 * (mask & (truth > 0)).sum() / total)
    assert scores["unit"] == "mm" and scores["without_a_find"] == 0
    for key, found in dice.items():
        assert scores[key]["volumes"] == 2 and scores[key]["dice"] == pytest.approx(np.mean(found))
    assert dice["first"] != dice["cascade"] and np.mean(dice["first"]) > 0
    assert main([*command[:4], str(write_volumes(tmp_path / "other", (1, 1, 3, 1))), "--classes", "3"]) == 2
    assert "has voxels of 1 x 1 x 3 mm, the networks were trained on 1 x 1 x 2 mm" in capsys.readouterr().err
