"""Two processes on the CPU (gloo) end with the weights of one process with twice the batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed, nn

from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError
from quant.training.ranks import join, share_statistics
from quant.training.train import train
from quant.training.train_config import TrainConfig
from quant.twin.networks import assemble
from quant.twin.quantized_layers import QuantizedNorm

ROOT = Path(__file__).resolve().parents[2]
SEED = 13
# of one step: in five levels at 32x32 rounding errors grow faster than in two
ONE_STEP = {"model": "cmunext-xxs-hw", "deep_supervision": 0.4, "epochs": 1, "batch": 16}
SETTINGS = {"batch": 8, "model": "cmunext-tiny-hw", "size": 32, "epochs": 2, "lr": 1e-3}


def torchrun(processes, *arguments):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [*launcher, "-m", "quant", "train", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, ONE_STEP])
def test_two_processes_train_the_network_of_one_with_twice_the_batch(squares, tmp_path, changes):
    settings = {**SETTINGS, **changes}
    alone = train(TrainConfig(**settings, data=str(squares), ema=0.5), None, tmp_path / "alone")
    options = [
        text
        for key, value in {**settings, "batch": settings["batch"] // 2}.items()
        for text in (f"--{key.replace('_', '-')}", value)
    ]
    run = torchrun(2, *options, "--data", squares, "--ema", 0.5, "--out", tmp_path / "two")
    assert run.returncode == 0, run.stderr
    printed = [line for line in run.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1, "one process prints the result"
    assert json.loads(printed[0])["iou_pooled8"] == pytest.approx(alone["iou_pooled8"], abs=0.02)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["last.pt", "log.csv", "weights.pt"]
    wanted, got = (checkpoints.load(tmp_path / run / "last.pt")["state"] for run in ("alone", "two"))
    torch.manual_seed(1)
    start = assemble(settings["model"], None).state_dict()
    apart, moved = 0.0, 0.0
    for key, value in wanted.items():
        if "running" in key:
            torch.testing.assert_close(got[key], value, rtol=1e-3, atol=1e-5)
        else:
            apart += (got[key] - value).double().square().sum().item()
            moved += (value - start[key]).double().square().sum().item()
    # Adam divides a gradient by its own size: where it is almost nothing, its rounding errors become steps.
    assert (apart / moved) ** 0.5 < 0.03


@pytest.fixture
def group_of_one():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("quantized", [False, True])
def test_shared_statistics_are_those_of_torch(group_of_one, quantized):
    torch.manual_seed(SEED)

    def norm():
        return QuantizedNorm(nn.BatchNorm2d(5), nn.Hardtanh(-1.0, 1.5)) if quantized else nn.BatchNorm2d(5)

    ours, theirs = nn.Sequential(norm()), norm()
    nn.init.uniform_(theirs.weight, 0.5, 2.0)
    ours[0].load_state_dict(theirs.state_dict())
    share_statistics(ours)
    results = []
    for module in (ours, theirs):
        x = torch.randn((4, 5, 6, 7), generator=torch.Generator().manual_seed(SEED)) * 3 + 1
        x.requires_grad_()
        y = module(x)
        (y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum().backward()
        results.append([y.detach(), x.grad, *(parameter.grad for parameter in module.parameters())])
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    for name, wanted in theirs.state_dict().items():
        torch.testing.assert_close(ours[0].state_dict()[name], wanted)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-4)


def test_one_gpu_for_several_processes_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"--device cuda:1 names one GPU, but torchrun started 2 processes"):
        join("cuda:1")
