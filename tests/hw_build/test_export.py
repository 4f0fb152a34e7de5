"""What the reader of an export folder refuses. The model here is any file: only its hash is read."""

import hashlib
import json

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.base.export import read_export

SCANS = {"window": {"kind": "fixed", "low": 0, "high": 9}, "slices": 3, "orientation": "RAS", "spacing_mm": None}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.qonnx").write_bytes(b"graph")
    (tmp_path / "manifest.json").write_text(json.dumps({"model": {"name": "tiny"}}))
    write_golden(tmp_path)
    return tmp_path


def write_golden(folder, **changes):
    arrays = {
        "codes": np.zeros((2, 4, 6, 3), np.uint8),
        "logits": np.zeros((2, 4, 6, 1), np.int32),
        "masks": np.zeros((2, 4, 6), np.uint8),
        "names": np.array(["a", "b"]),
        "model_sha256": np.array(hashlib.sha256(b"graph").hexdigest()),
    }
    arrays.update(changes)
    np.savez_compressed(folder / "golden.npz", **{key: value for key, value in arrays.items() if value is not None})


def test_reads_what_belongs_together(folder):
    export = read_export(folder)
    assert export.size == (4, 6)
    assert export.names == ("a", "b")
    assert export.manifest == {"model": {"name": "tiny"}}


@pytest.mark.parametrize("name", ["model.qonnx", "golden.npz", "manifest.json"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(BuildError, match=f"export '.*' has no {name}; write it with `python -m quant export --out "):
        read_export(folder)


def test_golden_data_of_another_model(folder):
    (folder / "model.qonnx").write_bytes(b"another graph")
    with pytest.raises(BuildError, match=r"golden.npz' was made from another model than .* \(the hashes differ\)"):
        read_export(folder)


@pytest.mark.parametrize("keep", [0, 100, -40])
def test_truncated_golden_file(folder, keep):
    content = (folder / "golden.npz").read_bytes()
    (folder / "golden.npz").write_bytes(content[:keep])
    with pytest.raises(BuildError, match=r"golden file '.*' is corrupt or not one \(.*\); export again"):
        read_export(folder)


def test_golden_file_with_a_flipped_byte(folder):
    rng = np.random.default_rng(3)
    write_golden(folder, codes=rng.integers(0, 256, (2, 4, 6, 3), dtype=np.uint8))
    content = bytearray((folder / "golden.npz").read_bytes())
    content[120] ^= 0xFF
    (folder / "golden.npz").write_bytes(content)
    with pytest.raises(BuildError, match="is corrupt or not one"):
        read_export(folder)


def test_several_logits_a_pixel(folder):
    write_golden(folder, logits=np.zeros((2, 4, 6, 3), np.int32))
    assert read_export(folder).classes == 3


def test_another_number_of_classes_than_the_manifest_says(folder):
    write_golden(folder, logits=np.zeros((2, 4, 6, 3), np.int32))
    (folder / "manifest.json").write_text(json.dumps({"model": {"name": "tiny"}, "output": {"classes": 4}}))
    with pytest.raises(BuildError, match="says classes 4, the export has 3; export again"):
        read_export(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"logits": np.zeros((2, 4, 6, 1), np.float32)},
        {"logits": np.zeros((2, 4, 5, 1), np.int32)},
        {"codes": np.zeros((2, 4, 6), np.uint8)},
        {"names": np.array(["a"])},
    ],
)
def test_golden_arrays_of_the_wrong_kind(folder, changes):
    write_golden(folder, **changes)
    with pytest.raises(BuildError, match=r"must hold codes uint8 \(N, H, W, C\), logits int32 .*, got codes"):
        read_export(folder)


def test_logits_of_a_size_that_the_manifest_does_not_say(folder):
    write_golden(folder, codes=np.zeros((2, 3, 4, 6), np.uint8))
    with pytest.raises(BuildError, match=r"has logits of 4x6 for images of 3x4, which its manifest does not say"):
        read_export(folder)


def test_golden_file_without_logits(folder):
    write_golden(folder, logits=None)
    with pytest.raises(BuildError, match="is corrupt or not one .*logits"):
        read_export(folder)


def test_manifest_that_is_not_json(folder):
    (folder / "manifest.json").write_text("{")
    with pytest.raises(BuildError, match=r"manifest '.*' is not JSON"):
        read_export(folder)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(BuildError, match=r"manifest '.*' does not name the network; export again"):
        read_export(folder)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"model": None}, "has a model that is not a table"),
        ({"model": "tiny"}, "has a model that is not a table"),
        *(({"model": {"name": name}}, "does not name the network") for name in (5, "", "a\0b", "n" * 101)),
        ({"quant": {"name": ["w4a4"]}}, "does not name the bits"),
        ({"verification": []}, "has a verification that is not a table"),
        ({"verification": {"images": 2, "logits_compared": 48}}, "does not say which images were compared"),
        ({"verification": {}}, "does not say which images were compared"),
        ({"verification": {"images": ["a"]}}, "does not say which images were compared"),
        ({"format": 2}, "says format 2, the export has 1"),
        ({"model_sha256": "0" * 64}, "says model_sha256 '0{64}', the export has '[0-9a-f]{64}'"),
        ({"input": {"height": 8, "width": 6, "channels": 3}}, "says height 8, the export has 4"),
        ({"input": {"height": 4, "width": 6, "channels": 1}}, "says channels 1, the export has 3"),
        ({"output": {"classes": 2}}, "says classes 2, the export has 1"),
        ({"volume": []}, "is damaged in 'volume'"),
        ({"volume": {**SCANS, "orientation": 3}}, "is damaged in 'volume'"),
        ({"volume": {**SCANS, "slices": 5}}, "says 5 slices, the export has 3 channels"),
    ],
)
def test_manifest_of_something_else(folder, content, sentence):
    (folder / "manifest.json").write_text(json.dumps({"model": {"name": "tiny"}, **content}))
    with pytest.raises(BuildError, match=f"manifest '.*' {sentence}.*; export again"):
        read_export(folder)


def test_manifest_nested_without_end(folder):
    (folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(BuildError, match=r"manifest '.*' is not JSON"):
        read_export(folder)


def test_manifest_that_says_what_is_there(folder):
    told = {"format": 1, "input": {"height": 4, "width": 6, "channels": 3}, "output": {"classes": 1}}
    told["verification"] = {"images": ["a"], "logits_compared": 24}
    (folder / "manifest.json").write_text(json.dumps({"model": {"name": "tiny"}, **told}))
    assert read_export(folder).manifest["verification"]["images"] == ["a"]


def test_golden_file_of_one_array(folder):
    with (folder / "golden.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BuildError, match=r"golden file '.*' is one array, not an archive of several; export again"):
        read_export(folder)
