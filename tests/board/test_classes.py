"""Several classes and images of any number of channels on the board: index masks, palette pictures, scores, arrays."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from fake_device import FOUR_CLASSES, FakeDevice, images, logits_of, segmenter

from board import cli, pictures
from board.errors import InputError
from board.image_files import in_colour, read_array, resize_array
from board.io_spec import IoSpec
from quant.data.pairs import load_samples
from quant.scores.masks import score


@pytest.fixture
def deploy(tmp_path, monkeypatch):
    """A deploy folder of four classes, and the fake device behind every command."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "io_spec.json").write_text(FOUR_CLASSES.text())
    codes = images(3, spec=FOUR_CLASSES)
    np.savez_compressed(folder / "golden.npz", codes=codes, logits=logits_of(codes, 4))

    def accelerator(arguments, deploy):
        accel = segmenter(FakeDevice(FOUR_CLASSES), frames_per_job=arguments.frames_per_job)
        accel.header = {"design": "fake"}
        return accel

    monkeypatch.setattr(cli, "_accelerator", accelerator)
    return folder


def indices_of(codes):
    return np.argmax(logits_of(codes, 4), axis=-1).astype(np.uint8)


def test_selftest_describe_and_bench(deploy, capsys):
    assert cli.main(["selftest", "--deploy", str(deploy)]) == 0
    assert "class indices of 3 frames in one batch: exact" in capsys.readouterr().out
    assert cli.main(["describe", str(deploy / "io_spec.json")]) == 0
    assert "140 words of one logit each, or indices of 4 classes, a byte a pixel, in all 10" in capsys.readouterr().out
    assert cli.main(["bench", "--deploy", str(deploy), "--frames", "3"]) == 0


def test_selftest_finds_one_wrong_index(deploy, capsys):
    codes = images(3, spec=FOUR_CLASSES)
    logits = logits_of(codes, 4)
    logits[1, 2, 3] = [0, 0, 0, 9]
    codes[1, 2, 3] = 0  # whose logits are equal: index 0
    np.savez_compressed(deploy / "golden.npz", codes=codes, logits=logits)
    assert cli.main(["selftest", "--deploy", str(deploy)]) == 2
    assert "1 of 105 class index values differ, the first at (1, 2, 3): 0, golden 3" in capsys.readouterr().err


