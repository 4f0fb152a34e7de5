"""Soups: means of weights and statistics, and sentences for checkpoints that have none."""

import pytest
import torch
import trained

from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError
from quant.base.seen_images import Seen
from quant.export.export import export
from quant.training.soup import soup
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble, from_checkpoint

SIZE = (32, 48)
NAME = "cmunext-tiny-hw"


def float_checkpoint(path, seed, name=NAME, size=SIZE, **changes):
    torch.manual_seed(seed)
    network = assemble(name, None)
    for key, value in network.state_dict().items():
        if "running" in key:
            value.copy_(torch.rand(value.shape) + 0.5)
        if "num_batches" in key:
            value.fill_(seed)
    return trained.write_checkpoint(path, name, size, network, None, **changes)


def test_a_soup_is_the_mean_of_weights_and_statistics(tmp_path, capsys):
    paths = [float_checkpoint(tmp_path / f"{seed}.pt", seed, scores={"iou": seed}) for seed in (1, 2, 3)]
    assert main(["soup", *map(str, paths), "--out", str(tmp_path / "soup.pt")]) == 0
    assert "cmunext-tiny-hw, the mean of 3 checkpoints" in capsys.readouterr().out
    found = checkpoints.load(tmp_path / "soup.pt")
    assert found["soup"] == ["1.pt", "2.pt", "3.pt"] and "scores" not in found and found["size"] == list(SIZE)
    states = [checkpoints.load(path)["state"] for path in paths]
    for key, value in found["state"].items():
        if value.is_floating_point():
            mean = sum(state[key].double().numpy() for state in states) / 3
            assert value.numpy() == pytest.approx(mean, abs=1e-6), key
        else:
            assert value == 1
    assert from_checkpoint(found)(torch.zeros(1, 3, *SIZE)).isfinite().all()


def test_a_soup_saw_what_any_of_its_networks_saw(tmp_path):
    seen = [{"seen": Seen(images=frozenset(each)).as_record()} for each in ({1, 2}, {2, -3})]
    told = [*seen, {"run": {"data": "isic"}}]  # the last by a version that recorded the folder alone
    paths = [float_checkpoint(tmp_path / f"{i}.pt", i, **each) for i, each in enumerate(told)]
    checkpoints.save(tmp_path / "soup.pt", soup(paths))
    found = Seen.by(checkpoints.load(tmp_path / "soup.pt"))
    assert found == Seen(frozenset({1, 2, -3}), frozenset({"isic"}))
    assert found.count([2, 2, 4, -3]) == 3


def test_a_soup_does_not_take_the_place_of_what_it_is_made_of(tmp_path, capsys):
    one, two = (float_checkpoint(tmp_path / f"{seed}.pt", seed) for seed in (1, 2))
    (tmp_path / "link.pt").symlink_to(one)
    for out in (one, tmp_path / "link.pt", tmp_path / ".." / tmp_path.name / "2.pt"):
        assert main(["soup", str(one), str(two), "--out", str(out)]) == 2
        assert capsys.readouterr().err == (
            f"error: --out '{out}' is one of the checkpoints that are averaged; give another file\n"
        )
    assert "soup" not in checkpoints.load(one) and "soup" not in checkpoints.load(two)


def test_a_soup_of_a_network_with_itself_is_the_network(checkpoint, tmp_path):
    found, wanted = soup([checkpoint, checkpoint])["state"], checkpoints.load(checkpoint)["state"]
    assert found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.slow
def test_a_soup_of_twins_can_be_exported(checkpoint, tmp_path):
    moved = checkpoints.load(checkpoint)
    generator = torch.Generator().manual_seed(7)
    for key, value in moved["state"].items():
        if key.endswith(".weight"):
            value.add_(0.02 * torch.randn(value.shape, generator=generator))
    checkpoints.save(tmp_path / "moved.pt", moved)
    checkpoints.save(tmp_path / "soup.pt", soup([checkpoint, tmp_path / "moved.pt"]))
    manifest = export(tmp_path / "soup.pt", tmp_path / "export", images=1)
    assert manifest["verification"]["logits_compared"] == SIZE[0] * SIZE[1]


