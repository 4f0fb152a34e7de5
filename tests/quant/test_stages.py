"""Deep supervision and features of a teacher: what they add to the loss, and that nothing of them is kept."""

from itertools import combinations

import pytest
import torch
from torch import nn

import models
from models import registry
from models.cmunext_hw import CMUNeXtHw, CMUNeXtHwConfig
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import ConfigError
from quant.data.pairs import load_samples
from quant.training.loss import attention_distance, distillation_loss, segmentation_loss
from quant.training.objective import Objective
from quant.training.stages import Staged, require_stages, seen, stage_layers
from quant.training.train import fit, train
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble

SEED, SIDE = 4, 32
FIVE_LEVELS, THREE_LEVELS, WIDER = "cmunext-xxs-hw", "three-levels", "three-wider-levels"


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    """Two of the hardware's networks with three levels, registered for a test."""
    for name, dims in ((THREE_LEVELS, (4, 6, 6)), (WIDER, (6, 8, 8))):
        config = CMUNeXtHwConfig(dims=dims, depths=(1, 1, 1), kernels=(3, 3, 3), input_size=SIDE)
        monkeypatch.setitem(
            registry._ENTRIES, name, registry.Entry(name=name, summary="", config=config, build=CMUNeXtHw)
        )


def images(count=2):
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(SEED))


@pytest.mark.parametrize("name", ["cmunext-s", FIVE_LEVELS, "cmunext-xxs"])
def test_stages_are_what_the_decoder_gives(name):
    torch.manual_seed(SEED)
    network = models.build(name).eval()
    staged = Staged(network, name, (3, SIDE, SIDE), classes=1).eval()
    assert staged.sizes == [(4, 4), (8, 8), (16, 16), (32, 32)]
    found = staged(images())
    outputs = []
    for fuse in network.fuse:
        fuse.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    assert torch.equal(network(images()), found.logits)
    assert all(torch.equal(own, wanted) for own, wanted in zip(found.features, outputs, strict=True))
    assert [tuple(logits.shape) for logits in found.auxiliary] == [(2, 1, 16, 16), (2, 1, 8, 8), (2, 1, 4, 4)]
    first = staged.heads[-1]
    assert torch.allclose(found.auxiliary[0], nn.functional.conv2d(outputs[2], first.weight, first.bias))


def test_a_twin_has_the_stages_under_the_same_names():
    torch.manual_seed(SEED)
    twin = assemble(THREE_LEVELS, QuantConfig.read("w4a4")).eval()
    found = Staged(twin, THREE_LEVELS, (3, SIDE, SIDE))(images())
    assert torch.equal(found.logits, twin(images()))
    assert [tuple(of.shape) for of in found.features] == [(2, 6, 16, 16), (2, 4, 32, 32)]
    assert all(len(of.unique()) <= 16 for of in found.features), "codes of 4 bits"


def test_attention_distance_is_that_of_the_paper():
    rng = torch.Generator().manual_seed(SEED)
    own = [torch.randn(3, 5, 4, 6, generator=rng), torch.randn(3, 2, 8, 12, generator=rng)]
    other = [torch.randn(3, 9, 4, 6, generator=rng), torch.randn(3, 4, 8, 12, generator=rng)]
    total = 0.0
    for a, b in zip(own, other, strict=True):
        for image in range(3):
            maps = [(of[image].numpy() ** 2).mean(0).ravel() for of in (a, b)]
            unit = [of / (of**2).sum() ** 0.5 for of in maps]
            total += ((unit[0] - unit[1]) ** 2).sum() / 6
    assert attention_distance(own, other).item() == pytest.approx(total, rel=1e-5)
    assert attention_distance(own, [-3 * of for of in own]).item() == pytest.approx(0, abs=1e-10)
    dead = [torch.zeros_like(of, requires_grad=True) for of in own]
    attention_distance(dead, other).backward()
    assert all(of.grad.isfinite().all() for of in dead)


@pytest.mark.parametrize("kind", ["bce-dice", "boundary"])
def test_heads_add_the_loss_of_reduced_masks(kind):
    torch.manual_seed(SEED)
    staged = Staged(models.build(FIVE_LEVELS), FIVE_LEVELS, (3, SIDE, SIDE), classes=1).eval()
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[:, :, 8:24, 4:20] = 1
    plain, with_heads = (
        Objective(kind=kind, deep_supervision=weight)(staged, images(), masks).item() for weight in (0.0, 0.5)
    )
    of_heads = [
        segmentation_loss(logits, masks[..., :: 2 * step, :: 2 * step], kind).item()
        for step, logits in zip((1, 2, 4), staged(images()).auxiliary, strict=True)
    ]
    mean = (of_heads[0] + of_heads[1] / 2 + of_heads[2] / 4) / 1.75
    assert with_heads - plain == pytest.approx(0.5 * mean, rel=1e-4)


def test_terms_on_logits_add_up_in_the_precision_of_the_pass(monkeypatch):
    monkeypatch.setattr("quant.base.device.has_bfloat16", lambda _device: True)
    torch.manual_seed(SEED)
    network, teacher = (models.build(THREE_LEVELS) for _ in range(2))
    masks = (torch.rand(2, 1, SIDE, SIDE) > 0.5).float()
    Objective(precision="bfloat16", teacher=teacher, distill=0.7)(network, images(), masks).backward()
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        logits, taught = network(images()), teacher(images()).detach()
    assert logits.dtype == torch.bfloat16
    (segmentation_loss(logits.float(), masks) + 0.7 * distillation_loss(logits.float(), taught.float())).backward()
    assert all(torch.equal(own, value.grad) for own, value in zip(found, network.parameters(), strict=True))


