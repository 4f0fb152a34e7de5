"""Several classes, from index masks to integers: training, scores, export and the integer reference agree."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score
from torch.nn import functional

from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, DataError
from quant.data.layouts import Pair
from quant.data.pairs import load_samples, read_pair
from quant.evaluation.evaluate import evaluate_checkpoint, evaluate_integer
from quant.evaluation.pictures import contour
from quant.evaluation.predict import decide, predict_masks
from quant.export.export import export
from quant.integer import IntegerReference
from quant.scores.masks import score
from quant.training.loss import segmentation_loss
from quant.training.train import train
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import from_checkpoint

SEED, CLASSES = 13, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Dark ground 0, bright squares 1, grey squares 2; masks are index images."""
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(SEED)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for index in range(20):
        labels = np.zeros((32, 32), np.uint8)
        for k, left in ((1, 1), (2, 17)):
            top, side = rng.integers(2, 18), rng.integers(9, 13)
            labels[top : top + side, left : left + side] = k
        grey = np.array([30, 220, 120])[labels] + rng.normal(0, 8, labels.shape)
        Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(folder / "images" / f"{index}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{index}.png")
    (folder / "train.txt").write_text("\n".join(map(str, range(12))))
    (folder / "val.txt").write_text("\n".join(map(str, range(12, 20))))
    return folder


def config(folder, **changes):
    values = {"model": "cmunext-tiny-hw", "data": str(folder), "size": 32, "batch": 2, "classes": CLASSES}
    return TrainConfig(**{**values, "epochs": 12, "lr": 1e-2, "schedule": "cosine", **changes})


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """Float, then w4a4 from its weights."""
    out = tmp_path_factory.mktemp("runs")
    train(config(folder), None, out / "float")
    train(
        config(folder, epochs=3, lr=1e-3), QuantConfig.read("w4a4"), out / "qat", init_from=out / "float" / "weights.pt"
    )
    return out


def test_three_classes_are_learned_and_exported_exactly(folder, runs, tmp_path):
    scores = evaluate_checkpoint(runs / "float" / "weights.pt", folder, "val")
    assert scores["iou_class1"] > 0.6 and scores["iou_class2"] > 0.6
    checkpoint = runs / "qat" / "weights.pt"
    manifest = export(checkpoint, tmp_path / "export", images=1)
    assert manifest["output"]["classes"] == CLASSES
    assert manifest["output"]["mask"] == "index of the largest logit, the first of equals"
    assert manifest["verification"]["logits_compared"] == 32 * 32 * CLASSES
    samples = load_samples(folder, "val", (32, 32), classes=CLASSES)
    twin = from_checkpoint(checkpoints.load(checkpoint))
    integers = IntegerReference(tmp_path / "export").run(samples.codes.permute(0, 2, 3, 1).contiguous().numpy())
    assert integers.shape == (8, 32, 32, CLASSES)
    assert np.array_equal(decide(integers), predict_masks(twin, samples.codes, 4))
    in_torch, in_integers = (
        evaluate_checkpoint(checkpoint, folder, "val"),
        evaluate_integer(tmp_path / "export", folder, "val"),
    )
    assert {**in_torch, "arithmetic": ""} == {**in_integers, "arithmetic": ""}


def test_scores_are_those_of_each_class_against_the_rest():
    rng = np.random.default_rng(SEED)
    truth, predictions = rng.integers(0, 4, (2, 5, 16, 16), dtype=np.uint8)
    found = score(predictions, truth, 4, surfaces=True)
    outside = [
        jaccard_score(t.ravel(), p.ravel(), labels=[1, 2, 3], average=None)
        for t, p in zip(truth, predictions, strict=True)
    ]
    for k, expected in enumerate(np.mean(outside, axis=0), start=1):
        assert found[f"iou_class{k}"] == pytest.approx(expected)
    assert found["iou"] == pytest.approx(np.mean(outside)) and found["images"] == 5 and found["hd95"] > 0


def test_loss_of_classes_is_half_the_cross_entropy_and_dice_without_the_background():
    torch.manual_seed(SEED)
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 1, 4, 4))
    probability = torch.softmax(logits, 1)
    dice = [
        2 * probability[b, k][labels[b, 0] == k].sum() / (probability[b, k].sum() + (labels[b, 0] == k).sum())
        for b in range(2)
        for k in (1, 2)
    ]
    expected = 0.5 * functional.cross_entropy(logits, labels[:, 0]) + 1 - torch.stack(dice).mean()
    assert segmentation_loss(logits, labels.float()).item() == pytest.approx(expected.item(), abs=1e-4)


def test_the_first_of_equal_logits_wins_and_one_logit_is_compared_with_zero():
    logits = np.array([[[[3, 3, 1], [0, 2, 2]]]])  # (1, 1, 2, 3)
    assert decide(logits).tolist() == [[[0, 1]]] and decide(logits).dtype == np.uint8
    assert decide(logits[..., :1]).tolist() == [[[True, False]]]


def test_contours_of_classes_that_touch_run_between_them():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:5, 1:4], labels[1:5, 4:7] = 1, 2
    assert contour(labels)[2].tolist() == [False, True, False, True, True, False, True, False]
    assert not contour(np.zeros((4, 4), np.uint8)).any()


def test_masks_that_hold_no_class_indices_and_checkpoints_of_other_classes_are_refused(folder, runs, tmp_path):
    with pytest.raises(DataError, match=r"holds index 2, but classes are 0 to 1; give as many"):
        load_samples(folder, "val", (32, 32), classes=2)
    colour = tmp_path / "colour.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(colour)
    with pytest.raises(DataError, match=r"has Pillow mode RGB; class indices are a grey \(L\) or palette \(P\) image"):
        read_pair(Pair("colour", colour, (colour,)), None, 3)
    with pytest.raises(CheckpointError, match=r"weights\.pt' has 3 logits per pixel, not 4; give --classes to match"):
        train(config(folder, classes=4), None, tmp_path / "x", init_from=runs / "float" / "weights.pt")
