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
from stream_core import build_core, logit_words, mask_words, run

from board import registers as reg
from hw_build.base.export import read_export
from hw_build.cli import main as cli

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return read_export(exports.write_export(tmp_path_factory.mktemp("export")))


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
    expected = mask_words(export.logits) if mask else logit_words(export.logits)
    _, read, words, lasts = run(
        core, export.codes.reshape(-1, 3), len(expected), writes=[(reg.OUTPUT_MODE, int(mask))],
        reads=[reg.HEIGHT, reg.WIDTH, reg.FRAMES_DONE], pins={"pixels_after": 1, "reads_after": len(expected)},
        idle=idle, stall=stall,
    )  # fmt: skip
    assert words == expected
    assert np.flatnonzero(lasts).tolist() == [len(expected) // 2 - 1, len(expected) - 1]
    assert [value for _, value in read] == [*export.size, 2]


def test_reset_in_the_middle_of_a_frame(core, export):
    """A frame, the first rows of another, a reset as soon as the first is out; then whole frames."""
    pixels, logits = export.codes.reshape(-1, 3), export.logits
    frame = len(pixels) // 2
    _, _, words, lasts = run(
        core, np.concatenate([pixels[:frame], pixels[: frame // 4], pixels]), 3 * frame,
        writes=[(reg.SOFT_RESET, reg.SOFT_RESET_RESET)],
        pins={"first_pixels": frame + frame // 4, "writes_after": frame, "pixels_after": 1},
    )  # fmt: skip
    assert words == logit_words(logits[:1]) + logit_words(logits)
    assert np.flatnonzero(lasts).tolist() == [frame - 1, 2 * frame - 1, 3 * frame - 1]
