"""An untrained twin: exports as a trained one does, is the same for the same seed, and never passes for trained."""

import contextlib
import json
import os
import resource
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models import registry
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError
from quant.bench.sessions import as_images, run, sessions
from quant.bench.training import training_contenders
from quant.bitwidths.subject import Subject, SubjectConfig
from quant.evaluation.predict import predict_masks
from quant.integer import IntegerReference
from quant.twin.networks import from_checkpoint, require_size

COMMON = ["untrained", "--model", "cmunext-tiny-hw", "--quant", "w4a4", "--size", "32"]


def written(path, *options):
    assert main([*COMMON, "--out", str(path), *options]) == 0
    return checkpoints.load(path)


@pytest.mark.parametrize("bits", ["w4a4", "w3a3", "w2a4"])
def test_export_is_exact_and_says_untrained(tmp_path, capsys, bits):
    checkpoint = written(tmp_path / "network.pt", "--quant", bits)
    assert checkpoint["untrained"] and checkpoint["quant"]["name"] == bits and checkpoint["size"] == [32, 32]
    assert capsys.readouterr().out.strip().endswith(f"cmunext-tiny-hw at {bits}, untrained")
    assert main(["export", "--checkpoint", str(tmp_path / "network.pt"), "--out", str(tmp_path / "export")]) == 0
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    assert manifest["model"]["trained"] is False
    with np.load(tmp_path / "export" / "golden.npz") as golden:
        assert np.array_equal(IntegerReference(tmp_path / "export").run(golden["codes"]), golden["logits"])
        assert len(np.unique(golden["logits"])) > 10  # no dead network


@dataclass(frozen=True)
class Odd:
    in_channels: int = 3
    classes: int = 1
    input_size: int = 17


class Padded(nn.Module):
    """As many U-Nets are written: what pooling lost is padded, as much as the image at hand needs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(8, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        y = functional.interpolate(self.pool(x), scale_factor=2)
        y = functional.pad(y, [0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]])
        return self.head(torch.cat([x, y], dim=1))


@pytest.mark.parametrize("size", ["17x13", "18"])
def test_pads_that_a_forward_works_out_are_exported_for_every_size(tmp_path, monkeypatch, size):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    registry.register("padded", "", Odd(), lambda config: Padded())
    checkpoint = str(tmp_path / "network.pt")
    assert main(["untrained", "--model", "padded", "--quant", "w4a4", "--size", "16", "--out", checkpoint]) == 0
    assert main(["export", "--checkpoint", checkpoint, "--size", size, "--out", str(tmp_path / "export")]) == 0
    manifest = json.loads((tmp_path / "export" / "manifest.json").read_text())
    height, _, width = size.partition("x")
    assert [manifest["input"][side] for side in ("height", "width")] == [int(height), int(width or height)]


def test_several_outputs_are_a_sentence(monkeypatch, tmp_path, capsys):
    class Deep(Padded):
        def forward(self, x):
            return [super().forward(x)] * 2

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    registry.register("deep", "", Odd(), lambda config: Deep())
    assert main(["untrained", "--model", "deep", "--quant", "w4a4", "--out", str(tmp_path / "network.pt")]) == 2
    assert "the network's forward returns a list; return" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="the network's forward returns a list; return its logits alone"):
        require_size(Deep(), "deep", (16, 16), 3)


def test_trained_network_says_so(exported):
    assert json.loads((exported / "manifest.json").read_text())["model"]["trained"] is True


def test_seed_is_all_that_it_depends_on(tmp_path):
    first, again, other = (written(tmp_path / f"{i}.pt", "--seed", seed)["state"] for i, seed in enumerate("335"))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--model", "resnet", "unknown network 'resnet'"),
        ("--size", "0", "--size must be positive, got 0x0"),
        ("--size", "33", "network 'cmunext-tiny-hw' does not accept images of 33x33: "),
        ("--size", "99999999", "--size 99999999x99999999 is more than 134217728 pixels; give a smaller one"),
        ("--seed", "-1", "--seed must be 0 to 4294967295, got -1"),
        ("--seed", str(1 << 70), f"--seed must be 0 to 4294967295, got {1 << 70}"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, option, value, sentence):
    options = {"--model": "cmunext-tiny-hw", "--quant": "w4a4", "--out": str(tmp_path / "x.pt"), option: value}
    assert main(["untrained", *(word for pair in options.items() for word in pair)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def files_of_at_most(size_bytes):
    """What a full disk does: from some byte on, writing a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_checkpoint_that_cannot_be_written_whole_is_one_sentence_and_leaves_nothing(tmp_path, capsys):
    path = tmp_path / "network.pt"
    with files_of_at_most(20_000):
        status = main([*COMMON, "--out", str(path)])
    assert status == 2
    assert capsys.readouterr().err.startswith(f"error: File too large at '{path}'; check path, permissions and space")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("out", "kind"), [(".", "a folder"), ("pipe", "a device")])
