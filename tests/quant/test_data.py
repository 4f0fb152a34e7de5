"""Reading data sets: layouts, merged masks, resizing, and one sentence for each thing that can be wrong."""

import numpy as np
import pytest
import torch
from PIL import Image

from quant.base.errors import DataError
from quant.data.pairs import load_samples, read_codes, to_input


def save(path, array, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array, mode=mode).save(path)


@pytest.fixture
def folder(tmp_path):
    for index, name in enumerate(("benign (1)", "benign (2)", "malignant (1)")):
        save(tmp_path / "images" / f"{name}.png", np.full((20, 30), 50 * index, np.uint8))
        mask = np.zeros((20, 30), np.uint8)
        mask[:10] = 255
        save(tmp_path / "masks" / f"{name}.png", mask)
    (tmp_path / "train.txt").write_text("malignant (1)\nbenign (1)\n")
    (tmp_path / "val.txt").write_text("benign (2)\n")
    return tmp_path


def test_list_order_is_kept_and_images_are_resized_to_three_channels(folder):
    samples = load_samples(folder, "train", (16, 32))
    assert samples.names == ("malignant (1)", "benign (1)")
    assert samples.codes.shape == (2, 3, 16, 32) and samples.codes.dtype == torch.uint8
    assert samples.codes[0].unique().tolist() == [100]
    assert samples.masks[0, 0, :8].all() and not samples.masks[0, 0, 8:].any()


def test_masks_of_which_nothing_is_left_at_a_size_are_told(folder, capsys):
    mask = np.zeros((20, 30), np.uint8)
    mask[0, 0] = 255
    save(folder / "masks" / "benign (1).png", mask)
    assert not load_samples(folder, "train", (4, 4)).masks[1].any()
    told = "note: nothing is left of the masks of 1 of the 2 images of split 'train', such as 'benign (1)', at 4x4: "
    assert capsys.readouterr().err.startswith(told)
    assert load_samples(folder, "train", (20, 30)).masks[1].sum() == 1
    assert capsys.readouterr().err == ""


def test_a_class_of_which_nothing_is_left_is_told(folder, capsys):
    mask = np.ones((20, 30), np.uint8)
    mask[0, 0] = 2
    for name in ("benign (1)", "malignant (1)"):
        save(folder / "masks" / f"{name}.png", mask)
        mask[0, 0] = 1
    assert load_samples(folder, "train", (4, 4), classes=3).masks.unique().tolist() == [1]
    assert "nothing is left of a class in the masks of 1 of the 2 images of split 'train'" in capsys.readouterr().err


def test_input_is_code_over_256():
    assert to_input(torch.tensor([0, 1, 255], dtype=torch.uint8)).tolist() == [0, 1 / 256, 255 / 256]


def test_images_that_are_not_eight_bit_or_not_images_are_refused(tmp_path):
    save(tmp_path / "deep.png", np.arange(64, dtype=np.uint16).reshape(8, 8))
    with pytest.raises(DataError, match=r"'.*deep\.png' is not 8-bit \(Pillow mode I;16"):
        read_codes(tmp_path / "deep.png", None)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"'.*text\.png' is none of PNG, JPEG"):
        read_codes(tmp_path / "text.png", None)
    with pytest.raises(DataError, match=r"'.*gone\.png' does not exist"):
        read_codes(tmp_path / "gone.png", None)
