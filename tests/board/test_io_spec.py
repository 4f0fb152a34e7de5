"""io_spec.json: sizes and words of a frame, and each refusal."""

import json

import numpy as np
import pytest

from board.cli import main
from board.intensity import Window
from board.io_spec import IoSpec, IoSpecError, decide, read_io_spec
from board.volume_spec import VolumeSpec

WHOLE = VolumeSpec(Window(), 3, "RAS", None).as_dict()


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


@pytest.mark.parametrize("shape", [(33, 47, 3, 1), (5, 7, 2, 4), (1, 1, 16, 256), (8, 8, 1, 3), (3, 3, 12, 2)])
def test_frames_are_whole_beats_whatever_their_size(shape):
    spec, rng = IoSpec("tiny", 0, *shape), np.random.default_rng(7)
    sizes = (spec.input_bytes, 4 * spec.logit_words, 4 * spec.mask_words)
    assert all(size % 8 == 0 for size in sizes) and spec.input_bytes % spec.channels == 0
    codes = rng.integers(0, 256, spec.shape, dtype=np.uint8)
    frame = np.full(spec.input_bytes, 0xA5, np.uint8)
    spec.place(codes, frame)
    assert frame[: codes.size].tolist() == codes.reshape(-1).tolist() and not frame[codes.size :].any()
    logits = rng.integers(-2, 2, (3, *shape[:2], shape[3]), dtype=np.int32)
    words = spec.pack(logits)
    assert words.size == 3 * spec.logit_words and np.array_equal(spec.logits(words), logits)
    assert words[: shape[3]].view(np.int32).tolist() == logits[0, 0, 0].tolist(), "class 0 first"
    decided = np.argmax(logits, axis=-1) if shape[3] > 1 else logits[..., 0] > 0
    packed = spec.pack(decide(logits))
    assert packed.size == 3 * spec.mask_words and np.array_equal(spec.masks(packed), decided)


def test_results_of_another_size(tmp_path, capsys):
    spec, path = IoSpec("tiny", 0, 16, 32, 3, 2, 5, 7), tmp_path / "io_spec.json"
    path.write_text(spec.text())
    assert vars(read_io_spec(path)) == vars(spec) and spec.resizes
    assert main(["describe", str(path)]) == 0
    assert "results  5 x 7" in capsys.readouterr().out
    logits = np.random.default_rng(7).integers(-9, 9, (3, 5, 7, 2), dtype=np.int32)
    words = spec.pack(logits)
    assert words.size == 3 * spec.logit_words and np.array_equal(spec.logits(words), logits)
    assert np.array_equal(spec.masks(spec.pack(decide(logits))), logits.argmax(-1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"height": 0}, "height must be a positive integer, got 0"),
        ({"height": True}, "height must be a positive integer, got True"),
        ({"network": 5}, "network must be a name, got 5"),
        ({"classes": 257}, "classes must be at most 256, got 257"),
        ({"version": 1}, "is not of version 2; build again"),
        ({"depth": 2}, "is not of version 2; build again"),
        ({"out_height": 8}, "is not of version 2; build again"),
        ({"out_height": 8, "out_width": 0}, "out_width must be a positive integer, got 0"),
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
    (tmp_path / "io_spec.json").write_text("[" * 100_000)
    with pytest.raises(IoSpecError, match="is not JSON"):
        read_io_spec(tmp_path / "io_spec.json")


def test_what_a_scan_must_be_reads_back_and_is_told(tmp_path, capsys):
    volume = VolumeSpec(Window("zscore", -4.0, 4.0), 3, "LPS", [1.0, 1.0, 2.5])
    spec, path = IoSpec("tiny", 0, 16, 32, 3, volume=volume), tmp_path / "io_spec.json"
    path.write_text(spec.text())
    found = read_io_spec(path)
    assert found.volume.as_dict() == volume.as_dict() and found.text() == spec.text()
    assert main(["describe", str(path)]) == 0
    assert "scans    orientation LPS, voxels of 1 x 1 x 2.5 mm, 3 slices an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("volume", "sentence"),
    [
        ([], "a volume has window, slices, orientation and spacing_mm"),
        ({**WHOLE, "slices": 5}, "its frames have 5 slices, the network takes 3 channels; build again"),
        ({**WHOLE, "slices": True}, "slices must be odd"),
        ({**WHOLE, "orientation": None}, "orientation must be three letters such as RAS or LPS, got None"),
        ({**WHOLE, "orientation": "RRS"}, "orientation must be three letters"),
        ({**WHOLE, "spacing_mm": [10**400, 1, 1]}, "spacing_mm must be null or three distances"),
        ({**WHOLE, "spacing_mm": [True, 1, 1]}, "spacing_mm must be null or three distances"),
        ({**WHOLE, "window": {"kind": "fixed", "low": -(10**400), "high": 1}}, "low must be a finite number"),
        ({**WHOLE, "window": {"kind": "fixed"}}, "an intensity window has kind, low, high"),
    ],
)
def test_volumes_without_sense(spec, tmp_path, volume, sentence):
    (tmp_path / "io_spec.json").write_text(json.dumps({**json.loads(spec.text()), "volume": volume}))
    with pytest.raises(IoSpecError, match=sentence):
        read_io_spec(tmp_path / "io_spec.json")
