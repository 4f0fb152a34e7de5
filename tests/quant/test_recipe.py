"""Recipes: shipped ones are readable, stages start from each other, a second call goes on, mistakes are sentences."""

import json
from pathlib import Path

import pytest
import torch
import trained

import models
import quant
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError
from quant.training import recipe as recipes
from quant.training.crossval import Plan
from quant.training.recipe import Stage, follow, read_recipe
from quant.training.train import train
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble

SHIPPED = sorted(path.stem for path in (Path(quant.__file__).parent / "recipes").glob("*.toml"))

FLOAT = """
model = "cmunext-tiny-hw"
size = 32
lr = 1e-2

[[stages]]
name = "float-16"
size = 16
epochs = 1

[[stages]]
name = "float-32"
epochs = 2
"""

QUANTIZED = """
after = "{after}"
model = "cmunext-tiny-hw"
size = 32

[[stages]]
name = "w4a4"
quant = "w4a4"
teacher = "float-32"
distill = 0.5
epochs = 1
"""


def write(folder, name, text):
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid(name):
    stages = read_recipe(name)
    assert len({stage.name for stage in stages}) == len(stages) >= 1
    assert len(recipes.runs_of(stages, {"data": "anywhere"})) == len(stages)
    for stage in stages:
        TrainConfig(**stage.settings, data="anywhere")
        assert stage.settings["model"] in models.names()


def test_stages_follow_each_other_and_share_what_holds_for_all(tmp_path):
    path = write(tmp_path, "quantized", QUANTIZED.format(after=write(tmp_path, "float", FLOAT)))
    common = {"model": "cmunext-tiny-hw", "lr": 1e-2}
    assert read_recipe(path) == (
        Stage(name="float-16", settings={**common, "size": 16, "epochs": 1}),
        Stage(name="float-32", settings={**common, "size": 32, "epochs": 2}, init_from="float-16"),
        Stage(
            name="w4a4",
            settings={"model": "cmunext-tiny-hw", "size": 32, "distill": 0.5, "epochs": 1},
            quant="w4a4",
            init_from="float-32",
            teacher="float-32",
        ),
    )


def test_a_stage_of_another_model_starts_afresh_with_a_teacher(tmp_path):
    text = QUANTIZED.format(after=write(tmp_path, "float", FLOAT)).replace("cmunext-tiny-hw", "unet3")
    stage = read_recipe(write(tmp_path, "student", text))[-1]
    assert (stage.settings["model"], stage.init_from, stage.teacher) == ("unet3", None, "float-32")


def test_a_recipe_trains_its_stages_once_and_options_override_it(squares, tmp_path, capsys):
    path = write(tmp_path, "quantized", QUANTIZED.format(after=write(tmp_path, "float", FLOAT)))
    out = tmp_path / "runs"
    command = ["train", "--recipe", path, "--data", str(squares), "--out", str(out), "--batch", "16"]
    assert main(command) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["checkpoint"] == str(out / "w4a4" / "weights.pt")
    runs = {stage: checkpoints.load(out / stage / "last.pt") for stage in ("float-16", "float-32", "w4a4")}
    assert [(run["size"], run["epoch"], run["run"]["batch"]) for run in runs.values()] == [
        ([16, 16], 0, 16),
        ([32, 32], 1, 16),
        ([32, 32], 0, 16),
    ]
    assert runs["w4a4"]["quant"]["name"] == "w4a4" and runs["float-32"]["quant"] is None
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")} == written
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == scores
    assert main([*command, "--lr", "0.5"]) == 2
    assert "was trained with lr=0.01, not 0.5; resume with the same settings" in capsys.readouterr().err


