"""Global averages and products in exported graphs: exact after every step, and each refusal."""

import copy
import json
import re

import numpy as np
import pytest

from hw_build.base.errors import ConfigError, LoweringError
from hw_build.cli.main import main
from hw_build.kernels.fifo_memory import memory_cost
from hw_build.lowering import STEPS, set_input_size
from hw_build.lowering.intake import normalise
from tests.hw_build import synthetic
from tests.hw_build.test_intake import assert_exact


def squeezed(net, x, mean, *, swapped=False):
    """Squeeze and excitation of ``x`` by ``mean(net, x)``."""
    pooled = net.quant(mean(net, x), 2.0**-5, name="mean_q")
    gate = net.conv_bn(net.conv_bn(pooled, 2, 1, "squeeze"), net.channels[x], 1, "excite", relu=False)
    gate = net.quant(net.node("HardSigmoid", [gate], "sigmoid", alpha=1 / 6), 2.0**-4, name="gate")
    return net.node("Mul", [gate, x] if swapped else [x, gate], "product")


def network(change, *, opset=17, bits=4):
    net = synthetic.Net(seed=7, act_bits=bits)
    current = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    net.channels["product"] = 4
    product = net.quant(change(net, current), 2.0**-3, name="product_q")
    net.channels[product] = 4
    net.head(net.conv_bn(product, 4, 1, "last"))
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 16)
    model.model.opset_import[0].version = opset
    return model


def pool(net, x):
    return net.node("GlobalAveragePool", [x], "mean")


def reduced(**attributes):
    return lambda net, x: net.node("ReduceMean", [x], "mean", **attributes)


def lowered(model):
    model = normalise(copy.deepcopy(model))
    for step in STEPS:
        model = step.run(model)
    return model


def kernels(model):
    return {node.op_type for node in lowered(model).graph.node}


@pytest.mark.parametrize(
    ("mean", "bits", "kernel"),
    [(pool, 4, "CodeTable_rtl"), (reduced(axes=[-1, -2], keepdims=1), 8, "StreamMultiply_rtl")],
)
def test_squeeze_and_excitation(mean, bits, kernel):
    model = network(lambda net, x: squeezed(net, x, mean, swapped=bits == 8), bits=bits)
    assert {"GlobalSum_rtl", "StreamRepeat_rtl", kernel} <= kernels(model)
    assert_exact(model.model)


def test_product_of_equal_shapes():
    model = network(lambda net, x: net.node("Mul", [x, net.conv_bn(x, 4, 1, "other", relu=False)], "product"))
    assert "CodeTable_rtl" in kernels(model)
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda net, x: squeezed(net, x, reduced(axes=[1], keepdims=1)),
            r"\(ReduceMean\) averages over the axes \[1\]",
        ),
        (
            lambda net, x: net.node("Mul", [x, net.conv_bn(x, 2, 1, "other")], "product"),
            r"n_product \(Mul\) multiplies images of unlike shapes, 4x16x16 and 2x16x16: equal ones lower",
        ),
    ],
)
def test_refusals(change, sentence):
    with pytest.raises(LoweringError, match=sentence):
        lowered(network(change))


def test_another_size_of_a_frame_that_was_summed_is_refused():
    model = lowered(network(lambda net, x: squeezed(net, x, pool)))
    with pytest.raises(ConfigError, match=r"GlobalSum_rtl_0 averages 256 pixels, not 32x32, and what follows it was"):
        set_input_size(model, 32, 32)
    assert np.prod(model.get_tensor_shape("global_in")) == 16 * 16 * 3


def gate_of(side, channels=16):
    """Squeeze and excitation of so many channels of 8 bits, of an image of ``side``."""
    net = synthetic.Net(seed=7, act_bits=8)
    x = net.conv_bn(net.image(), channels, 3, "stem", bits=8)
    net.channels["product"] = channels
    product = net.quant(squeezed(net, x, pool), 2.0**-3, name="product_q")
    net.channels[product] = channels
    return net.model(net.head(product), side, side)


@pytest.mark.parametrize(("side", "fits"), [(32, True), (256, False)])
def test_a_frame_that_no_block_ram_holds_is_said(side, fits, tmp_path, capsys):
    gate_of(side).save(str(tmp_path / "gate.onnx"))
    status = main(["check", str(tmp_path / "gate.onnx"), "--board", "pynq-z2", "--json"])
    verdicts = json.loads(capsys.readouterr().out)
    assert status == (0 if fits else 2)
    if not fits:  # a frame of 16 channels of 8 bits is 8 Mbit, in blocks of 36 Kbit, and a row that is written
        held = -(-257 * 256 * 16 * 8 // 36_864)
        assert f"{held} hold 257 of 256 rows from" in verdicts[-1]["reason"]
        assert re.search(
            r"needs at least \d+ BRAM36, however it is folded, and pynq-z2 has 140", verdicts[-1]["reason"]
        )


def test_a_board_for_hls_is_refused(tmp_path, capsys):
    gate_of(16).save(str(tmp_path / "gate.onnx"))
    assert main(["check", str(tmp_path / "gate.onnx"), "--backend", "hls", "--board", "pynq-z2"]) == 2
    assert "--board counts block RAMs of our own kernels" in capsys.readouterr().err


@pytest.mark.slow
def test_a_gate_is_folded_and_its_fifo_sized(tmp_path):
    """The FIFO that waits for the gate holds a frame, and the optimiser's model counts what it takes."""
    gate_of(32).save(str(tmp_path / "gate.onnx"))
    assert main(["adopt", str(tmp_path / "gate.onnx"), "--out", str(tmp_path / "export")]) == 0
    where = ["--export", str(tmp_path / "export"), "--out", str(tmp_path / "build"), "--board", "pynq-z2"]
    assert main(["build", *where, "--target-fps", "4000", "--size-fifos", "--stop-after", "latency"]) == 0
    depths = json.loads((tmp_path / "build/steps/fifos/depths.json").read_text())
    frame = 32 * 32 * 16  # elements, and beats
    assert frame < depths["stem_act_codes_fork1"] <= frame + 2048
    counted = json.loads((tmp_path / "build/report.json").read_text())["folding"]["fork_bram18"]
    sized = memory_cost(depths["stem_act_codes_fork1"], 8)[0]
    assert 8 <= sized <= counted + 1 and counted <= sized + 2
