"""io_spec.json: sizes and words of a frame, and each refusal."""

import json

import numpy as np
import pytest

from board.cli import main
from board.io_spec import IoSpec, IoSpecError, read_io_spec


@pytest.fixture
def spec():
    return IoSpec("tiny", 0x0123456789ABCDEF, 16, 32, 3)


def test_reads_back_and_describes(spec, tmp_path, capsys):
    path = tmp_path / "io_spec.json"
    path.write_text(spec.text())
    assert vars(read_io_spec(path)) == vars(spec)
    assert main(["describe", str(path)]) == 0
    assert "16 x 32 x 3 codes, 1536 bytes" in capsys.readouterr().out


def test_words_of_frames(spec):
    logits = np.random.default_rng(5).integers(-(2**20), 2**20, (3, 16, 32, 1), dtype=np.int32)
    assert np.array_equal(spec.logits(logits.reshape(-1).view(np.uint32)), logits)
    masks = logits[..., 0] > 0
    words = np.array([sum(int(bit) << i for i, bit in enumerate(row)) for row in masks.reshape(-1, 32)], np.uint32)
    assert words.size == 3 * spec.mask_words and np.array_equal(spec.masks(words), masks)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"height": 0}, "height must be a positive integer, got 0"),
        ({"width": 3}, "16 x 3 pixels do not fill words of 32 bits"),
        ({"version": 1}, "is not of version 2; build again"),
        ({"depth": 2}, "is not of version 2; build again"),
        ({"network_hash": 7}, "network_hash is not a hexadecimal number"),
        ({"network_hash": "0x1" + 16 * "0"}, "network_hash must be a number of 64 bits"),
    ],
)
def test_wrong_file(spec, tmp_path, capsys, change, sentence):
    path = tmp_path / "io_spec.json"
    path.write_text(json.dumps({**json.loads(spec.text()), **change}))
    assert main(["describe", str(path)]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_missing_and_broken_file(tmp_path):
    with pytest.raises(IoSpecError, match=r"io_spec '.*' cannot be read \(No such file or directory\)"):
        read_io_spec(tmp_path / "none.json")
    (tmp_path / "io_spec.json").write_text("{")
    with pytest.raises(IoSpecError, match="is not JSON"):
        read_io_spec(tmp_path / "io_spec.json")