def test_infer_writes_indices_as_palette_pictures(deploy, tmp_path):
    codes = images(1, seed=3, spec=FOUR_CLASSES)[0]
    Image.fromarray(codes).save(tmp_path / "a.png")
    assert cli.main(["infer", str(tmp_path / "a.png"), "--deploy", str(deploy), "--out", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out" / "a_mask.png") as mask:
        assert mask.mode == "P"
        np.testing.assert_array_equal(np.asarray(mask), indices_of(codes))
        assert mask.convert("RGB").getcolors(5) is not None
    with Image.open(tmp_path / "out" / "a_overlay.png") as overlay:
        found, background = np.asarray(overlay), indices_of(codes) == 0
    np.testing.assert_array_equal(found[background], codes[background])
    assert (found[~background] != codes[~background]).any(axis=1).all()


def test_an_overlay_and_a_truth_of_another_size(tmp_path):
    spec, codes = IoSpec("quarters", 0, 16, 16, 3, 1, 8, 8), images(1)[0]
    mask = np.zeros((8, 8), bool)
    mask[2:4, 4:] = True
    with Image.open(io.BytesIO(pictures.overlay_png(codes, mask))) as overlay:
        tinted = (np.asarray(overlay) != codes).any(axis=2)
    assert tinted[4:8, 8:].any() and not tinted[:4].any() and not tinted[8:].any() and not tinted[:, :8].any()
    Image.fromarray(codes).save(tmp_path / "a.png")
    Image.fromarray(np.kron(mask, np.ones((2, 2), bool)).astype(np.uint8) * 255).save(tmp_path / "m.png")
    _, truth = pictures.read_pair(tmp_path / "a.png", [str(tmp_path / "m.png")], spec)
    np.testing.assert_array_equal(truth, mask)


def test_colours_of_classes_are_those_of_voc():
    expected = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    colours = pictures.palette()
    assert [tuple(colour) for colour in colours[:7].tolist()] == expected
    assert tuple(colours[20]) == (0, 64, 128) and tuple(colours[255]) == (224, 224, 192)
    assert len(np.unique(colours, axis=0)) == 256


def test_evaluate_scores_each_class_as_quant_does(deploy, tmp_path, capsys):
    rng = np.random.default_rng(4)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name, codes in zip("abc", images(3, seed=8, spec=FOUR_CLASSES), strict=True):
        Image.fromarray(codes).save(tmp_path / "images" / f"{name}.png")
        truth = np.where(rng.random((5, 7)) < 0.6, indices_of(codes), rng.integers(0, 4, (5, 7))).astype(np.uint8)
        Image.fromarray(truth).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "val.txt").write_text("a\nb\nc\n")
    assert cli.main(["evaluate", str(tmp_path), "--deploy", str(deploy)]) == 0
    samples = load_samples(tmp_path, "val", (5, 7), classes=4)
    codes, truths = samples.codes.permute(0, 2, 3, 1).numpy(), samples.masks[:, 0].numpy()
    expected = score(indices_of(codes), truths, 4, surfaces=True)
    assert {"iou_class1", "iou_class2", "iou_class3"} < set(expected) and 0.2 < expected["iou"] < 0.9
    assert json.loads(capsys.readouterr().out) == pytest.approx({"arithmetic": "board", "split": "val", **expected})


def test_masks_of_a_fifth_class_or_several_are_refused(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    Image.fromarray(images(1, spec=FOUR_CLASSES)[0]).save(tmp_path / "images" / "a.png")
    mask = tmp_path / "masks" / "a.png"
    Image.fromarray(np.full((5, 7), 4, np.uint8)).save(mask)
    image = str(tmp_path / "images" / "a.png")
    with pytest.raises(InputError, match="holds index 4, but classes are 0 to 3; give as many"):
        pictures.read_pair(image, [str(mask)], FOUR_CLASSES)
    with pytest.raises(InputError, match="has 2 masks; of several classes it has one, of class indices"):
        pictures.read_pair(image, [str(mask), str(mask)], FOUR_CLASSES)


# -- arrays -----------------------------------------------------------------------------------------------------------

SEVEN = IoSpec("slices", 0, 4, 6, 7)


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_slices_of_a_volume_are_read_from_an_array(tmp_path):
    codes = np.random.default_rng(1).integers(0, 256, (4, 6, 7), dtype=np.uint8)
    np.save(tmp_path / "a.npy", codes)
    for source in (str(tmp_path / "a.npy"), saved(codes), saved(np.asfortranarray(codes))):
        pictures.check_image(source, SEVEN)
        np.testing.assert_array_equal(pictures.read_codes(source, SEVEN), codes)
    other = IoSpec("slices", 0, 8, 12, 7)
    with pytest.raises(InputError, match=r"a.npy' is 4x6 \(height x width\), the network takes 8x12"):
        pictures.read_codes(str(tmp_path / "a.npy"), other)
    scaled = pictures.read_codes(str(tmp_path / "a.npy"), other, resize=True)
    alone = Image.fromarray(codes[..., 5]).resize((12, 8), Image.BILINEAR)
    np.testing.assert_array_equal(scaled[..., 5], np.asarray(alone))
    np.testing.assert_array_equal(resize_array(codes, (4, 6)), codes)


def test_grey_arrays_have_one_channel_or_none():
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for array in (grey, grey[..., None]):
        assert read_array(saved(array), 1).tolist() == grey[..., None].tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (saved(np.zeros((4, 6, 3), np.uint8)), r"is uint8 \(4, 6, 3\), the network takes uint8 \(height, width, 7\)"),
        (saved(np.zeros((4, 6, 7), np.float32)), r"is float32 \(4, 6, 7\), the network takes uint8"),
        (saved(np.zeros((0, 6, 7), np.uint8)), r"is uint8 \(0, 6, 7\), the network takes"),
        (saved(np.zeros((4, 6, 7), np.uint8))[:-1], "image 'upload' cannot be read"),
        (b"\x93NUMPY\x09\x00", "image 'upload' cannot be read"),
        (saved(np.zeros((4, 6, 7), np.uint8)).replace(b"(4, 6, 7)", b"(9999999, 9999999, 7)"), "cannot be read|pixels"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(content, sentence):
    with pytest.raises(InputError, match=sentence):
        pictures.read_codes(content, SEVEN)


def test_an_image_file_for_seven_channels_names_the_remedy(tmp_path):
    Image.new("RGBA", (6, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"has 1, 3 or 4 channels, the network takes 7; give an array, uint8 \(height"):
        pictures.read_codes(str(tmp_path / "a.png"), SEVEN)


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, [0, 0, 0]), (2, [1, 1, 1]), (3, [0, 1, 2]), (4, [0, 1, 2]), (7, [3] * 3)]
)
def test_overlays_of_any_channels(channels, shown):
    codes = np.broadcast_to(np.arange(channels, dtype=np.uint8), (2, 3, channels))
    assert in_colour(codes)[0, 0].tolist() == shown
    mask = np.array([[True, False, False], [False, False, True]])
    with Image.open(io.BytesIO(pictures.overlay_png(codes, mask))) as overlay:
        assert overlay.size == (3, 2) and overlay.getpixel((1, 0)) == tuple(shown)