def test_a_stage_starts_from_a_checkpoint_beside_the_recipe(squares, tmp_path):
    first = read_recipe(write(tmp_path, "float", FLOAT))
    follow(first, tmp_path, {"data": str(squares)})
    start = f"{first[-1].name}/weights.pt"
    text = (
        f"model = 'cmunext-tiny-hw'\n[[stages]]\nname = 'on'\nepochs = 1\nlr = 1e-6\nsize = 32\ninit_from = '{start}'"
    )
    follow(read_recipe(write(tmp_path, "more", text)), tmp_path / "more", {"data": str(squares)})
    before, after = (checkpoints.load(tmp_path / path)["state"] for path in (start, "more/on/weights.pt"))
    weights = [key for key in before if key.endswith(".weight")]
    assert weights and all(torch.allclose(before[key], after[key], atol=1e-4) for key in weights)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model =", r"is not valid TOML"),
        ("model = 'x'", r"has no stage; add \[\[stages\]\] with a name"),
        ("[[stages]]\nsize = 3", r"each stage needs a name of its own"),
        ("[[stages]]\nname = 'a'\n[[stages]]\nname = 'a'", r"each stage needs a name of its own"),
        (
            "[[stages]]\nname = 'a'\nepoch = 3",
            r"stage 'a': unknown key 'epoch'; known: all_images, augmentation, batch, ",
        ),
        ("[[stages]]\nname = 'a'\ndata = 'x'", r"stage 'a': unknown key 'data'"),
        ("[[stages]]\nname = 'a'\nteacher = 'b'", r"stage 'a': teacher 'b' is not an earlier stage, nor a checkpoint"),
        (
            "[[stages]]\nname = 'a'\ninit_from = 'b.pt'",
            r"stage 'a': init_from 'b.pt': there is no file '.*/b.pt'; correct",
        ),
        (
            "after = 'b.toml'\n[[stages]]\nname = 'a'",
            r"after 'b.toml' is no file in the folder '.*', nor in the current one; correct the path, or name a shipped"
            r" one without \.toml",
        ),
        ("after = 3\n[[stages]]\nname = 'a'", r"`after` is the name of a recipe"),
        ("stages = 3", r"stages are tables \[\[stages\]\]"),
        ("stages = [3]", r"a stage is a table, got 3"),
        ("[[stages]]\nname = 3", r"name must be text, got 3"),
        ("[[stages]]\nname = ''", r"each stage needs a name of its own"),
        ("[[stages]]\nname = '../a'", r"stage '../a' cannot be the name of a folder"),
        ('[[stages]]\nname = "a\\u0000"', r"stage 'a\\x00' cannot be the name of a folder"),
        (f"[[stages]]\nname = '{245 * 'a'}'", r"cannot be the name of a folder; give it another, of at most 80 bytes"),
        ("[[stages]]\nname = 'a'\nquant = 4", r"quant must be text, got 4"),
        ("[[stages]]\nname = 'a'\ninit_from = ['a']", r"init_from must be text, got \['a'\]"),
    ],
)
def test_bad_recipes_get_one_sentence(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(write(tmp_path, "bad", text))


def test_a_recipe_that_comes_after_itself_is_refused(tmp_path):
    path = tmp_path / "a.toml"
    write(tmp_path, "b", f"after = '{path}'\n[[stages]]\nname = 'b'")
    write(tmp_path, "a", f"after = '{tmp_path / 'b.toml'}'\n[[stages]]\nname = 'a'")
    with pytest.raises(ConfigError, match=rf"recipe '{path}' follows itself"):
        read_recipe(str(path))


def test_a_recipe_comes_after_one_beside_it_before_one_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    text = "[[stages]]\nname = '{}'"
    path = write(tmp_path / "recipes", "last", f"after = 'first.toml'\n{text.format('last')}")
    write(tmp_path, "first", text.format("here"))
    monkeypatch.chdir(tmp_path)
    assert [stage.name for stage in read_recipe(path)] == ["here", "last"]
    write(tmp_path / "recipes", "first", text.format("beside"))
    assert [stage.name for stage in read_recipe(path)] == ["beside", "last"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("epochs = 'many'", r"stage 'last' of recipe '.*late\.toml': --epochs must be a whole number, got 'many'"),
        ("epochs = 1.5", r"--epochs must be a whole number, got 1\.5"),
        ("lr = nan", r"--lr must be above 0 and at most 1e\+06, got nan"),
        ("lr = -1", r"--lr must be above 0 and at most 1e\+06, got -1"),
        ("weight_decay = inf", r"--weight-decay must be 0 to 1e\+06, got inf"),
        ("normal_cases = 1", r"--normal-cases must be true or false, got 1"),
        ("seed = 4294967296", r"--seed must be 0 to 4294967295, got 4294967296"),
        ("quant = 'w5a5'", r"stage 'last' of recipe '.*late\.toml': unknown quantization 'w5a5'"),
        (
            "quant = 'w4a4'\n[[stages]]\nname = 'on'",
            r"stage 'on' is float and starts from 'last', which is quantized; give it quant or another init_from, or",
        ),
    ],
)
def test_a_mistake_in_the_last_stage_is_told_before_the_first_is_trained(tmp_path, monkeypatch, settings, sentence):
    monkeypatch.setattr(recipes, "train", lambda *arguments, **options: pytest.fail("a stage was trained"))
    stages = read_recipe(write(tmp_path, "late", FLOAT + f"\n[[stages]]\nname = 'last'\n{settings}"))
    with pytest.raises(ConfigError, match=sentence):
        recipes.follow(stages, tmp_path / "out", {"data": "anywhere"})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("damp = 2.0", r"damp has no effect without quant, and of stages with it \('last'\) none has one; give one of"),
        ("ranges = 'learned'", "ranges has no effect without quant"),
        ("feature_distill = 1.0", "feature_distill has no effect without teacher"),
        ("distill = 0.5", "distill has no effect without teacher"),
        ("calibration = 'calib_data'", "calibration has no effect without quant"),
        ("size = 15", "network 'cmunext-tiny-hw' does not accept images of 15x15"),
    ],
)
def test_what_has_no_effect_on_any_stage_is_refused(tmp_path, monkeypatch, settings, sentence):
    monkeypatch.setattr(recipes, "train", lambda *arguments, **options: pytest.fail("a stage was trained"))
    stages = read_recipe(write(tmp_path, "no", FLOAT + f"\n[[stages]]\nname = 'last'\n{settings}"))
    with pytest.raises(ConfigError, match=sentence):
        recipes.follow(stages, tmp_path / "out", {"data": "anywhere"}, recipes.train)
    if "size" not in settings:
        with pytest.raises(ConfigError, match=sentence):
            Plan(stages=stages, settings={"data": "anywhere"}, out=tmp_path / "out")