def test_checkpoints_that_do_not_go_together_are_refused(checkpoint, tmp_path, capsys):
    one = float_checkpoint(tmp_path / "one.pt", 1)
    with pytest.raises(ConfigError, match="a soup is made of two checkpoints or more"):
        soup([one])
    unet, twin = float_checkpoint(tmp_path / "unet.pt", 1, "unet3"), checkpoints.load(checkpoint)
    assert main(["soup", str(one), str(unet), "--out", str(tmp_path / "none.pt")]) == 2
    sentence = "differ in model: cmunext-tiny-hw and unet3; a soup is of runs of one network, give such\n"
    assert capsys.readouterr().err == f"error: '{one}' and '{unet}' {sentence}"
    assert not (tmp_path / "none.pt").exists()
    with pytest.raises(CheckpointError, match=r"differ in quant: none and w4a4; a soup is of runs of one network"):
        soup([one, checkpoint])
    with pytest.raises(CheckpointError, match=r"differ in size: \[32, 48\] and \[64, 64\]"):
        soup([one, float_checkpoint(tmp_path / "large.pt", 2, size=(64, 64))])
    crop = {"size": 64, "crop_height": 32, "crop_width": 48}
    with pytest.raises(CheckpointError, match="see different crops of their images; give runs of one stage"):
        soup([one, float_checkpoint(tmp_path / "crop.pt", 2, run=crop)])
    for key, change, sentence in (
        ("head", lambda value: value[..., :1, :1].expand(-1, -1, 2, 2).clone(), "differ in the shape of 'network.head"),
        (
            "scaling_impl.value",
            lambda value: value + 1,
            "differ in the range 'network.*scaling_impl.value', which has no",
        ),
    ):
        state = dict(twin["state"])
        changed = next(name for name in state if key in name and (state[name].dim() == 4 or key != "head"))
        state[changed] = change(state[changed])
        checkpoints.save(tmp_path / "other.pt", {**twin, "state": state})
        with pytest.raises(CheckpointError, match=sentence):
            soup([checkpoint, tmp_path / "other.pt"])
    bits = QuantConfig.read("w8a8").as_dict()
    checkpoints.save(tmp_path / "bits.pt", {**twin, "quant": bits})
    with pytest.raises(CheckpointError, match="differ in quant: w4a4 and w8a8"):
        soup([checkpoint, tmp_path / "bits.pt"])
    checkpoints.save(tmp_path / "bits.pt", {**twin, "quant": {**bits, "name": "w4a4"}})
    with pytest.raises(CheckpointError, match=r"differ in quant: \{'name': 'w4a4', 'bits': .*4.* and .*8.*"):
        soup([checkpoint, tmp_path / "bits.pt"])
    diverged = float_checkpoint(tmp_path / "diverged.pt", 2)
    state = checkpoints.load(diverged)
    state["state"]["head.weight"].fill_(float("nan"))
    checkpoints.save(diverged, state)
    with pytest.raises(
        CheckpointError, match=r"'head.weight' of '.*diverged.pt' holds NaN or infinity.*leave that run"
    ):
        soup([one, diverged])


def test_checkpoints_of_before_channels_were_said_go_with_those_of_today(tmp_path):
    old, new = (float_checkpoint(tmp_path / f"{seed}.pt", seed) for seed in (1, 2))
    checkpoints.save(new, {**checkpoints.load(new), "channels": 3, "size": SIZE})
    assert "channels" not in checkpoints.load(old)
    assert soup([old, new])["size"] == list(SIZE) and soup([new, old])["channels"] == 3
    checkpoints.save(new, {**checkpoints.load(new), "channels": 4})
    with pytest.raises(CheckpointError, match="differ in channels: 3 and 4"):
        soup([old, new])
