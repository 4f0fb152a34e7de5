"""Damping of quantized weights: the distance of the paper, its gradient, and weights that end nearer to their codes."""

import numpy as np
import pytest
import torch

from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.data.pairs import load_samples
from quant.layers.fused import FusedQuantConv2d
from quant.operators.filters import is_filters
from quant.training.objective import Objective
from quant.training.train import fit
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble

SEED, SIDE = 9, 32


def distance(weights, bits):
    """Sum of squares in numpy, and twice the differences: codes of ``bits``, narrow range, a step of 2**(1 - bits)."""
    step, most = 2.0 ** (1 - bits), 2 ** (bits - 1) - 1
    codes = np.clip(np.round(weights / step), -most, most)
    apart = np.clip(weights, -most * step, most * step) - codes * step
    return (apart**2).sum(), 2 * apart


def test_the_distance_and_its_gradient_are_those_of_the_paper():
    torch.manual_seed(SEED)
    twin = assemble("cmunext-tiny-hw", QuantConfig.read("w4a4"))
    filters = [module for module in twin.modules() if isinstance(module, FusedQuantConv2d)]
    assert len(filters) == len([module for module in twin.modules() if is_filters(module)]) - 1, "all but the head"
    for module in filters:
        with torch.no_grad():
            module.weight.copy_(torch.randn(module.weight.shape))  # a part of them clipped
        bits = int(module.weight_quant.bit_width())
        wanted, slope = distance(module.weight.detach().double().numpy(), bits)
        module.off_grid().backward()
        assert module.off_grid().item() == pytest.approx(wanted, rel=1e-4)
        np.testing.assert_allclose(module.weight.grad.numpy(), slope, atol=1e-6)
    x, masks = torch.rand(2, 3, SIDE, SIDE), torch.zeros(2, 1, SIDE, SIDE)
    with torch.no_grad():
        plain, damped = (Objective(damping=weight)(twin.eval(), x, masks).item() for weight in (0.0, 0.5))
    total = sum(
        distance(module.weight.detach().double().numpy(), int(module.weight_quant.bit_width()))[0] for module in filters
    )
    assert damped - plain == pytest.approx(0.5 * total, rel=1e-4)


def config(squares, **changes):
    return TrainConfig(
        **{
            "model": "cmunext-tiny-hw",
            "data": str(squares),
            "size": SIDE,
            "epochs": 4,
            "batch": 4,
            "lr": 5e-3,
            **changes,
        }
    )


def test_the_weight_rises_with_the_cosine():
    found = [config("data", epochs=5, damp=2.0).damping(epoch) for epoch in range(5)]
    assert found == pytest.approx([0.0, 1 - 0.5**0.5, 1.0, 1 + 0.5**0.5, 2.0])
    assert config("data", epochs=1).damping(0) == 0.0


@pytest.mark.slow
def test_damped_weights_end_nearer_to_their_codes_and_a_float_network_knows_nothing_of_it(squares, tmp_path, capsys):
    samples, apart = load_samples(squares, "train", (SIDE, SIDE)), {}
    fit(config(squares), None, tmp_path / "float", samples, quiet=True)
    fit(config(squares, damp=1.0), None, tmp_path / "same", samples, quiet=True)
    float_weights, same = (checkpoints.load(tmp_path / run / "weights.pt")["state"] for run in ("float", "same"))
    assert all(torch.equal(float_weights[key], same[key]) for key in same)
    links = {"init_from": tmp_path / "float" / "weights.pt"}
    for damp in (0.0, 1.0):
        fit(config(squares, damp=damp), QuantConfig.read("w4a4"), tmp_path / str(damp), samples, quiet=True, **links)
        state = checkpoints.load(tmp_path / str(damp) / "last.pt")["state"]
        inner = [key for key in state if key.endswith("0.weight") and "stem" not in key and state[key].dim() == 4]
        apart[damp] = sum(distance(state[key].double().numpy(), 4)[0] for key in inner)
        assert len(inner) > 5
    assert apart[1.0] < 0.5 * apart[0.0]
    command = ["train", "--model", "cmunext-tiny-hw", "--data", str(squares), "--out", str(tmp_path / "run")]
    assert main([*command, "--damp", "1"]) == 2
    assert capsys.readouterr().err == "error: --damp has no effect without --quant; give both\n"
