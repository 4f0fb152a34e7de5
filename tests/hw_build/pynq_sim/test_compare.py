"""Mask files of the simulated board against golden logits: exact, or the file is named."""

import numpy as np
import pytest
from PIL import Image

from hw_build.implement.pynq_sim.compare import main


@pytest.fixture
def files(tmp_path):
    """(golden file, folder of masks) with one right mask."""
    logits = np.random.default_rng(2).integers(-5, 6, (2, 8, 8, 1), dtype=np.int32)
    np.savez(tmp_path / "golden.npz", logits=logits, names=np.array(["a", "b"]))
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(np.where(logits[1, ..., 0] > 0, 255, 0).astype(np.uint8)).save(masks / "b_mask.png")
    return tmp_path / "golden.npz", masks


def run(files):
    return main([str(path) for path in files])


def test_right_mask_is_exact(files, capsys):
    assert run(files) == 0
    assert capsys.readouterr().out == "exact    mask of b: 64 pixels as golden\n"


def test_one_wrong_pixel(files, capsys):
    path = files[1] / "b_mask.png"
    mask = np.array(Image.open(path))
    mask[3, 4] = 255 - mask[3, 4]
    Image.fromarray(mask).save(path)
    assert run(files) == 2
    assert "differs from the golden mask of b" in capsys.readouterr().err


def test_unknown_and_missing_masks(files, capsys):
    (files[1] / "b_mask.png").rename(files[1] / "c_mask.png")
    assert run(files) == 2
    assert "is not of a golden image; they are: a, b" in capsys.readouterr().err
    (files[1] / "c_mask.png").unlink()
    assert run(files) == 2
    assert "no *_mask.png in" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_golden_file_that_cannot_be_read(files, capsys, content):
    if content is None:
        files[0].unlink()
    else:
        files[0].write_bytes(content)
    assert run(files) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: golden file '{files[0]}' is missing or corrupt")


def test_mask_file_that_is_no_image(files, capsys):
    (files[1] / "b_mask.png").write_bytes(b"no picture")
    assert run(files) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "b_mask.png' is none of PNG" in line
