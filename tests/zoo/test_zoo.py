"""Networks that Brevitas made, adopted, built, and streamed through the simulated RTL: every integer exact.

Source and sink stall at random. What is exact is decided by qonnx' execution of the file that Brevitas wrote.
"""

import brevitas.nn as qnn
import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model

from hw_build.base.export import read_export
from hw_build.cli.main import main
from tests.zoo import unet
from tests.zoo.networks import NETWORKS, QCDQ, TRACED_BY_DYNAMO, make

torch.set_num_threads(1)

QUICK = ("w4a4", "w8a8_fixed", "inverted_bottleneck_signed", "unet_of_joins_fixed")
ROUNDING = 0.02  # of a step: float32 sums in another order


def exported(name, path):
    """Brevitas' export of the network ``name``, and the network."""
    network, size = make(name)
    image = torch.rand(1, network.stem[0].in_channels, *size)
    export = export_onnx_qcdq if name in QCDQ else export_qonnx
    export(network, args=image, export_path=str(path), dynamo=name in TRACED_BY_DYNAMO)
    return network


def executed(path, codes, scale):
    """What qonnx computes of the file: codes (N, H, W, C) -> floats (N, H, W, classes)."""
    model = cleanup_model(ModelWrapper(onnx.load(str(path))))
    name = model.graph.input[0].name
    images = codes.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(scale)
    found = [execute_onnx(model, {name: image[None]})[model.graph.output[0].name] for image in images]
    return np.concatenate(found).transpose(0, 2, 3, 1)


def assert_exact(name, folder):
    path, export, out = folder / f"{name}.onnx", folder / "export", folder / "build"
    network = exported(name, path)
    assert main(["adopt", str(path), "--out", str(export)]) == 0
    golden = read_export(export)
    steps = executed(path, golden.codes, network.step) / golden.manifest["output"]["logit_scale"]
    np.testing.assert_allclose(steps, golden.logits, rtol=0, atol=ROUNDING)
    assert np.ptp(golden.logits) > 8, "the network says something"
    where = ["--export", str(export), "--out", str(out)]
    assert main(["build", *where, "--board", "pynq-z2", "--stop-after", "stitch"]) == 0
    assert main(["simulate", *where, "--frames", "2", "--idle", "0.3", "--stall", "0.4", "--seed", "5"]) == 0


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_brevitas_networks_are_exact_in_simulated_rtl(name, tmp_path):
    assert_exact(name, tmp_path)


@pytest.mark.slow
def test_a_whole_unet_of_8_to_64_channels_is_exact_in_simulated_rtl(tmp_path):
    unet.write(32, tmp_path / "unet.onnx")
    assert main(["adopt", str(tmp_path / "unet.onnx"), "--out", str(tmp_path / "export")]) == 0
    where = ["--export", str(tmp_path / "export"), "--out", str(tmp_path / "build")]
    assert main(["build", *where, "--board", "pynq-z2", "--target-fps", "1000", "--stop-after", "stitch"]) == 0
    assert main(["simulate", *where, "--frames", "2", "--idle", "0.3", "--stall", "0.4", "--seed", "5"]) == 0


def test_there_are_thirty_and_more_and_they_are_brevitas_own():
    assert len(NETWORKS) >= 30 and set(QUICK) < set(NETWORKS)
    for name in NETWORKS:
        network, _ = make(name)
        layers = [module for module in network.modules() if isinstance(module, qnn.QuantConv2d)]
        assert len(layers) >= 3
        assert not any(type(module).__module__.startswith("quant") for module in network.modules())
