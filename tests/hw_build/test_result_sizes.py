"""Networks whose results have another size than the image: classifiers of one pixel, coarse and enlarged maps.

From the file to the simulated board: check, adopt, build, simulated RTL, jobs on the simulated shell.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports

from board.io_spec import decide, read_io_spec
from hw_build.base.errors import BuildError
from hw_build.base.export import read_export
from hw_build.cli.main import main
from hw_build.flow.check import check, lowers
from hw_build.implement.board_sim.build import build_board
from hw_build.implement.board_sim.job import memory_bytes, run_job
from hw_build.implement.board_sim.library import SimulatedBoard
from hw_build.implement.shell.generate import Shell
from tests.hw_build.synthetic import Net


def classifier(size=(12, 20)):
    """Four logits of the whole image."""
    net = Net(seed=5)
    current = net.conv_bn(net.conv_bn(net.image(), 4, 3, "stem", bits=8), 6, 3, "low", strides=(2, 2), pads=[1] * 4)
    mean = net.quant(net.node("GlobalAveragePool", [current], "mean"), 2.0**-4, name="mean_q")
    return net.model(net.head(mean, classes=4), *size), (1, 1)


def coarse(size=(12, 20)):
    """A logit for each block of 4x4 pixels."""
    net = Net(seed=6)
    current = net.conv_bn(net.image(), 4, 4, "stem", bits=8, strides=(4, 4), pads=[0] * 4)
    return net.model(net.head(net.conv_bn(current, 4, 3, "more")), *size), (size[0] // 4, size[1] // 4)


def enlarged(size=(6, 10)):
    """ESPCN's: more pixels than the image has, three of them a pixel."""
    net = Net(seed=7)
    deep = net.conv_bn(net.conv_bn(net.image(), 4, 3, "stem", bits=8), 16, 3, "deep")
    net.scales["up"] = net.scales[deep]
    net.node("DepthToSpace", [deep], "up", blocksize=2)
    net.channels["up"] = 4
    return net.model(net.head("up", classes=3), *size), (2 * size[0], 2 * size[1])


def smaller(size=(12, 20)):
    """Convolutions that do not pad."""
    net = Net(seed=8)
    return net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8, pads=[0] * 4)), *size), (10, 18)


FORMS = {"classifier": classifier, "coarse": coarse, "enlarged": enlarged, "smaller": smaller}


def adopted(name, folder):
    model, size = FORMS[name]()
    model.save(str(folder / "net.onnx"))
    assert main(["adopt", str(folder / "net.onnx"), "--out", str(folder / "export"), "--count", "3"]) == 0
    return folder / "export", size


@pytest.mark.parametrize("name", FORMS)
def test_check_and_adopt_say_the_size(name, tmp_path):
    folder, size = adopted(name, tmp_path)
    export, verdicts = read_export(folder), check(tmp_path / "net.onnx")
    image = "x".join(map(str, export.size))
    assert lowers(verdicts)
    assert verdicts[-1].kernel == f"results of {size[0]}x{size[1]} for images of {image}"
    assert export.logits.shape[1:3] == export.masks.shape[1:] == size
    assert [export.manifest["output"][key] for key in ("height", "width")] == list(size)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_built_simulated_and_run_as_jobs(name, tmp_path):
    folder, size = adopted(name, tmp_path)
    where = ["--export", str(folder), "--out", str(tmp_path / "build")]
    assert main(["build", *where, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert main(["simulate", *where, "--frames", "3", "--idle", "0.3", "--stall", "0.4", "--seed", "5"]) == 0
    spec = read_io_spec(tmp_path / "build" / "io_spec.json")
    assert spec.out_size == size
    export, shell = read_export(folder), Shell.load(tmp_path / "build")
    library = build_board(tmp_path / "build")
    with SimulatedBoard(library, memory_bytes=memory_bytes(spec, 3), stall=0.2, latency=10, seed=3) as board:
        for mask in (False, True):
            found = run_job(board, shell.system.control_base, spec, export.codes, mask=mask, max_cycles=10**6)
            expected = spec.pack(decide(export.logits) if mask else export.logits)
            np.testing.assert_array_equal(found.view("<u4"), expected)


def test_a_size_that_the_manifest_does_not_say_is_refused(tmp_path):
    folder, _ = adopted("smaller", tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["output"]["height"], manifest["output"]["width"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        BuildError, match="has logits of 10x18 for images of 12x20, which its manifest does not say: exp"
    ):
        read_export(folder)


@pytest.mark.slow
def test_the_demo_shows_a_small_mask_over_the_image(tmp_path):
    folder, _ = adopted("coarse", tmp_path)
    image = exports.save_image(tmp_path / "own.png", read_export(folder).codes[0])
    mask = exports.save_image(tmp_path / "mask.png", np.full((12, 20), 255, np.uint8))
    options = ["--export", str(folder), "--out", str(tmp_path / "build"), "--board", "pynq-z2"]
    assert main(["demo", *options, "--image", str(image), "--mask", str(mask)]) == 0
    report = json.loads((tmp_path / "build" / "report.json").read_text())
    assert report["image"]["differing_logits"] == 0 and report["image"]["iou"] is not None
