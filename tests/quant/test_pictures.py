"""Overlays, contact sheets and curves: what is drawn is what was predicted."""

import numpy as np
import pytest
from PIL import Image

import calib_data
from quant.__main__ import main
from quant.base.errors import DataError
from quant.evaluation.pictures import (
    PREDICTION_COLOUR,
    TRUTH_COLOUR,
    choose_cases,
    overlay,
    read_log,
    training_curves,
)
from quant.scores.metrics import count_pixels, score_counts
from quant.scores.surface import surface


def test_contours_are_drawn_and_the_rest_of_the_image_stays():
    codes = np.full((16, 16, 3), 7, np.uint8)
    prediction, truth = np.zeros((2, 16, 16), bool)
    prediction[2:8, 2:8], truth[4:12, 4:12] = True, True
    picture = overlay(codes, prediction, truth)
    rim = surface(prediction)
    assert (picture[rim] == PREDICTION_COLOUR).all()
    assert (picture[surface(truth) & ~rim] == TRUTH_COLOUR).all()
    assert (picture[~rim & ~surface(truth)] == 7).all()


def test_cases_are_ordered_by_iou_and_none_is_shown_twice():
    rng = np.random.default_rng(2)
    masks = rng.random((11, 12, 12)) < 0.5
    predictions = masks ^ (rng.random((11, 12, 12)) < np.linspace(0, 0.9, 11)[:, None, None])
    iou = score_counts(count_pixels(predictions, masks))["iou"]
    rows = choose_cases(predictions, masks, each=3)
    chosen = [index for row in rows.values() for index, _ in row]
    assert len(chosen) == len(set(chosen)) == 9
    assert chosen[0] == iou.argmax() and chosen[-1] == iou.argmin()
    assert all(value == iou[index] for row in rows.values() for index, value in row)
    alone = choose_cases(predictions[:1], masks[:1], each=3)
    assert list(alone.values()) == [[(0, float(iou[0]))]] * 3


def test_predict_writes_overlay_and_mask_of_an_image_of_another_size(checkpoint, tmp_path, capsys):
    name = calib_data.names()[0]
    image, masks = calib_data.FOLDER / "images" / f"{name}.png", calib_data.FOLDER / "masks"
    arguments = ["predict", str(image), "--checkpoint", str(checkpoint), "--masks", str(masks)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "IoU 0." in capsys.readouterr().out
    mask = np.asarray(Image.open(tmp_path / "out" / f"{name}_mask.png")) > 0
    picture = np.asarray(Image.open(tmp_path / "out" / f"{name}_overlay.png"))
    assert mask.shape == (32, 48) and (picture[surface(mask)] == PREDICTION_COLOUR).all()
    assert not list(tmp_path.rglob("*.partial*"))
    assert main(["predict", str(image), *arguments[1:], "--out", str(tmp_path / "out")]) == 2
    assert "two images have the same name" in capsys.readouterr().err
    assert main(["predict", "scan.nii.gz", "--checkpoint", "none.pt", "--out", str(tmp_path)]) == 2
    assert "'scan.nii.gz' is a scan; label it by `python -m quant predict-scan`" in capsys.readouterr().err


def test_contact_sheet_and_curves_are_pngs(checkpoint, tmp_path):
    log = "epoch,loss,iou_pooled8,iou\n0,0.9,0.2,0.3\n1,0.7,0.4,0.5\n"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text(log)
    arguments = ["--checkpoint", str(checkpoint), "--data", str(calib_data.FOLDER), "--split", "calib"]
    assert main(["pictures", *arguments, "--runs", str(tmp_path / "run"), "--out", str(tmp_path), "--each", "2"]) == 0
    for name in ("cases.png", "curves.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 100
    assert read_log(tmp_path / "run")["iou"] == [0.3, 0.5]


def test_logs_that_are_missing_empty_or_no_logs_are_named(tmp_path):
    with pytest.raises(DataError, match=r"log\.csv' cannot be read; give the --out folder"):
        training_curves(tmp_path / "curves.png", [tmp_path / "nowhere"])
    (tmp_path / "log.csv").write_text("epoch,loss,iou_pooled8,iou\n")
    with pytest.raises(DataError, match="holds no epoch"):
        training_curves(tmp_path / "curves.png", [tmp_path])
    (tmp_path / "log.csv").write_text("a,b\nx,y\n")
    with pytest.raises(DataError, match="is not the log of a training run"):
        training_curves(tmp_path / "curves.png", [tmp_path])
