"""Evaluation of checkpoints and exports from the command line, and the bench; every refusal is one line."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

import calib_data
from quant.__main__ import main
from quant.base.errors import ConfigError
from quant.bench import sessions as bench_sessions
from quant.bench.integer_reference import bench

KEYS = {"images", "iou", "iou_pooled8", "f1", "precision", "recall", "aac"}
SEED = 9


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten noisy images of 32x48 with masks; ids hold a space and parentheses."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(SEED)
    names = [f"benign ({index})" for index in range(10)]
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for name in names:
        Image.fromarray(rng.integers(0, 256, (32, 48), np.uint8)).save(folder / "images" / f"{name}.png")
        Image.fromarray(((rng.random((32, 48)) < 0.4) * 255).astype(np.uint8)).save(folder / "masks" / f"{name}.png")
    (folder / "val.txt").write_text("\n".join(names))
    (folder / "one.txt").write_text(names[3])
    return folder


def scores(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments)]) != 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_integer_scores_are_those_of_the_trained_twin(capsys, checkpoint, exported, data):
    trained = scores(capsys, "--checkpoint", checkpoint, "--data", data)
    integer = scores(capsys, "--checkpoint", checkpoint, "--integer", exported, "--data", data)
    assert trained.keys() >= KEYS and trained["images"] == 10 and 0 < trained["iou"] < 1
    assert (trained.pop("arithmetic"), integer.pop("arithmetic")) == ("float32", "integer")
    assert trained == integer


def test_split_and_plain_output(capsys, exported, data):
    assert main(["evaluate", "--integer", str(exported), "--data", str(data), "--split", "one"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["images"] == "1" and lines["iou"] == lines["iou_pooled8"]


def test_missing_and_truncated_checkpoint(capsys, checkpoint, data, tmp_path):
    assert "does not exist" in refusal(capsys, "--checkpoint", tmp_path / "none.pt", "--data", data)
    short = tmp_path / "short.pt"
    short.write_bytes(checkpoint.read_bytes()[:5000])
    assert "short.pt' is truncated" in refusal(capsys, "--checkpoint", short, "--data", data)


def test_missing_data_and_unknown_split(capsys, checkpoint, exported, data, tmp_path):
    for network in (("--checkpoint", checkpoint), ("--integer", exported)):
        assert "does not exist; give a folder" in refusal(capsys, *network, "--data", tmp_path / "none")
        assert "test.txt' does not exist; splits of this folder: one, val" in refusal(
            capsys, *network, "--data", data, "--split", "test"
        )


@pytest.fixture
def one_image(data, tmp_path):
    """Writes a data folder of one image from an array."""

    def write(pixels):
        for kind, content in (("images", pixels), ("masks", np.zeros(pixels.shape[:2], np.uint8))):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(content).save(tmp_path / kind / "a.png")
        (tmp_path / "val.txt").write_text("a")
        return tmp_path

    return write


def test_image_of_another_size_is_refused_with_both_sizes(capsys, exported, one_image):
    message = refusal(capsys, "--integer", exported, "--data", one_image(np.zeros((48, 32), np.uint8)))
    assert "a.png' is 48x32 pixels, but the exported network takes 32x48" in message


def test_image_that_is_not_8_bit_is_refused(capsys, checkpoint, exported, one_image):
    folder = one_image(np.zeros((32, 48), np.uint16))
    for network in (("--checkpoint", checkpoint), ("--integer", exported)):
        assert "a.png' is not 8-bit" in refusal(capsys, *network, "--data", folder)


def test_missing_export_and_nothing_to_evaluate(capsys, data, tmp_path):
    assert "model.qonnx' does not exist" in refusal(capsys, "--integer", tmp_path, "--data", data)
    assert "give --checkpoint, --integer or both" in refusal(capsys, "--data", data)


def test_export_of_another_checkpoint_is_refused(capsys, checkpoint, exported, data, tmp_path):
    import torch

    other = tmp_path / "other.pt"
    torch.save({**torch.load(checkpoint, weights_only=True), "epoch": 1}, other)
    message = refusal(capsys, "--integer", exported, "--checkpoint", other, "--data", data)
    assert "was not exported from" in message


def test_bench_times_both_and_gives_their_ratio(checkpoint, exported):
    result = bench(checkpoint, export_dir=exported, repetitions=1, threads=1)
    faster = min(result["integer_batch_ms"], result["integer_single_ms"])
    assert result["ratio"] == faster / min(result["float32_batch_ms"], result["float32_single_ms"])
    assert result["ratio_int8"] == faster / min(result["int8_batch_ms"], result["int8_single_ms"])
    assert result["qat_over_float_throughput"] == result["float_training_ms"] / result["qat_training_ms"] > 0
    one_by_one = result["float_training_one_by_one_ms"]
    assert result["joined_over_one_by_one_throughput"] == one_by_one / result["float_training_ms"] > 0
    assert result["network"] == "cmunext-tiny-hw" and (result["height"], result["width"]) == (32, 48)


def test_int8_rival_is_quantized_and_near_its_float_network(monkeypatch):
    """On every processor: 255 times two weights of 7 bits stays in the int16 that kernels without VNNI add in."""
    weights = []

    def quantize_and_look(paths, images, quantize=bench_sessions._quantize):
        quantize(paths, images)
        weights.extend(map(numpy_helper.to_array, onnx.load(paths["int8"]).graph.initializer))

    monkeypatch.setattr(bench_sessions, "_quantize", quantize_and_look)
    codes = np.stack([calib_data.load(name, (32, 32)).codes for name in calib_data.names()[:3]])
    rivals = bench_sessions.sessions("cmunext-tiny-hw", codes, threads=1)
    largest = max(np.abs(array.astype(int)).max() for array in weights if array.dtype == np.int8 and array.ndim == 4)
    assert largest > 60 and 2 * 255 * largest <= 32767
    images = bench_sessions.as_images(codes)
    float32, int8 = (bench_sessions.run(rivals[form], images) for form in ("float32", "int8"))
    assert float32.shape == int8.shape == (3, 1, 32, 32)
    assert not np.array_equal(int8, float32)
    assert np.corrcoef(int8.ravel(), float32.ravel())[0, 1] > 0.9  # 0.979 of these weights


def test_bench_command_leaves_json(checkpoint, exported, tmp_path, capsys):
    options = ["--checkpoint", str(checkpoint), "--export", str(exported), "--repetitions", "1", "--threads", "1"]
    assert main(["bench", *options, "--json", "--out", str(tmp_path / "new" / "bench.json")]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "new" / "bench.json").read_text())
    assert {"integer_single_ms", "float32_single_ms", "int8_single_ms"} <= shown.keys()


def test_bench_refuses_no_repetition(checkpoint):
    with pytest.raises(ConfigError, match="--repetitions must be at least 1, got 0"):
        bench(checkpoint, repetitions=0)


def test_parts_intervals_and_pooled_iou_of_random_orders(capsys, checkpoint, data, tmp_path):
    table = tmp_path / "classes.csv"
    table.write_text("name,class\n" + "".join(f"benign ({index}),{'ab'[index > 6]}\n" for index in range(10)))
    found = scores(capsys, "--checkpoint", checkpoint, "--data", data, "--image-classes", table)
    parts = found["parts"]
    assert {title: part["images"] for title, part in parts.items()} == {
        **{"all": 10, "class a": 7, "class b": 3},
        "size large": 10,
    }
    everything = parts["all"]
    assert (
        everything["iou"]
        == pytest.approx(found["iou"])
        == (7 * parts["class a"]["iou"] + 3 * parts["class b"]["iou"]) / 10
    )
    assert everything["iou_pooled8"] == pytest.approx(found["iou_pooled8"])
    low, high = everything["iou_interval"]
    assert low < found["iou"] < high and everything["iou_pooled8_orders_deviation"] > 0
    assert main(["evaluate", "--checkpoint", str(checkpoint), "--data", str(data)]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["parts.all.iou_interval"] == f"{low:.4f} {high:.4f}" and "parts.class-a.iou" not in lines
    table.write_text("name,kind\n")
    assert "has no column 'class'" in refusal(
        capsys, "--checkpoint", checkpoint, "--data", data, "--image-classes", table
    )