def test_what_is_no_file_is_left_alone(tmp_path, monkeypatch, capsys, out, kind):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert main([*COMMON, "--out", out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: '{out}' is {kind}, which no file can replace; give the name of a file"
    assert (tmp_path / "pipe").is_fifo() and len(list(tmp_path.iterdir())) == 1


@dataclass(frozen=True)
class Grey:
    in_channels: int = 1
    classes: int = 1
    input_size: int = 16


class Tripled(nn.Module):
    """A grey image for a first layer of three channels."""

    def __init__(self, activation):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), activation)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return self.head(self.stem(torch.cat([x, x, x], dim=1)))


@pytest.fixture
def tripled(monkeypatch, tmp_path):
    def command(activation):
        monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
        registry.register("tripled", "grey", Grey(), lambda config: Tripled(activation()))
        return ["untrained", "--model", "tripled", "--quant", "w4a4", "--size", "16", "--out", str(tmp_path / "t.pt")]

    return command


def test_channels_are_those_of_the_configuration_not_of_the_first_layer(tripled, tmp_path):
    assert main(tripled(nn.ReLU)) == 0
    assert main(["export", "--checkpoint", str(tmp_path / "t.pt"), "--out", str(tmp_path / "export")]) == 0
    with np.load(tmp_path / "export" / "golden.npz") as golden:
        assert golden["codes"].shape[-1] == 1


def test_a_slope_that_falls_is_refused_before_the_export(tripled, tmp_path, capsys):
    assert main(tripled(lambda: nn.PReLU(4, init=-0.2))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: activation 'stem.2' (PReLU) has a slope that is not positive")
    assert not (tmp_path / "t.pt").exists()


def test_grey_and_five_slices_are_lowered_and_timed_as_colours_are(tmp_path):
    grey = written(tmp_path / "grey.pt", "--channels", "1")
    subject = Subject(SubjectConfig(checkpoint=tmp_path / "grey.pt", images=2))
    masks = predict_masks(from_checkpoint(grey), subject.samples.codes, 2)
    assert subject.samples.codes.shape[1] == 1
    assert np.array_equal(subject._flow.masks(subject._flow.advance(subject._flow.begin())), masks)
    for step in training_contenders(written(tmp_path / "five.pt", "--channels", "5"), 2).values():
        step()
    codes = np.zeros((2, 32, 32, 5), np.uint8)
    rivals = sessions("cmunext-tiny-hw", codes, threads=1, classes=3)
    assert all(run(rival, as_images(codes)).shape == (2, 3, 32, 32) for rival in rivals.values())


@pytest.mark.parametrize("channels", ["0", "17"])
def test_channels_that_no_accelerator_takes(tmp_path, capsys, channels):
    assert main([*COMMON, "--out", str(tmp_path / "u.pt"), "--channels", channels]) == 2
    assert f"--channels must be 1 to 16, got {channels}" in capsys.readouterr().err
    assert not (tmp_path / "u.pt").exists()
