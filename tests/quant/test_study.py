"""A study through the command: calls of limited time end with the table and weights of one call, cells share stages."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import trained

import quant
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.base import pace
from quant.base.errors import ConfigError, TimeUp, TrainingError
from quant.base.pace import Pace
from quant.training import crossval
from quant.training import train as training
from quant.training.study import Cell, plans_of, read_study
from quant.training.train_config import TrainConfig
from quant.twin.networks import assemble

SHIPPED = sorted(path.stem for path in (Path(quant.__file__).parent / "studies").glob("*.toml"))

FLOAT = """
model = "cmunext-tiny-hw"
size = 32
batch = 2
lr = 1e-2
ema = 0.5

[[stages]]
name = "float"
epochs = 6
"""
LONGER = """
after = "{folder}/float.toml"
model = "cmunext-tiny-hw"
size = 32

[[stages]]
name = "longer"
teacher = "float"
epochs = 1
"""
CELL = "[[cells]]\nname = 'a'\nrecipe = 'r'\ndata = 'd'"
STUDY = """
[[cells]]
name = "base"
recipe = "{folder}/float.toml"
data = "squares"
folds = 2

[[cells]]
name = "longer"
recipe = "{folder}/longer.toml"
data = "squares"
folds = 2
against = "base"

[[cells]]
name = "on the list"
recipe = "{folder}/float.toml"
data = "squares"
settings = {{ lr = 2e-2, epochs = 1 }}
seeds = [1, 2]
"""


@pytest.fixture
def study(tmp_path):
    for name, text in (("float", FLOAT), ("longer", LONGER), ("study", STUDY)):
        (tmp_path / f"{name}.toml").write_text(text.format(folder=tmp_path))
    return tmp_path / "study.toml"


def files(out):
    return {str(path.relative_to(out)): checkpoints.load(path)["state"] for path in sorted(out.rglob("weights.pt"))}


@pytest.mark.slow
def test_calls_of_limited_time_end_as_one_call(study, squares, tmp_path, monkeypatch, capsys):
    command = ["study", str(study), "--data", f"squares={squares}", "--out"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    whole = tmp_path / "whole"
    rows = json.loads((whole / "study.json").read_text())
    assert list(rows) == ["base", "longer", "on the list"]
    assert [row["images"] for row in rows.values()] == [24, 24, 8]
    apart = rows["longer"]["iou"] - rows["base"]["iou"]
    assert 0 < rows["base"]["iou"] < 1 and apart != 0
    low, high = rows["longer"]["difference_interval"]
    assert rows["longer"]["difference"] == pytest.approx(apart) and low <= apart <= high
    assert rows["on the list"]["iou"] == pytest.approx(np.mean(rows["on the list"]["iou_of_seeds"]))
    table = (whole / "study.md").read_text()
    assert "| base | 1 | 24 |" in table and f"{apart:+.4f}" in table and "| on the list | 2 | 8 |" in table
    lists = whole / "squares-fixed" / "epochs-1_lr-0.02"
    assert (lists / "seed-2" / "fold-0" / "reported.txt").read_text() == (squares / "val.txt").read_text() + "\n"
    assert (lists / "seed-2" / "fold-0" / "train.txt").read_text() == (squares / "train.txt").read_text() + "\n"
    assert (lists / "seed-2" / "float.md").read_text().count("of the list val, none of which was trained on") == 1

    calls, seconds = 0, 0.0

    def a_minute_a_question():
        nonlocal seconds
        seconds += 60.0
        return seconds

    monkeypatch.setattr(pace.time, "time", a_minute_a_question)  # a call of four minutes sees an epoch or two
    status = 3
    while status == 3 and calls < 30:
        status, calls = main([*command, str(tmp_path / "parts"), "--minutes", "4"]), calls + 1
    assert status == 0 and calls > 3
    parts, wanted = files(tmp_path / "parts"), files(whole)
    assert parts.keys() == wanted.keys() and len(wanted) == 6
    for name, state in wanted.items():
        assert all(torch.equal(value, parts[name][key]) for key, value in state.items()), name
    assert (tmp_path / "parts" / "study.json").read_text() == (whole / "study.json").read_text()
    assert "the time allowed by --minutes is over" in capsys.readouterr().err


def test_pace_saves_every_minute_and_before_its_end(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(pace.time, "time", lambda: now)
    keeper = Pace(save_seconds=60, stop_at=1100.0)
    keeper.begin()
    saved, stopped = [], None
    for epoch in range(20):
        now += 8.0
        if keeper.must_save():
            saved.append(epoch)
        try:
            keeper.go_on()
        except TimeUp:
            stopped = epoch
            break
    assert (saved, stopped) == ([7, 11], 11), "after 64 s, and when 96 of 100 are over: another epoch ends too late"
    with pytest.raises(TimeUp):
        Pace(stop_at=now - 1).begin()


def test_a_recipe_is_looked_up_beside_the_study_then_in_the_current_folder(study, tmp_path, monkeypatch):
    study.write_text("[[cells]]\nname = 'a'\nrecipe = 'float.toml'\ndata = 'squares'\n")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "longer.toml", elsewhere / "float.toml")
    monkeypatch.chdir(elsewhere)
    assert read_study(str(study))[0].recipe == str(tmp_path / "float.toml")
    (tmp_path / "float.toml").unlink()
    assert read_study(str(study))[0].recipe == "float.toml"
    (elsewhere / "float.toml").unlink()
    with pytest.raises(ConfigError, match=r"cell 'a': recipe 'float\.toml' is no file in the folder '.*', nor in the"):
        read_study(str(study))


def test_a_change_of_the_last_stage_leaves_those_before_it_shared(study, squares, tmp_path):
    longer = f"[[cells]]\nrecipe = '{tmp_path}/longer.toml'\ndata = 'squares'\n"
    study.write_text(f"{longer}name = 'one'\n{longer}name = 'three'\nlast = {{ epochs = 3 }}\nagainst = 'one'\n")
    out = tmp_path / "out"
    assert main(["study", str(study), "--data", f"squares={squares}", "--out", str(out)]) == 0
    fold = out / "squares-fixed" / "seed-1" / "fold-0"
    assert {path.name for path in fold.iterdir() if path.is_dir()} == {"float", "longer", "longer_epochs-3"}
    epochs = {name: checkpoints.load(fold / name / "weights.pt")["epoch"] for name in ("longer", "longer_epochs-3")}
    assert epochs == {"longer": 0, "longer_epochs-3": 2}
    assert list(json.loads((out / "study.json").read_text())) == ["one", "three"]


HEAD = "model = 'cmunext-tiny-hw'\nsize = 32\nepochs = 1\n[[stages]]\nname = 'same'\n"


def cells(tmp_path, *of_cells, recipes=("",)):
    """The path of a study of cells, whose recipes are one stage each with more keys."""
    for index, more in enumerate(recipes):
        (tmp_path / f"{index}.toml").write_text(HEAD + more)
    text = [f"[[cells]]\nname = '{name}'\ndata = 'squares'\n{more}" for name, more in of_cells]
    path = tmp_path / "cells.toml"
    path.write_text("\n".join(text).replace("RECIPE", f"recipe = '{tmp_path}"))
    return str(path)


def test_cells_with_some_of_the_folds_of_another_leave_it_all_of_them(squares, tmp_path):
    some, every = "RECIPE/0.toml'\nfolds = 3\nfirst_folds = 2", "RECIPE/0.toml'\nfolds = 3"
    study = cells(tmp_path, ("some", some), ("all", every))
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 0
    rows = json.loads((tmp_path / "out" / "study.json").read_text())
    assert {name: row["images"] for name, row in rows.items()} == {"some": 16, "all": 24}
    reports = (tmp_path / "out" / "squares-3-folds").rglob("same*.json")
    images = {path.stem: json.loads(path.read_text())["parts"]["all"]["images"] for path in reports}
    assert images == {"same-first-2-folds": 16, "same": 24}


@pytest.mark.parametrize(
    "other",
    ["quant = 'w4a4'\ncalibration = 'train'", "init_from = 'one.pt'", "teacher = 'one.pt'", "epochs = 2"],
)
def test_stages_of_one_name_that_differ_are_not_trained_in_one_folder(squares, tmp_path, capsys, other):
    network = assemble("cmunext-tiny-hw", None)
    for name in ("one.pt", "two.pt"):
        trained.write_checkpoint(tmp_path / name, "cmunext-tiny-hw", (32, 32), network, None)
    other = [other, other.replace("one", "two")] if "teacher" in other else ["", other]
    study = cells(tmp_path, ("a", "RECIPE/0.toml'"), ("b", "RECIPE/1.toml'"), recipes=other)
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 2
    sentence = capsys.readouterr().err
    assert "the study's cells 'a' and 'b' would train different stages 'same' in one folder" in sentence
    assert not (tmp_path / "out").exists()


def test_cells_that_report_other_masks_have_no_difference(squares, tmp_path, capsys):
    more = "RECIPE/0.toml'\nagainst = 'a'\nsettings = { normal_cases = true }"
    study = cells(tmp_path, ("a", "RECIPE/0.toml'"), ("b", more))
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 2
    assert "cell 'b' reports other masks than 'a': they differ in classes or normal_cases" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("last = { damp = 2.0, epochs = 2 }", "damp has no effect without quant"),
        ("settings = { distill = 0.5 }", "distill has no effect without teacher"),
        ("settings = { calibration = 'calib_data' }", "calibration has no effect without quant"),
        ("folds = 1", "--folds must be at least 2, got 1"),
        ("folds = 50", "class 'image' has 24 images, fewer than --folds 50"),
        ("settings = { normal_cases = true }", "--normal-cases adds the folder normal/ of BUSI as released"),
        ("settings = { lr = -1 }", "stage 'same' of recipe '.*0.toml': --lr must be above 0"),
    ],
)
def test_a_cell_is_named_where_its_settings_are_wrong(squares, tmp_path, capsys, more, sentence):
    study = cells(tmp_path, ("a", "RECIPE/0.toml'"), ("b", f"RECIPE/0.toml'\n{more}"))
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 2
    assert re.match(f"error: the study's cell 'b': {sentence}", capsys.readouterr().err)


def test_folders_of_many_settings_have_names_that_fit(tmp_path):
    settings = {key: value for key, value in asdict(TrainConfig(model="m" * 300, data="d")).items() if key != "seed"}
    folders = set()
    for jitter in (1, 2):
        cell = Cell(name="a", recipe="r", data="d", settings={**settings, "jitter": jitter}, last={**settings})
        folders.add(cell.folder(Path("out"), 1))
    assert len(folders) == 2 and all(len(part) < 150 for folder in folders for part in folder.parts)


def test_a_run_that_does_not_train_is_named_and_the_finished_cells_are_told(squares, tmp_path, monkeypatch, capsys):
    def fit(config, *arguments, **named):
        if config.loss == "bce":
            raise TrainingError("the loss of epoch 1 is nan")
        return training.fit(config, *arguments, **named)

    monkeypatch.setattr(crossval, "fit", fit)
    study = cells(tmp_path, ("a", "RECIPE/0.toml'"), ("b", "RECIPE/0.toml'\nsettings = { loss = 'bce' }"))
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert "loss-bce/seed-1/fold-0/same': the loss of epoch 1 is nan" in told.err
    assert "| a | 1 | 8 |" in told.out and list(json.loads((tmp_path / "out" / "study.json").read_text())) == ["a"]


def test_a_list_of_one_image_has_no_interval(squares, tmp_path):
    shutil.copytree(squares, tmp_path / "data")
    (tmp_path / "data" / "val.txt").write_text("16")
    more = "RECIPE/0.toml'\nsettings = { loss = 'bce' }\nagainst = 'a'"
    study = cells(tmp_path, ("a", "RECIPE/0.toml'"), ("b", more))
    assert main(["study", study, "--data", f"squares={tmp_path / 'data'}", "--out", str(tmp_path / "out")]) == 0
    first, second = (tmp_path / "out" / "study.md").read_text().splitlines()[2:]
    assert re.fullmatch(r"\| a \| 1 \| 1 \| 0\.\d{4} \|  \| 0\.\d{4} \| 1?00?\.0% \|  \|", first)
    assert re.search(r"% \| [+-]0\.\d{4} from a \|$", second)


def test_names_of_cells_do_not_break_the_table(squares, tmp_path):
    study = cells(tmp_path, ("a|b", "RECIPE/0.toml'"))
    assert main(["study", study, "--data", f"squares={squares}", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "study.md").read_text().splitlines()[2].startswith("| a\\|b | 1 | 8 |")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_studies_are_valid(name):
    cells = read_study(name)
    results = {cell.folder(Path("out"), 1) / cell.stages()[-1].name for cell in cells}
    assert len(results) == len(cells), "none is another's"
    assert plans_of(cells, Path("out"), dict.fromkeys((cell.data for cell in cells), "anywhere"))
    for cell in cells:
        for stage in cell.stages():
            TrainConfig(**{**stage.settings, **cell.settings, "data": "anywhere"})
        assert cell.plans(Path("out"), "anywhere")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cells = ", r"is not valid TOML"),
        ("a = 1", r"has no cell; add \[\[cells\]\] with name, recipe and data"),
        ("[[cells]]\nname = 'a'\ndata = 'b'", r"a cell has no recipe; give it one"),
        ("cells = [1]", "a cell must be a table, got 1; correct it"),
        ("[cells]\nname = 'a'", "has no cell; add"),
        ("minutes = 3\n[[cells]]\nname = 'a'", "unknown key 'minutes'; a study holds"),
        ("[[cells]]\nname = 'a'\nrecipe = 2\ndata = 'd'", "recipe must be text, got 2; correct it"),
        (CELL.replace("'d'", "'../d'"), "data '../d' cannot be the name of a folder; give it another"),
        (CELL.replace("'a'", "''"), "the name is empty; give it one"),
        (f"{CELL}\nseeds = 3", "seeds must be a list, got 3; correct it"),
        (f"{CELL}\nseeds = ['x']", "a seed must be a whole number, got 'x'; correct it"),
        (f"{CELL}\nfolds = 2.5", "folds must be a whole number, got 2.5; correct it"),
        (f"{CELL}\nsettings = [1]", r"settings must be a table, got \[1\]; correct it"),
        (f"{CELL}\nsettings = {{ seed = 2 }}", "unknown setting 'seed'; known: all_images, augmentation, batch"),
        ("[[cells]]\nfold = 3", r"unknown key 'fold' of a cell; known: name, recipe, data, seeds, folds"),
        (
            "[[cells]]\nname = 'a'\nrecipe = 'r'\ndata = 'd'\nseeds = [1, 1]",
            r"seeds \[1, 1\] are not one or more different",
        ),
        (
            "[[cells]]\nname = 'a'\nrecipe = 'r'\ndata = 'd'\nagainst = 'b'",
            r"against 'b' is not an earlier cell of the same",
        ),
        (f"{CELL}\nsettings = {{ quant = 'w3a3' }}", "unknown setting 'quant'; known: all_images, augmentation, batch"),
        (f"{CELL}\nlast = {{ quant = 3 }}", "cell 'a': quant of last must be text, got 3; correct it"),
        (f"{CELL}\nlast = {{ model_ = 'x' }}", "unknown setting 'model_'; known: all_images, augmentation, batch"),
        (f"{CELL}\nfirst_folds = 2", "cell 'a': first_folds without folds; give folds, too"),
        (
            "[[cells]]\nname = 'b'\nrecipe = 'r'\ndata = 'd'\nfolds = 5\nfirst_folds = 2\n"
            f"{CELL}\nfolds = 5\nagainst = 'b'",
            "against 'b' is not an earlier cell of the same",
        ),
        ("[[cells]]\nname = 'a'\nrecipe = 'r'\ndata = 'd'\n" * 2, r"an earlier cell has that name; give each its own"),
    ],
)
def test_bad_studies_get_one_sentence(tmp_path, text, sentence):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        read_study(str(tmp_path / "bad.toml"))


def test_a_study_in_another_encoding_gets_one_sentence(tmp_path):
    path = tmp_path / "study.toml"
    path.write_bytes("[[cells]]".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"'.*study\.toml' is not UTF-8 text, as TOML is; save it as UTF-8"):
        read_study(str(path))


def test_unknown_studies_and_data_without_a_folder_are_refused(study, squares, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    for arguments, sentence in (
        (
            ["none", "--data", "a=b"],
            "unknown study 'none'; known: busi, busi-bits, busi-small, busi-trials, isic, peers, shipped",
        ),
        ([str(study), "--data", f"busi={squares}"], "needs data 'squares'; give --data squares=DIR"),
        (
            [str(study), "--data", f"squares={squares}", "--data", f"q={squares}"],
            "no cell of the study has data 'q'; leave out --data q=..., it needs: squares",
        ),
        ([str(study), "--data", "squares=a", "--data", "squares=b"], "--data squares is given twice, as a and b"),
        ([str(study), "--data", f"squares={squares}", "--minutes", "nan"], "--minutes must be above 0, got nan"),
        ([str(study), "--data", str(squares)], "has no name or no folder; give --data NAME=DIR"),
        ([str(study), "--data", "squares="], "has no name or no folder; give --data NAME=DIR"),
    ):
        assert main(["study", *arguments, *out]) == 2
        assert sentence in capsys.readouterr().err
