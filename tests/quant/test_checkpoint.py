"""Checkpoint files: what is none of ours, or damaged, is one sentence that names file and key."""

import pickle
import zipfile

import pytest
import torch

from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError
from quant.twin.networks import assemble, from_checkpoint

GOOD = {"model": "cmunext-tiny-hw", "quant": None, "size": [32, 32], "state": {"stem.0.weight": torch.ones(2)}}


class Anything:
    """An object of a program of one's own, as `torch.save(network)` leaves it."""


def foreign(path, kind):
    """A file that is no checkpoint of ours."""
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Anything()))
    elif kind == "whole network":
        torch.save(torch.nn.Linear(2, 2), path)
    elif kind == "torchscript":
        torch.jit.save(torch.jit.script(torch.nn.ReLU()), str(path))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("codes.npy", "x")
    else:
        path.write_bytes({"empty": b"", "page": b"<!DOCTYPE html>", "pointer": b"version https://git-lfs"}[kind])
    return path


@pytest.mark.parametrize("kind", ["pickle", "whole network", "torchscript", "zip", "empty", "page", "pointer"])
@pytest.mark.filterwarnings("ignore")
def test_files_of_others_are_one_sentence_that_does_not_repeat_the_advice_of_torch(tmp_path, capsys, kind):
    path = foreign(tmp_path / "foreign.pt", kind)
    assert main(["export", "--checkpoint", str(path), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: checkpoint '{path}' is truncated or not a checkpoint of `python -m quant`")
    assert "weights_only" not in line, "loading it otherwise would run its code"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", ["unet3"]),
        ("quant", "w4a4"),
        ("size", 32),
        ("size", [32, 32, 3]),
        ("size", [32.0, 32.0]),
        ("size", ["32", "32"]),
        ("state", [torch.ones(1)]),
        ("state", {"stem.0.weight": "x"}),
        ("classes", "1"),
        ("classes", 0),
        ("normalisation", None),
        ("channels", "3"),
        ("seen", {"images": torch.zeros(2), "folders": []}),
        ("seen", {"images": torch.zeros(2, dtype=torch.int64)}),
    ],
)
def test_a_key_of_another_type_is_named(tmp_path, key, value):
    path = tmp_path / "network.pt"
    checkpoints.save(path, {**GOOD, key: value})
    with pytest.raises(CheckpointError, match=rf"network\.pt' is damaged in '{key}', which is "):
        checkpoints.load(path)


@pytest.mark.parametrize("key", ["model", "quant", "size", "state"])
def test_a_missing_key_is_named(tmp_path, key):
    path = tmp_path / "network.pt"
    checkpoints.save(path, {name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(CheckpointError, match=rf"network\.pt' lacks '{key}', which is "):
        checkpoints.load(path)


def test_a_checkpoint_that_says_no_classes_has_one_logit_a_pixel(tmp_path):
    checkpoints.save(tmp_path / "network.pt", GOOD)
    assert checkpoints.load(tmp_path / "network.pt")["classes"] == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda value: value.to(torch.int32), r"'stem\.0\.weight' is int32 .*, in the network float32 "),
        (lambda value: value.to(torch.complex64), r"'stem\.0\.weight' is complex64 .*, in the network float32 "),
        (lambda value: value[:1], r"'stem\.0\.weight' is float32 1x3x3x3, in the network float32 "),
    ],
)
def test_weights_of_another_kind_or_shape_are_named(change, sentence):
    state = assemble(GOOD["model"], None).state_dict()
    state["stem.0.weight"] = change(state["stem.0.weight"])
    with pytest.raises(CheckpointError, match=rf"does not fit network 'cmunext-tiny-hw': {sentence}"):
        from_checkpoint({**GOOD, "state": state})


def test_weights_of_another_network_are_counted_not_listed():
    state = {f"other.{index}": torch.ones(1) for index in range(400)}
    with pytest.raises(CheckpointError) as caught:
        from_checkpoint({**GOOD, "state": state})
    assert "400 of its tensors are not the network's, such as 'other.0'" in str(caught.value)
    assert "are missing, such as 'stem.0.weight'" in str(caught.value) and len(str(caught.value)) < 400