def test_a_checkpoint_that_a_stage_cannot_begin_with_is_refused_before_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "train", lambda *arguments, **options: pytest.fail("a stage was trained"))
    quantized = QuantConfig.read("w4a4")
    twin = assemble("cmunext-tiny-hw", quantized, size=(32, 32))
    trained.write_checkpoint(tmp_path / "twin.pt", "cmunext-tiny-hw", (32, 32), twin, quantized)
    four = assemble("cmunext-tiny-hw", None, 4)
    trained.write_checkpoint(tmp_path / "four.pt", "cmunext-tiny-hw", (32, 32), four, None, classes=4)
    for link, sentence in (
        (
            "init_from = 'twin.pt'",
            r"stage 'last': '.*twin\.pt': the checkpoint is quantized; give --quant or `quant`, too, or",
        ),
        ("init_from = 'four.pt'", r"stage 'last': '.*four\.pt' has 4 logits per pixel, not 1; give --classes"),
        ("teacher = 'four.pt'", r"stage 'last': teacher '.*four\.pt' has 4 logits per pixel, the network 1; give a"),
    ):
        stages = read_recipe(write(tmp_path, "late", FLOAT + f"\n[[stages]]\nname = 'last'\n{link}"))
        with pytest.raises(CheckpointError, match=sentence):
            recipes.follow(stages, tmp_path / "out", {"data": "anywhere"})


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (
            "model = 'unet3'\ninit_from = 'float-32'",
            "stage 'last': the checkpoint holds 'cmunext-tiny-hw', not 'unet3'",
        ),
        ("channels = 1", r"stage 'last': init_from takes 3 channels, not 1; give --channels to match"),
        (
            "model = 'unet3'\nchannels = 1\nteacher = 'float-32'",
            r"stage 'last': teacher 'cmunext-tiny-hw' takes 3 chan",
        ),
        (
            "model = 'unet3'\nclasses = 4\nteacher = 'float-32'",
            r"teacher 'cmunext-tiny-hw' has 1 logits per pixel, the",
        ),
        ("quant = 'mixed.toml'", r"stage 'last': layers\.nolayer names no layer"),
    ],
)
def test_stages_that_do_not_fit_each_other_are_refused_before_the_first(tmp_path, monkeypatch, second, sentence):
    monkeypatch.setattr(recipes, "train", lambda *arguments, **options: pytest.fail("a stage was trained"))
    (tmp_path / "mixed.toml").write_text('name = "mixed"\n[layers."nolayer"]\nweight = 2\n')
    stages = read_recipe(write(tmp_path, "late", FLOAT + f"\n[[stages]]\nname = 'last'\n{second}"))
    with pytest.raises((CheckpointError, ConfigError), match=sentence):
        recipes.follow(stages, tmp_path / "out", {"data": "anywhere"})


