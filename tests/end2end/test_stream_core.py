"""The packaged core of a whole small network, from the sources in its folder: golden logits and masks, and a reset."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hw_build"))
sys.path.insert(0, str(Path(__file__).parents[1] / "rtl"))
import exports
from ipxact_rules import elements, texts
from stream_core import build_core, run, words_of

from board import registers as reg
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from tests.hw_build import synthetic

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["one_class", "four_classes_of_odd_size"])
def export(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    if request.param == "one_class":
        return read_export(exports.write_export(folder))
    return read_export(exports.write_export(folder, synthetic.classes(9, 13), height=9, width=13))


@pytest.fixture(scope="module")
def core(export, tmp_path_factory):
    """The simulator of what ``component.xml`` lists, in its order."""
    folder = tmp_path_factory.mktemp("build")
    options = ["--export", str(export.golden.parent), "--board", "pynq-z2", "--out", str(folder)]
    assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
    assert cli.main(["ip", "--out", str(folder)]) == 0
    synthesis = elements(ElementTree.parse(folder / "ip" / "component.xml").getroot(), "fileSet")[0]
    return build_core([folder / "ip" / name for name in texts(synthesis, "file/name")])


@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("mask", [False, True])
def test_golden_frames(core, export, mask, idle, stall):
    expected = words_of(export.logits, mask)
    _, read, words, lasts = run(
        core, export.codes.reshape(-1, 3), len(expected), writes=[(reg.OUTPUT_MODE, int(mask))],
        reads=[reg.HEIGHT, reg.WIDTH, reg.CLASSES, reg.FRAMES_DONE],
        pins={"pixels_after": 1, "reads_after": len(expected)},
        idle=idle, stall=stall,
    )  # fmt: skip
    assert words == expected
    assert np.flatnonzero(lasts).tolist() == [len(expected) // 2 - 1, len(expected) - 1]
    assert [value for _, value in read] == [*export.size, export.classes, 2]


def test_reset_in_the_middle_of_a_frame(core, export):
    """A frame, the first rows of another, a reset as soon as the first is out; then whole frames."""
    pixels, expected = export.codes.reshape(-1, 3), words_of(export.logits[[0, 0, 1]], mask=False)
    frame, given = len(pixels) // 2, len(expected) // 3
    _, _, words, lasts = run(
        core, np.concatenate([pixels[:frame], pixels[: frame // 4], pixels]), 3 * given,
        writes=[(reg.SOFT_RESET, reg.SOFT_RESET_RESET)],
        pins={"first_pixels": frame + frame // 4, "writes_after": given, "pixels_after": 1},
    )  # fmt: skip
    assert words == expected
    assert np.flatnonzero(lasts).tolist() == [given - 1, 2 * given - 1, 3 * given - 1]
