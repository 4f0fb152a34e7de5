"""Networks that Brevitas made, as HLS accelerators: each layer's C++ and the whole program, compiled and exact."""

import pytest
import torch

from hw_build.backends.hls.check import check_hls
from hw_build.base.export import read_export
from hw_build.cli.main import main
from hw_build.flow.check import lowers
from hw_build.report.data import read_report
from tests.zoo.networks import NETWORKS
from tests.zoo.test_zoo import exported

torch.set_num_threads(1)

CYCLES_PER_PIXEL = 7  # most layers fold, and by numbers that do not divide each other
MORE_CYCLES = dict.fromkeys(  # windows of 5x5 before a pooling, or sixteen logits a pixel, take more
    (
        "average_pools_fixed",
        "spp_fixed",
        "averages_without_padding",
        "spatial_pyramid",
        "sixteen_classes_of_seven_slices",
    ),
    27,
)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_brevitas_networks_are_exact_in_hls(name, tmp_path):
    exported(name, tmp_path / "net.onnx")
    assert lowers(check_hls(tmp_path / "net.onnx"))
    where = ["--export", str(tmp_path / "export"), "--out", str(tmp_path / "build")]
    assert main(["adopt", str(tmp_path / "net.onnx"), "--out", str(tmp_path / "export")]) == 0
    height, width = read_export(tmp_path / "export").size
    fold = ["--folding", str(MORE_CYCLES.get(name, CYCLES_PER_PIXEL) * height * width)]
    assert main(["build", *where, *fold, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert main(["hls", *where, "--no-synthesis"]) == 0
    (line,) = [line for line in read_report(tmp_path / "build" / "report.json").verification if line.step == "hls"]
    assert line.exact and line.against.startswith("golden logits of 2 images, whole; numpy, ")