def test_a_beginning_that_saw_what_is_scored_is_refused_before_the_first_stage(squares, tmp_path, capsys):
    seen = tmp_path / "seen"
    train(TrainConfig(model="cmunext-tiny-hw", data=str(squares), size=32, epochs=1, all_images=True), None, seen)
    path = write(tmp_path, "late", FLOAT + "\n[[stages]]\nname = 'last'\ninit_from = 'seen/weights.pt'\n")
    arguments = ["train", "--recipe", str(path), "--data", str(squares), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "that are to be scored as not seen; start from weights of" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_path_is_not_another_file_whose_name_begins_with_it(tmp_path):
    path = write(tmp_path, "first", FLOAT)
    write(tmp_path, "first.toml", FLOAT.replace("float-16", "decoy"))
    assert read_recipe(str(path))[0].name == "float-16"


def test_a_rate_that_is_given_goes_before_one_that_is_found(tmp_path):
    text = "model = 'cmunext-tiny-hw'\nfind_lr = true\n[[stages]]\nname = 'a'\n[[stages]]\nname = 'b'\nlr = 0.5"
    stages = read_recipe(write(tmp_path, "found", text))
    runs = [recipes.run_of(stage, {"data": "anywhere"})[0] for stage in stages]
    assert [(run.find_lr, run.lr) for run in runs] == [(True, 1e-3), (False, 0.5)]
    for changes, wanted in (({"lr": 0.25}, (False, 0.25)), ({"lr": 0.25, "find_lr": True}, (True, 0.25))):
        run, _ = recipes.run_of(stages[0], {"data": "anywhere", **changes})
        assert (run.find_lr, run.lr) == wanted


def test_a_stage_without_a_model_is_refused(tmp_path):
    stages = read_recipe(write(tmp_path, "bare", "[[stages]]\nname = 'a'"))
    with pytest.raises(ConfigError, match=r"stage 'a' names no model; .* or give --model"):
        recipes.follow(stages, tmp_path / "out", {"data": "anywhere"})


@pytest.mark.parametrize(
    ("device", "sentence"), [("tpu", "unknown device 'tpu'"), ("cuda:x", "unknown device"), ("meta", "unknown device")]
)
def test_a_device_that_nobody_knows_is_refused(device, sentence):
    with pytest.raises(ConfigError, match=rf"{sentence}.*known: cpu, cuda, cuda:N"):
        TrainConfig(model="cmunext-tiny-hw", data="anywhere", device=device)


def test_an_unknown_recipe_and_options_that_a_recipe_decides_are_refused(tmp_path, capsys):
    command = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*command, "--recipe", "none"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown recipe 'none'; known: cmunext-s_float_busi, ")
    assert main([*command, "--recipe", "none", "--init-from", "x.pt"]) == 2
    assert "--init-from is set by the recipe" in capsys.readouterr().err
    assert main(command) == 2
    assert capsys.readouterr().err == "error: nothing to train; give --model or --recipe\n"
    for option, value in (("--ranges", "learned"), ("--calibration", "train")):
        assert main([*command, "--model", "cmunext-tiny-hw", option, value]) == 2
        assert capsys.readouterr().err == f"error: {option} has no effect without --quant; give both\n"
