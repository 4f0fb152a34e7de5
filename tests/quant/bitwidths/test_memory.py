"""What a stream keeps on chip: lags against gradients, windows and frames against arithmetic by hand."""

import pytest
import torch
from torch import fx, nn

import models
from quant.bitwidths.memory import _delays, codes_on_chip
from quant.twin.structure import Structure

SEED = 3


def run(name, size):
    torch.manual_seed(SEED)
    network = models.build(name).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 3.0)  # keeps every ReLU open, so that gradients show all that is read
    structure = Structure(network)
    x = torch.rand(1, 3, *size, requires_grad=True)
    recorder = fx.Interpreter(structure.graph.root, graph=structure.graph.graph, garbage_collect_values=False)
    recorder.run(x)
    outputs = {node: recorder.env[node] for node in structure.nodes if node.op != "output"}
    shapes = {node.name: tuple(output.shape[1:]) for node, output in outputs.items()}
    return structure, x, outputs, shapes


@pytest.mark.parametrize("name", ["cmunext-tiny-hw", "unet3"])
def test_a_row_needs_the_input_up_to_its_delay_and_no_further(name):
    structure, x, outputs, shapes = run(name, (64, 16))
    delays = _delays(structure, shapes)
    for node, output in outputs.items():
        if node.op == "placeholder":
            continue
        stride = 64 // output.shape[2]
        reach = set()
        for row in range(output.shape[2] // 4, output.shape[2] // 2):
            (gradient,) = torch.autograd.grad(output[0, :, row].sum(), x, retain_graph=True)
            last = int(torch.nonzero(gradient.abs().amax((0, 1, 3))).max())
            reach.add(last - row * stride)
        assert max(reach) == delays[node], node.name


def test_windows_lags_and_frames_by_hand():
    structure, _, _, shapes = run("cmunext-tiny-hw", (32, 32))
    held = codes_on_chip(structure, shapes)
    window = (3 - 1) * 32 + 3
    assert held[""] == 3 * window
    assert held["stem.2"] == 4 * window  # the residual around the depthwise 3x3 lies in its window
    assert held["encoder.0.0.0.fn.2"] == 4  # the later operand of a sum waits for nothing
    assert held["encoder.0.0.2.2"] == 16  # read by a 1x1
    # skip: pool 1, two 5x5 and a 3x3 on half the rows 2 * (2 + 2 + 1), upsampling 1, 3x3 1: 13 rows; and the pooled
    # rows of the 5x5 behind
    assert held["encoder.0.1.2"] == 4 * (13 * 32 + 1) + 4 * ((5 - 1) * 16 + 5)


def test_the_skips_of_the_demos_network_are_whole_frames():
    structure, _, _, shapes = run("cmunext-xxs-hw", (64, 64))
    held = codes_on_chip(structure, shapes)
    for name, channels, side in (("encoder.0.3.2", 8, 64), ("encoder.1.1.2", 10, 32), ("encoder.2.1.2", 12, 16)):
        assert channels * side * side <= held[name] < channels * side * side * 1.5
