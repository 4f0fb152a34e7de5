"""`check` says that a network lowers if and only if a build stitches it: random graphs, some of them wrong."""

import copy
import json

import numpy as np
import pytest

from hw_build.base.errors import EdgesegError
from hw_build.flow.check import check, lowers
from hw_build.graph.editor import GraphEditor
from hw_build.lowering import execute_codes, lowering_steps
from hw_build.lowering.intake import load_network
from hw_build.stitch import stitch
from tests.hw_build import synthetic


def random_network(seed):
    """A few blocks drawn at random; about half of the graphs hold something that does not lower."""
    rng = np.random.default_rng(seed)
    net = synthetic.Net(seed=seed)
    current, size = net.conv_bn(net.image(int(rng.choice([1, 3, 4]))), 4, 3, "stem", bits=8), 16
    for index in range(rng.integers(1, 4)):
        name, same = f"b{index}", net.scales[current]
        kind = rng.choice(["conv", "depthwise", "signed", "pool", "sum", "fork", "concat", "unlike", "ragged", "float"])
        if kind == "conv":
            current = net.conv_bn(current, int(rng.choice([3, 4])), int(rng.choice([1, 3, 5])), name)
        elif kind == "depthwise":
            current = net.residual_depthwise(current, 3, name)
        elif kind == "signed":
            current = net.conv_bn(current, 4, 1, name, relu=False)
        elif kind == "pool":
            current = net.upsample(net.pool(current, f"{name}_low"), name)
        elif kind == "sum":
            other = net.conv_bn(current, net.channels[current], 3, f"{name}_o", scale=same)
            current = net.add(current, other, 2 * same, name=name)
        elif kind == "fork":
            parts = [net.conv_bn(current, 2, 1, f"{name}_{number}") for number in range(5)]
            net.node("Concat", parts, name, axis=1)
            current, net.channels[name], net.scales[name] = name, 10, net.scales[parts[0]]
        elif kind == "concat":
            current = net.concat(current, net.conv_bn(current, 3, 1, f"{name}_o", scale=same), name)
        elif kind == "unlike":  # scales
            other = net.conv_bn(current, net.channels[current], 1, f"{name}_o", scale=same / 2)
            current = net.add(current, other, same, name=name)
        elif kind == "ragged":  # shapes
            current = net.add(current, net.conv_bn(current, 1, 1, f"{name}_o", scale=same), same, name=name)
        else:
            current = net.quant(net.node("HardSwish", [current], f"{name}_gate"), same, name=name)
    return net.model(net.head(current), size, size)


def stitched(path, folder):
    """Whether the steps of a build end well, each exact; and the kernels that they made."""
    model = load_network(path)
    image = tuple(model.get_tensor_shape(model.graph.input[0].name))
    codes = np.random.default_rng(1).integers(0, 256, (1, *image[2:], image[1]), dtype=np.uint8)
    expected = execute_codes(model, codes) if _executes(model, codes) else None
    try:
        for step in lowering_steps():
            model = step.run(copy.deepcopy(model))
        stitch(model, folder)
    except EdgesegError:
        return False, set()
    np.testing.assert_array_equal(execute_codes(model, codes), expected)
    return True, {node.op_type for node in GraphEditor(model).nodes}


def _executes(model, codes):
    try:
        execute_codes(model, codes)
    except EdgesegError:
        return False
    return True


def agree(seed, tmp_path):
    path = tmp_path / "random.onnx"
    random_network(seed).save(str(path))
    verdicts = check(path)
    ends_well, made = stitched(path, tmp_path / "rtl")
    assert lowers(verdicts) == ends_well, (seed, [verdict for verdict in verdicts if not verdict.lowers])
    if ends_well:
        named = {word for verdict in verdicts for word in verdict.kernel.replace(",", "").split() if "_rtl" in word}
        assert named == made - {"StreamFork_rtl"}, seed
    return ends_well


@pytest.mark.parametrize("start", [0, 6])
def test_check_and_build_agree(tmp_path, start):
    outcomes = [agree(seed, tmp_path) for seed in range(start, start + 6)]
    assert {True, False} == set(outcomes)


@pytest.mark.slow
def test_check_and_build_agree_on_many(tmp_path):
    outcomes = [agree(seed, tmp_path) for seed in range(100, 300)]
    assert 40 < sum(outcomes) < 180, json.dumps(outcomes)
