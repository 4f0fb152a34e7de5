"""Lists and folders as people have them, through board and quant alike: encodings, suffixes, other files, masks."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from board.dataset import ImageFolder, list_pairs, read_list
from board.errors import InputError
from quant.base.errors import DataError
from quant.data.layouts import list_pairs as list_pairs_of_quant
from quant.data.pairs import load_samples


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def left_and_right(folder, *names):
    """Masks of which each has two columns of its own."""
    for index, name in enumerate(names):
        mask = np.zeros((8, 8), np.uint8)
        mask[:, 2 * index : 2 * index + 2] = 1
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(folder / name)


def both(folder, split="val"):
    """What board finds; quant must find the same."""
    found = list_pairs(str(folder), split)
    pairs = list_pairs_of_quant(folder, split)
    assert [(str(pair.image), [str(mask) for mask in pair.masks]) for pair in pairs] == found
    return found


@pytest.mark.parametrize(
    "content",
    [
        "a\nb b\nç\n".encode(),
        "\ufeffa\r\nb b\r\n\r\nç".encode(),
        "a\rb b\rç\r".encode(),
        "\n\n  a  \n\tb b\t\n\n\nç\u200b\n \n".encode(),
        "a\r\nb b\r\nç\r\n".encode("utf-16"),
        b"\xfe\xff" + "a\nb b\nç\n".encode("utf-16-be"),
        "a\n\ufeffb b\n\ufeffç\n".encode(),  # lists joined to one
        unicodedata.normalize("NFD", "a\nb b\nç\n").encode(),
    ],
)
def test_lists_of_any_editor_are_read(tmp_path, content):
    for name in ("a", "b b", "ç"):
        save(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "val.txt").write_bytes(content)
    assert [image for image, _ in both(tmp_path)] == [str(tmp_path / "images" / f"{n}.png") for n in ("a", "b b", "ç")]


@pytest.mark.parametrize("content", ["é\n".encode("latin-1"), "a\n".encode("utf-16-le"), b"\x89PNG\r\n"])
def test_lists_that_are_no_text_are_refused(tmp_path, content):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    (tmp_path / "val.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"list '.*val\.txt' is not UTF-8 text; save it as UTF-8"):
        read_list(tmp_path / "val.txt")
    with pytest.raises(DataError, match=r"list '.*val\.txt' is not UTF-8 text"):
        list_pairs_of_quant(tmp_path, "val")


def test_names_in_either_unicode_composition_are_found(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Läsion é")
    save(tmp_path / "images" / f"{decomposed}.png")
    save(tmp_path / "masks" / f"{decomposed}_mask.png")
    (tmp_path / "val.txt").write_text("Läsion é\n", encoding="utf-8")
    assert len(both(tmp_path)) == 1
    (tmp_path / "val.txt").unlink()
    split = [name for name in ("train", "val") if _names(tmp_path, name)]
    for kind, ending in (("images", ""), ("masks", "_mask")):
        (tmp_path / kind / f"{decomposed}{ending}.png").rename(tmp_path / kind / f"Läsion é{ending}.png")
    assert [name for name in ("train", "val") if _names(tmp_path, name)] == split  # the same on every file system


def _names(folder, split):
    try:
        return [pair.name for pair in list_pairs_of_quant(folder, split)]
    except DataError:
        return []


@pytest.mark.parametrize("suffix", ["PNG", "JPG", "jpeg", "tif", "TIFF", "bmp", "BMP", "gif", "webp", "pgm"])
def test_suffixes_in_any_case(tmp_path, suffix):
    save(tmp_path / "images" / f"a.{suffix}", 100)
    left_and_right(tmp_path / "masks", "a.PNG")
    (tmp_path / "val.txt").write_text("a\n")
    assert both(tmp_path) == [(str(tmp_path / "images" / f"a.{suffix}"), [str(tmp_path / "masks" / "a.PNG")])]
    assert load_samples(tmp_path, "val", (8, 8)).masks.sum() == 16
    (tmp_path / "val.txt").unlink()
    assert _names(tmp_path, "train") + _names(tmp_path, "val") == ["a"]


def test_what_is_no_image_is_ignored(tmp_path):
    for kind in ("images", "masks"):
        save(tmp_path / kind / "a.png")
        save(tmp_path / kind / "real" / "b.png")
        (tmp_path / kind / "b.png").symlink_to(tmp_path / kind / "real" / "b.png")
        (tmp_path / kind / "folder.png").mkdir()
        (tmp_path / kind / "linked.png").symlink_to(tmp_path / kind / "real")
        for name in ("._a.png", "._b.png", ".DS_Store", ".hidden.png", "Thumbs.db", "README.txt", "desktop.ini", "png"):
            (tmp_path / kind / name).write_bytes(b"\0\5\x16\7")
    assert sorted(_names(tmp_path, "train") + _names(tmp_path, "val")) == ["a", "b"]
    (tmp_path / "val.txt").write_text("a\nb\nreal/b\n")
    assert [len(masks) for _, masks in both(tmp_path)] == [1, 1, 1]
    (tmp_path / "val.txt").write_text("folder\n")
    with pytest.raises(InputError, match="no image 'folder' with one of"):
        list_pairs(tmp_path, "val")


def test_every_mask_of_an_image_counts(tmp_path):
    save(tmp_path / "images" / "a.png")
    endings = ("", "_mask", "_MASK_1", "_mask2", "_segmentation", "_Segmentation_3")
    left_and_right(tmp_path / "masks", *(f"a{ending}.png" for ending in endings[:4]))
    for ending in endings[4:]:
        save(tmp_path / "masks" / f"a{ending}.TIF")
    for other in ("ab.png", "a_1.png", "a_masked.png", "b_a_mask.png", "._a_mask_4.png", "a_mask_1.txt"):
        (tmp_path / "masks" / other).write_bytes(b"")
    (tmp_path / "val.txt").write_text("a\n")
    ((_, masks),) = both(tmp_path)
    assert sorted(mask.rsplit("/", 1)[1].split(".")[0] for mask in masks) == sorted(f"a{ending}" for ending in endings)
    assert load_samples(tmp_path, "val", (8, 8)).masks.all()


def test_the_mask_of_an_image_whose_name_ends_like_a_mask_is_its_own(tmp_path):
    for name in ("a", "a_mask"):
        save(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "val.txt").write_text("a\na_mask\n")
    assert [[mask.rsplit("/", 1)[1] for mask in masks] for _, masks in both(tmp_path)] == [["a.png"], ["a_mask.png"]]


def test_two_files_of_one_name_are_refused(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "images" / "a.PNG")
    save(tmp_path / "masks" / "a.png")
    (tmp_path / "val.txt").write_text("a\n")
    with pytest.raises(InputError, match=r"a\.PNG' and '.*a\.jpg' have the same name; remove one of them"):
        list_pairs(tmp_path, "val")
    with pytest.raises(DataError, match="have the same name; remove one of them"):
        list_pairs_of_quant(tmp_path, "val")


def test_missing_things_are_named(tmp_path):
    with pytest.raises(
        InputError, match=r"folder '.*nowhere' cannot be read \(No such file or directory\); check the data"
    ):
        ImageFolder(tmp_path / "nowhere")
    save(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    with pytest.raises(
        InputError, match=r"list '.*val\.txt' cannot be read \(No such file or directory\); give the folder"
    ):
        list_pairs(tmp_path, "val")
    (tmp_path / "val.txt").write_text("a\n")
    for error, listing in ((InputError, list_pairs), (DataError, list_pairs_of_quant)):
        with pytest.raises(error, match=r"no mask of 'a' in '.*masks', neither with its name nor .*pgm, .pbm; add it"):
            listing(tmp_path, "val")
    (tmp_path / "val.txt").write_text("\ufeff \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"list '.*val\.txt' names no image; add names to it"):
        list_pairs(tmp_path, "val")
    for name in ("a.png", "gone/a", "/a"):
        (tmp_path / "val.txt").write_text(f"{name}\n")
        with pytest.raises(
            InputError, match=rf"no image '{name}' with one of .* in .*; check the list, which holds names"
        ):
            list_pairs(tmp_path, "val")
