"""Networks that Brevitas made, as HLS accelerators: each layer's C++ and the whole program, compiled and exact.

What HLS does not take is refused by ``check --backend hls``, by the sentence of the back end itself.
"""

import re

import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.backends.hls.check import check_hls
from hw_build.backends.hls.graph import hls_graph
from hw_build.base.errors import LoweringError
from hw_build.base.export import read_export
from hw_build.cli.main import main
from hw_build.flow.check import lowers
from hw_build.lowering.specialize import DEFAULT_PART
from tests.hw_build.hls_programs import assert_exact_in_hls, lowered
from tests.zoo.networks import NETWORKS
from tests.zoo.test_zoo import exported

torch.set_num_threads(1)

CYCLES_PER_PIXEL = 7  # most layers fold, and by numbers that do not divide each other


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_brevitas_networks_are_exact_in_hls_or_refused(name, tmp_path):
    exported(name, tmp_path / "net.onnx")
    assert main(["adopt", str(tmp_path / "net.onnx"), "--out", str(tmp_path / "export")]) == 0
    golden = read_export(tmp_path / "export")
    verdicts, model = check_hls(golden.model), ModelWrapper(str(golden.model))
    if not lowers(verdicts):
        (reason,) = {verdict.reason for verdict in verdicts if verdict.reason}
        with pytest.raises(LoweringError, match=re.escape(reason)):
            hls_graph(lowered(model), DEFAULT_PART, 10**6)
        return
    assert_exact_in_hls(model, golden.codes, golden.logits, tmp_path, cycles_per_pixel=CYCLES_PER_PIXEL)
