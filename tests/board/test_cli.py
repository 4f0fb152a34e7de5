"""The commands, over the fake device in pynq's place; scores compared with quant's."""

import io
import json
import sys
import weakref
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import SPEC, FakeDevice, images, logits_of, segmenter

from board import cli, pictures
from board.bench import bench_host
from board.intensity import Window
from board.io_spec import IoSpec
from board.scores import count_pixels, summarise
from board.slices import Slices
from board.surface import hd95_assd
from board.volume_spec import VolumeSpec
from quant.data.layouts import Pair
from quant.data.pairs import load_samples, read_pair
from quant.scores.masks import score
from quant.scores.surface import score_surfaces


@pytest.fixture
def deploy(tmp_path, monkeypatch):
    """A deploy folder, and the fake device behind every command."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "io_spec.json").write_text(SPEC.text())
    codes = images(3)
    np.savez_compressed(folder / "golden.npz", codes=codes, logits=logits_of(codes))

    def accelerator(arguments, deploy):
        accel = segmenter(
            FakeDevice(deploy.spec()), frames_per_job=arguments.frames_per_job, timeout_s=arguments.timeout
        )
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


def test_host_time_of_a_frame_is_told(capsys):
    assert cli.main(["bench", "--host"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["height"], found["width"]) == (256, 256)
    assert found["frame_ms"] == found["load_ms"] + found["mask_ms"] > 0


def test_host_makes_no_more_calls_for_a_larger_frame():
    """What keeps its time far below 2 ms on any processor: copies and unpacks of whole arrays, nothing for a pixel."""

    def calls(spec):
        count = 0

        def on_event(frame, event, argument):
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(on_event)
        try:
            bench_host(spec, repetitions=2)
        finally:
            sys.setprofile(None)
        return count

    assert calls(IoSpec("n", 0, 256, 256, 3)) == calls(IoSpec("n", 0, 16, 32, 3))


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


def test_infer_takes_a_scan_of_a_network_for_slices(deploy, tmp_path, capsys):
    volume = VolumeSpec(Window("fixed", 0.0, 255.0), 3, "RAS", [1.0, 1.0, 2.0])
    (deploy / "io_spec.json").write_text(IoSpec("fake", SPEC.network_hash, 16, 16, 3, volume=volume).text())
    voxels = np.random.default_rng(6).integers(0, 256, (9, 11, 4)).astype(np.int16)
    scan, mask = tmp_path / "scan.nii.gz", tmp_path / "out" / "mask.nii.gz"
    nibabel.Nifti1Image(voxels, np.diag([1, 1, 2, 1])).to_filename(scan)
    assert cli.main(["infer", str(scan), "--out", str(mask), "--deploy", str(deploy)]) == 0
    said = capsys.readouterr().out
    assert "4 frames in" in said and "ms of the accelerator" in said
    frames = Slices(voxels.astype(np.uint8), 16, 16, 3)
    decided = np.stack([logits_of(frames.frame(index))[..., 0] > 0 for index in range(4)])
    found = nibabel.load(mask)
    np.testing.assert_array_equal(np.asarray(found.dataobj), frames.on_volume(decided))
    np.testing.assert_array_equal(found.affine, nibabel.load(scan).affine)
    nibabel.Nifti1Image(voxels, np.diag([1, 1, 3, 1])).to_filename(scan)
    assert cli.main(["infer", str(scan), "--out", str(mask), "--deploy", str(deploy)]) == 2
    assert "has voxels of 1 x 1 x 3 mm, the networks were trained on 1 x 1 x 2 mm" in capsys.readouterr().err


def test_infer_refuses_a_scan_for_a_network_of_images(deploy, tmp_path, capsys):
    nibabel.Nifti1Image(np.zeros((4, 4, 2), np.int16), np.eye(4)).to_filename(tmp_path / "scan.nii")
    arguments = ["infer", str(tmp_path / "scan.nii"), "--out", str(tmp_path / "mask.nii"), "--deploy", str(deploy)]
    assert cli.main(arguments) == 2
    assert "this network is for images; give image files" in capsys.readouterr().err
    assert not (tmp_path / "mask.nii").exists()


def bad_files(folder):
    """A file of each kind that no mask can be made of, and what is said about it."""
    whole = io.BytesIO()
    Image.fromarray(images(1)[0]).save(whole, "PNG")
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(folder / "deep.png")
    Image.new("LAB", (16, 16)).save(folder / "lab.tif")
    Image.new("1", (8192, 4097)).save(folder / "huge.png")
    (folder / "cut.png").write_bytes(whole.getvalue()[:-40])
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").touch()
    (folder / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n")
    return {
        "none.png": "does not exist; check the path",
        "deep.png": "is not 8-bit (Pillow mode I;16)",
        "lab.tif": "is neither grey nor RGB (Pillow mode LAB)",
        "huge.png": "has 33562624 pixels, more than 33554432; scale it down",
        "cut.png": "cannot be read (",
        "text.png": "is none of PNG, JPEG",
        "empty.png": "is none of PNG, JPEG",
        "drawing.eps": "is none of PNG, JPEG",
        ".": "is a folder; give files of images",
    }


def test_infer_names_the_file_that_is_no_image_and_goes_no_further(deploy, tmp_path, capsys):
    Image.fromarray(images(1)[0]).save(tmp_path / "good.png")
    for name, sentence in bad_files(tmp_path).items():
        out = tmp_path / f"out-{name}"
        call = ["infer", str(tmp_path / "good.png"), str(tmp_path / name), "--out", str(out), "--deploy", str(deploy)]
        assert cli.main(call) == 2
        error = capsys.readouterr().err
        assert str(tmp_path / name) in error and sentence in error and error.count("\n") == 1, error
        assert out.exists() == (name == "cut.png")  # the others are refused by their headers, before anything runs


def test_infer_reads_images_as_it_goes(deploy, tmp_path, monkeypatch, capsys):
    alive, most = [0], [0]

    def read_codes(path, spec, resize):
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        codes = images(1)[0].view(Counted)
        weakref.finalize(codes, lambda: alive.__setitem__(0, alive[0] - 1))
        return codes

    class Counted(np.ndarray):
        pass

    monkeypatch.setattr(pictures, "read_codes", read_codes)
    paths = [tmp_path / f"{index}.png" for index in range(30)]
    for path in paths:
        Image.fromarray(images(1)[0]).save(path)
    call = ["infer", *map(str, paths), "--out", str(tmp_path / "out"), "--deploy", str(deploy), "--frames-per-job", "2"]
    assert cli.main(call) == 0
    assert most[0] <= 8 and len(list((tmp_path / "out").iterdir())) == 60


@pytest.mark.parametrize(("out", "sentence"), [("good.png", "File exists"), ("good.png/out", "Not a directory")])
def test_infer_into_what_is_no_folder(deploy, tmp_path, capsys, out, sentence):
    Image.fromarray(images(1)[0]).save(tmp_path / "good.png")
    call = ["infer", str(tmp_path / "good.png"), "--out", str(tmp_path / out), "--deploy", str(deploy)]
    assert cli.main(call) == 2
    assert f"error: {sentence} at '{tmp_path / out}'" in capsys.readouterr().err


def test_infer_on_a_full_disk_leaves_no_part_of_a_file(deploy, tmp_path, capsys):
    Image.fromarray(images(1)[0]).save(tmp_path / "good.png")
    out = tmp_path / "out"
    out.mkdir()
    (out / "good_mask.png.partial").symlink_to("/dev/full")
    call = ["infer", str(tmp_path / "good.png"), "--out", str(out), "--deploy", str(deploy)]
    assert cli.main(call) == 2
    assert "good_mask.png' cannot be written (No space left on device)" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_infer_interrupted_while_it_writes_leaves_no_part_of_a_file(deploy, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    Image.fromarray(images(1)[0]).save(tmp_path / "good.png")
    monkeypatch.setattr(pictures.os, "replace", interrupted)
    call = ["infer", str(tmp_path / "good.png"), "--out", str(tmp_path / "out"), "--deploy", str(deploy)]
    assert cli.main(call) == 130 and capsys.readouterr().err == "interrupted\n"
    assert not list((tmp_path / "out").iterdir())


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
    expected = {"arithmetic": "board", "split": "val", **score(logits_of(codes)[..., 0] > 0, truths, surfaces=True)}
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


def test_evaluate_scales_images_if_told(deploy, tmp_path, capsys):
    image = Image.fromarray(images(1, seed=5)[0]).resize((40, 24))
    for kind, name, picture in (("images", "a", image), ("masks", "a_mask", image.convert("1"))):
        (tmp_path / kind).mkdir()
        picture.save(tmp_path / kind / f"{name}.png")
    (tmp_path / "val.txt").write_text("a\n")
    call = ["evaluate", str(tmp_path), "--deploy", str(deploy)]
    assert cli.main(call) == 2
    assert "is 24x40 (height x width), the network takes 16x16" in capsys.readouterr().err
    assert cli.main([*call, "--resize"]) == 0
    pair = Pair("a", tmp_path / "images" / "a.png", (tmp_path / "masks" / "a_mask.png",))
    codes, truth = read_pair(pair, (16, 16))
    expected = score((logits_of(codes)[..., 0] > 0)[None], truth[None], surfaces=True)
    assert json.loads(capsys.readouterr().out) == pytest.approx({"arithmetic": "board", "split": "val", **expected})


def test_evaluate_reads_photographs_lists_and_masks_as_quant_does(deploy, tmp_path, capsys):
    """Turned by EXIF, masks of 0 and 1 in two parts, a list with a byte-order mark, suffixes in capitals."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rng = np.random.default_rng(9)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in ("a", "b"):
        pixels = rng.integers(0, 256, (24, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.PNG", exif=exif)
        for part in (1, 2):
            mask = Image.fromarray((rng.random((24, 40)) < 0.3).astype(np.uint8))
            mask.save(tmp_path / "masks" / f"{name}_mask_{part}.TIF", tiffinfo={0x0112: 6})
    (tmp_path / "val.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    assert cli.main(["evaluate", str(tmp_path), "--deploy", str(deploy), "--resize"]) == 0
    samples = load_samples(tmp_path, "val", (16, 16))
    codes, truths = samples.codes.permute(0, 2, 3, 1).numpy(), samples.masks[:, 0].numpy()
    assert codes.shape == (2, 16, 16, 3) and 0.3 < truths.mean() < 0.7
    expected = score(logits_of(codes)[..., 0] > 0, truths, surfaces=True)
    assert json.loads(capsys.readouterr().out) == pytest.approx({"arithmetic": "board", "split": "val", **expected})


def test_scores_of_empty_masks_are_those_of_quant():
    masks = np.zeros((3, 4, 4), bool)
    truths = masks.copy()
    masks[1, 0, 0] = truths[2, 0, 0] = True
    counts = [count_pixels(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    distances = [hd95_assd(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
    assert summarise(counts, distances) == pytest.approx(score(masks, truths, surfaces=True))


@pytest.mark.parametrize("shape", [(1, 7), (20, 33), (64, 48)])
@pytest.mark.parametrize(("predicted", "true"), [(0.02, 0.1), (0.5, 0.5), (0.99, 0.02), (1.0, 0.3)])
def test_surface_distances_are_those_of_quant(shape, predicted, true):
    rng = np.random.default_rng(7)
    mask, truth = rng.random(shape) < predicted, rng.random(shape) < true
    hd95, assd = hd95_assd(mask, truth)
    assert {"hd95": hd95, "assd": assd} == score_surfaces(mask[None], truth[None])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["selftest", "--deploy", "/nonexistent"], "no io_spec.json in '/nonexistent'"),
        (["selftest", "--frames", "0"], "--frames must be at least 1"),
        (["evaluate", "/nonexistent"], "cannot be read"),
        (["infer", "a/x.png", "b/x.png", "--out", "out"], "two images have the same name"),
        (["infer", "none.png", "--out", "out"], "image 'none.png' does not exist"),
        (["serve", "--host", "256.0.0.1"], "cannot listen on 256.0.0.1:8080"),
        (["serve", "--port", "99999"], "cannot listen on 127.0.0.1:99999"),
        (["bench", "--frames", "0"], "--frames must be at least 1"),
        (["selftest", "--frames-per-job", "0"], "frames_per_job must be at least 1"),
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
