"""Recipes: shipped ones are readable, stages start from each other, a second call goes on, mistakes are sentences."""

import json
from pathlib import Path

import pytest

import models
from quant import checkpoint as checkpoints
from quant import recipe as recipes
from quant.__main__ import main
from quant.config import QuantConfig
from quant.errors import ConfigError
from quant.recipe import Stage, read_recipe
from quant.train_config import TrainConfig

SHIPPED = sorted(path.stem for path in Path(recipes.__file__).parent.glob("recipes/*.toml"))

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
    for stage in stages:
        TrainConfig(**stage.settings, data="anywhere")
        assert stage.settings["model"] in models.names()
        assert stage.quant is None or QuantConfig.read(stage.quant)


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model =", r"is not valid TOML"),
        ("model = 'x'", r"has no stage; add \[\[stages\]\] with a name"),
        ("[[stages]]\nsize = 3", r"each stage needs a name of its own"),
        ("[[stages]]\nname = 'a'\n[[stages]]\nname = 'a'", r"each stage needs a name of its own"),
        ("[[stages]]\nname = 'a'\nepoch = 3", r"stage 'a': unknown key 'epoch'; known: augmentation, batch, "),
        ("[[stages]]\nname = 'a'\ndata = 'x'", r"stage 'a': unknown key 'data'"),
        ("[[stages]]\nname = 'a'\nteacher = 'b'", r"stage 'a': teacher 'b' is not an earlier stage"),
    ],
)
def test_bad_recipes_get_one_sentence(tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        read_recipe(write(tmp_path, "bad", text))


def test_an_unknown_recipe_and_options_that_a_recipe_decides_are_refused(tmp_path, capsys):
    command = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*command, "--recipe", "none"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown recipe 'none'; known: cmunext-s_float_busi, ")
    assert main([*command, "--recipe", "none", "--init-from", "x.pt"]) == 2
    assert "--init-from is a recipe's own matter" in capsys.readouterr().err
    assert main(command) == 2
    assert capsys.readouterr().err == "error: nothing to train; give --model or --recipe\n"
    assert main([*command, "--model", "cmunext-tiny-hw", "--ranges", "learned"]) == 2
    assert capsys.readouterr().err == "error: --ranges has no effect without --quant; give both\n"
