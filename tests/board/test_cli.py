"""The commands, over the fake device in pynq's place; scores compared with quant's."""

import json
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import SPEC, FakeDevice, images, logits_of, segmenter

from board import cli
from board.scores import count_pixels, summarise
from board.serve import make_server
from quant.metrics import score_masks


@pytest.fixture
def deploy(tmp_path, monkeypatch):
    """A deploy folder, and the fake device behind every command."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "io_spec.json").write_text(SPEC.text())
    codes = images(3)
    np.savez_compressed(folder / "golden.npz", codes=codes, logits=logits_of(codes))

    def accelerator(arguments, deploy):
        accel = segmenter(FakeDevice(), frames_per_job=arguments.frames_per_job, timeout_s=arguments.timeout)
        accel.header = {"design": "fake"}
        return accel

    monkeypatch.setattr(cli, "_accelerator", accelerator)
    return folder


def test_selftest_is_exact(deploy, capsys):
    assert cli.main(["selftest", "--deploy", str(deploy)]) == 0
    assert "masks of 3 frames in one batch: exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "sentence"),
    [(0, r"1 of 768 mask values differ, the first at (2, 5, 7)"), (1, "1 of 256 logit values differ")],
)
def test_selftest_finds_one_wrong_value(deploy, capsys, change, sentence):
    codes = images(3)
    logits = logits_of(codes)
    if change:
        logits[0, 5, 7] += 1 if logits[0, 5, 7] > 0 else -1
    else:
        logits[2, 5, 7] = 1 - logits[2, 5, 7]
    np.savez_compressed(deploy / "golden.npz", codes=codes, logits=logits)
    assert cli.main(["selftest", "--deploy", str(deploy)]) == 2
    assert sentence in capsys.readouterr().err


def test_selftest_from_the_current_folder(deploy, monkeypatch, capsys):
    monkeypatch.chdir(deploy)
    assert cli.main(["selftest", "--frames", "1"]) == 0


def test_bench(deploy, capsys):
    assert cli.main(["bench", "--deploy", str(deploy), "--frames", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == 5 and found["frames_per_second"] > 0


def test_host_time_of_a_frame_is_below_2_ms(capsys):
    assert cli.main(["bench", "--host"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["height"], found["width"]) == (256, 256)
    assert found["frame_ms"] < 2.0


def test_infer_writes_masks_and_overlays(deploy, tmp_path, capsys):
    codes = images(2)
    paths = [tmp_path / f"frame{index}.png" for index in range(2)]
    for path, image in zip(paths, codes, strict=True):
        Image.fromarray(image).save(path)
    out = tmp_path / "out"
    assert cli.main(["infer", *map(str, paths), "--out", str(out), "--deploy", str(deploy)]) == 0
    for index, image in enumerate(codes):
        mask = np.asarray(Image.open(out / f"frame{index}_mask.png"))
        assert np.array_equal(mask, np.where(logits_of(image)[..., 0] > 0, 255, 0))
        overlay = np.asarray(Image.open(out / f"frame{index}_overlay.png"))
        assert np.array_equal(overlay[mask == 0], image[mask == 0])
    assert not list(out.glob("*.partial"))


def test_infer_refuses_another_size_unless_told(deploy, tmp_path, capsys):
    Image.new("L", (20, 10)).save(tmp_path / "small.png")
    call = ["infer", str(tmp_path / "small.png"), "--out", str(tmp_path / "out"), "--deploy", str(deploy)]
    assert cli.main(call) == 2
    assert "is 10x20 (height x width), the network takes 16x16" in capsys.readouterr().err
    assert cli.main([*call, "--resize"]) == 0


def test_evaluate_gives_the_scores_of_quant(deploy, tmp_path, capsys):
    data, codes, rng = tmp_path / "data", images(10, seed=3), np.random.default_rng(4)
    truths = rng.random((10, 16, 16)) < 0.6
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
    for index in range(10):
        Image.fromarray(codes[index]).save(data / "images" / f"{index}.png")
        Image.fromarray(np.where(truths[index], 255, 0).astype(np.uint8)).save(data / "masks" / f"{index}.png")
    (data / "val.txt").write_text("".join(f"{index}\n" for index in range(10)))
    assert cli.main(["evaluate", str(data), "--deploy", str(deploy)]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = score_masks(logits_of(codes)[..., 0] > 0, truths)
    assert found.pop("arithmetic") == "board" and found.pop("split") == "val"
    assert found == pytest.approx(expected)


def test_scores_of_empty_masks_are_those_of_quant():
    masks = np.zeros((3, 4, 4), bool)
    truths = masks.copy()
    masks[1, 0, 0] = truths[2, 0, 0] = True
    counts = [count_pixels(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    assert summarise(counts) == pytest.approx(score_masks(masks, truths))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["selftest", "--deploy", "/nonexistent"], "no io_spec.json in '/nonexistent'"),
        (["selftest", "--frames", "0"], "--frames must be at least 1"),
        (["evaluate", "/nonexistent"], "cannot be read"),
        (["infer", "a/x.png", "b/x.png", "--out", "out"], "two images have the same name"),
        (["infer", "none.png", "--out", "out"], "image 'none.png' does not exist"),
        (["serve", "--host", "256.0.0.1"], "cannot listen on 256.0.0.1:8080"),
    ],
)
def test_mistakes_are_one_line(deploy, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(deploy)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and sentence in error and error.count("\n") == 1


def test_without_pynq(tmp_path, capsys):
    (tmp_path / "io_spec.json").write_text(SPEC.text())
    np.savez_compressed(tmp_path / "golden.npz", codes=images(1), logits=logits_of(images(1)))
    assert cli.main(["selftest", "--deploy", str(tmp_path)]) == 2
    assert "pynq cannot be imported" in capsys.readouterr().err


@pytest.fixture
def server():
    """The page of `serve` on a free port of this machine."""
    made = make_server(segmenter(), "127.0.0.1", 0, max_upload_bytes=100_000)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def post(url, content):
    with urllib.request.urlopen(urllib.request.Request(url, data=content), timeout=10) as answer:
        return answer.read()


def test_serve_answers_with_the_mask(server, tmp_path):
    codes = images(1)[0]
    Image.fromarray(codes).save(tmp_path / "a.png")
    (tmp_path / "mask.png").write_bytes(post(f"{server}/segment?mask", (tmp_path / "a.png").read_bytes()))
    found = np.asarray(Image.open(tmp_path / "mask.png"))
    assert np.array_equal(found, np.where(logits_of(codes)[..., 0] > 0, 255, 0))
    with urllib.request.urlopen(server, timeout=10) as page:
        assert "16 x 16" in page.read().decode()


@pytest.mark.parametrize(
    ("path", "content", "status", "sentence"),
    [
        ("/segment", b"no image", 400, "not an image that Pillow knows"),
        ("/segment", bytes(100_001), 413, "larger than 100000 bytes"),
        ("/elsewhere", b"x", 404, "images go to /segment"),
    ],
)
def test_serve_refuses(server, path, content, status, sentence):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(server + path, content)
    assert refused.value.code == status and sentence in refused.value.read().decode()
    refused.value.close()