def config(squares, **changes):
    given = {"model": THREE_LEVELS, "data": str(squares), "size": SIDE, "epochs": 2, "lr": 1e-2, **changes}
    return TrainConfig(**given)


@pytest.mark.parametrize("quant", [None, pytest.param("w4a4", marks=pytest.mark.slow)])
def test_a_run_with_heads_and_a_teacher_resumes_exactly_and_keeps_the_network_alone(squares, tmp_path, quant):
    quant = quant and QuantConfig.read(quant)
    samples = load_samples(squares, "train", (SIDE, SIDE))
    fit(config(squares, model=WIDER, epochs=1), None, tmp_path / "teacher", samples, quiet=True)
    links = {"teacher": tmp_path / "teacher" / "weights.pt"}
    if quant is not None:
        fit(config(squares, epochs=1), None, tmp_path / "float", samples, quiet=True)
        links["init_from"] = tmp_path / "float" / "weights.pt"
    settings = config(squares, deep_supervision=0.4, feature_distill=2.0, ema=0.5)
    fit(settings, quant, tmp_path / "whole", samples, **links, quiet=True)

    class Stopped(Exception):
        pass

    class AfterOne:
        def begin(self):
            pass

        def must_save(self):
            return True

        def go_on(self):
            raise Stopped

    with pytest.raises(Stopped):
        fit(settings, quant, tmp_path / "parts", samples, **links, quiet=True, pace=AfterOne())
    fit(settings, quant, tmp_path / "parts", samples, **links, quiet=True, resume=True)
    whole, parts = (checkpoints.load(tmp_path / run / "weights.pt")["state"] for run in ("whole", "parts"))
    assert whole.keys() == parts.keys() == assemble(THREE_LEVELS, quant).state_dict().keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)

    stem = "stem.0.weight" if quant is None else "network.stem.0.weight"
    found = [whole[stem]]
    for changes in ({}, {"deep_supervision": 0.4}, {"feature_distill": 2.0}):
        run, out = config(squares, ema=0.5, **changes), tmp_path / str(len(found))
        fit(run, quant, out, samples, **links, quiet=True)
        found.append(checkpoints.load(out / "weights.pt")["state"][stem])
    assert all(not torch.equal(a, b) for a, b in combinations(found, 2)), "each of the two changes what is learned"


def test_students_of_features_look_where_their_teachers_do(squares, tmp_path):
    samples = load_samples(squares, "train", (SIDE, SIDE))
    tiny = {"model": "cmunext-tiny-hw", "epochs": 8, "batch": 4}
    x, apart = samples.codes.float() / 256, dict.fromkeys((0.0, 20.0), 0.0)
    for seed in (1, 2, 3):  # one pair of so small networks may go astray
        teacher = tmp_path / f"teacher-{seed}"
        fit(config(squares, **tiny, seed=seed), None, teacher, samples, quiet=True)
        for weight in apart:
            run = config(squares, **tiny, seed=10 + seed, distill=0.0, feature_distill=weight)
            student = tmp_path / f"{weight}-{seed}"
            fit(run, None, student, samples, teacher=teacher / "weights.pt", quiet=True)
            networks = []
            for folder in (teacher, student):
                network = models.build("cmunext-tiny-hw")
                network.load_state_dict(checkpoints.load(folder / "weights.pt")["state"])
                networks.append(Staged(network.eval(), "cmunext-tiny-hw", (3, SIDE, SIDE)))
            apart[weight] += attention_distance(*(seen(network, x).features for network in networks)).item()
    assert apart[20.0] < 0.6 * apart[0.0]


def test_networks_without_stages_and_teachers_of_other_sizes_are_refused(squares, tmp_path, capsys):
    assert stage_layers("unet3") == ()
    with pytest.raises(
        ConfigError,
        match=r"needs 2 or more decoder stages, network 'unet3' declares none; those that do: cmunext, ",
    ):
        config(squares, model="unet3", deep_supervision=0.4)
    with pytest.raises(
        ConfigError, match=r"network 'cmunext-tiny-hw' declares 1; those that do: cmunext, cmunext-l, cmunext-s, "
    ):
        config(squares, model="cmunext-tiny-hw", deep_supervision=0.4)
    with pytest.raises(ConfigError, match=r"--deep-supervision must be 0 to 1e\+06, got -1.0"):
        config(squares, deep_supervision=-1.0)
    require_stages("--feature-distill", "cmunext-tiny-hw")
    command = ["train", "--data", str(squares), "--size", "32", "--epochs", "1", "--out", str(tmp_path / "run")]
    command += ["--feature-distill", "1"]
    assert main([*command, "--model", THREE_LEVELS]) == 2
    assert capsys.readouterr().err == "error: --feature-distill has no effect without --teacher; give both\n"
    for model, sentence in (
        (
            "unet3",
            "error: --feature-distill from teacher needs 1 or more decoder stages, network 'unet3' declares none",
        ),
        (
            "cmunext-tiny-hw",
            "error: --feature-distill compares decoder stages of the same sizes, the network's are 16x16, 32x32, the"
            " teacher's 32x32; give a teacher with as many levels\n",
        ),
    ):
        train(config(squares, model=model, epochs=1), None, tmp_path / model)
        capsys.readouterr()
        assert main([*command, "--model", THREE_LEVELS, "--teacher", str(tmp_path / model / "weights.pt")]) == 2
        assert sentence in capsys.readouterr().err
