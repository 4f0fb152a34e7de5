"""A plan: its rules on figures, what fits a board by the models, the recipe that ``quant`` reads, and what is short."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.base.board_config import load_board
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.cli.edgeseg import main as entry
from hw_build.commands import plan as command
from hw_build.commands import run
from hw_build.flow.plan import networks
from hw_build.flow.plan.commands import commands_of
from hw_build.flow.plan.networks import Choice, Models, Stage, choose, run_quant
from hw_build.flow.plan.recipe import recipe_text
from hw_build.flow.plan.rules import demand, up
from hw_build.flow.scale.lowered import lowered_network
from hw_build.flow.scale.point import Figures, Outcome, at_rate
from quant.training.recipe import read_cascade_table, read_recipe
from quant.training.train_config import TrainConfig
from quant.volumes.describe import describe

BOARD = load_board("pynq-z2")


def spread(p5, p50, p95, most=None):
    return {"p5": p5, "p50": p50, "p95": p95, "max": most or p95}


INTENSITY = {"p1": 0.0, "p50": 80.0, "p99": 240.0, "zeros": 0.5}
IMAGES = {
    "kind": "images", "cases": 450, "height": spread(300, 480, 600), "width": spread(400, 560, 700), "channels": 1,
    "classes": 1, "box": {"height": spread(0.08, 0.22, 0.62), "width": spread(0.11, 0.38, 0.76)},
    "intensity": INTENSITY, "stacked_patients": 0,
}  # fmt: skip
SMALL = {**IMAGES, "box": {"height": spread(0.12, 0.2, 0.4), "width": spread(0.08, 0.17, 0.3)}}
VOLUMES = {
    "kind": "volumes", "cases": 100, "shape": [spread(33, 35, 38, 43), spread(45, 50, 55, 59), spread(28, 35, 42)],
    "spacing_mm": [1.0, 1.0, 3.0], "channels": 1, "classes": 3, "intensity": INTENSITY,
    "box": {axis: spread(0.2, 0.3, 0.4) for axis in "xyz"},
}  # fmt: skip


MODEST = {**SMALL, "height": spread(90, 128, 128), "width": spread(90, 128, 128)}  # sides of 128 and less
ONE_SIDE = {**IMAGES, "height": spread(50, 60, 64), "width": spread(50, 60, 64)}


def reason(found, what):
    (one,) = [reason for reason in found.reasons if reason.what == what]
    return one


def test_sides_are_multiples_that_keep_the_smallest_lesions():
    found = demand(IMAGES)
    assert found.sides == (256, 224, 192, 160, 128)  # 8 pixels of 8% of a side: 100 at least
    assert (found.dimension, found.box, found.framed) == ("2D", None, False)
    assert "covers 62% x 76% of the image, more than 50%" in reason(found, "cascade").why
    assert demand({**IMAGES, "height": spread(60, 70, 80), "width": spread(60, 70, 80)}).sides == (96,)
    assert up(64) == 64 and up(64.1) == 96 and up(0) == 32


def test_small_lesions_get_a_cascade_whose_crop_holds_them():
    found = demand(SMALL)
    assert (found.dimension, found.box, found.reduction) == ("cascade of 2D", (0.4, 0.3), 4)
    assert found.crop(256) == (160, 128)  # 1.25 * 0.4 * 256 + 6 = 134; 102
    assert found.crop(64) == (64, 32)
    assert demand({**SMALL, "classes": 2}).box is None


def test_volumes_are_framed_at_their_resolution():
    found = demand(VOLUMES)
    assert (found.dimension, found.sides, found.framed, found.nonzero) == ("2.5D", (64,), True, True)
    assert "slices 3 mm apart, pixels of 1 mm" in reason(found, "dimension").why
    assert "3 classes" in reason(found, "cascade").why
    one = demand({**VOLUMES, "classes": 1})
    assert one.box == pytest.approx((0.4 * 59 / 64, 0.4 * 43 / 64)) and one.dimension == "cascade of 2.5D"
    assert demand({**IMAGES, "stacked_patients": 30}).dimension == "2.5D"


def test_few_images_are_augmented_more_and_seen_more_often():
    few, many = demand({**IMAGES, "cases": 100}), demand({**IMAGES, "cases": 5000})
    assert (few.augmentation, few.float_epochs, few.quantized_epochs) == ("strong", 300, 300)
    assert (many.augmentation, many.float_epochs, many.quantized_epochs) == ("flips", 20, 20)
    assert demand(IMAGES).float_epochs == 143  # 8000 steps of 8 images


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = synthetic.unet(32, 32, levels=1, dims=(2, 4))
    return exports.write_export(tmp_path_factory.mktemp("export"), model, height=32, width=32)


class Lowered:
    """One network under every name."""

    def __init__(self, export):
        self._network = lowered_network(read_export(export), BOARD.part)

    def lowered(self, network, bits):
        return self._network


def test_the_first_that_fits_is_chosen_and_its_rate_is_that_of_both_stages(export):
    models, wanted = Lowered(export), demand(MODEST)
    found = choose(wanted, models, BOARD, [], 100.0, [("a", "w4a4"), ("b", "w4a4")])
    assert (found.network, found.side) == ("a", 128)
    assert [stage.size for stage in found.stages] == [(64, 64), (96, 64)]
    for stage in found.stages:
        assert stage.figures == at_rate(models.lowered("a", ""), stage.size, 200.0, [BOARD])
        assert stage.figures.frames_per_second >= 200
    assert found.frames_per_second == pytest.approx(1 / sum(1 / s.figures.frames_per_second for s in found.stages))


def test_what_fits_no_board_says_what_is_short(export):
    models, wanted, networks = Lowered(export), demand(ONE_SIDE), [("b", "w4a4")]
    assert wanted.sides == (64,)
    with pytest.raises(BuildError, match=r"'pynq-z2' at 1e\+08 frames/s: b w4a4 at 64x64 has a layer of [\d,]+ cycles"):
        choose(wanted, models, BOARD, [], 1e8, networks)
    small = replace(BOARD, name="small", resources=replace(BOARD.resources, luts=400, memory_luts=400))
    with pytest.raises(
        BuildError, match=r"takes [\d,]+ LUTs of 300 \(a .*; take --board pynq-z2, or ask for fewer --fps"
    ):
        choose(wanted, models, small, [BOARD], 30.0, networks)


@pytest.mark.parametrize("data", [ONE_SIDE, MODEST, VOLUMES], ids=["2D", "cascade", "volumes"])
def test_a_plan_is_a_recipe_that_can_be_trained(tmp_path, data):
    wanted = demand(data)
    side = wanted.sides[0]
    sizes = [(side, side)] if wanted.box is None else [(side // wanted.reduction,) * 2, wanted.crop(side)]
    figures = Figures(outcome=Outcome.FITS, cycles_per_frame=1_000_000, luts=1, dsps=1, bram36=1, boards=(BOARD.name,))
    stages = tuple(Stage(name=str(size), size=size, figures=figures) for size in sizes)
    chosen = Choice(network="cmunext-xxs-hw", bits="w4a4", side=side, stages=stages)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(wanted, chosen, wanted.reasons, "A title."))
    stages = read_recipe(str(path))
    configs = [TrainConfig(**stage.settings, data="anywhere") for stage in stages]
    assert configs[-1].image_size == chosen.stages[-1].size and configs[-1].classes == wanted.classes
    assert [stage.quant for stage in stages] == [None, "w4a4"] * len(chosen.stages)
    assert [stage.init_from for stage in stages[-2:]] == ["coarse-float" if wanted.box else None, stages[-2].name]
    if wanted.box:
        table, reduction = read_cascade_table(str(path))
        assert (table.crop, reduction, configs[0].size) == (sizes[1], wanted.reduction, 64)
    assert all(len(line) <= 120 for line in path.read_text().splitlines())


@pytest.fixture
def data(tmp_path, request):
    """A folder of grey images with a square of 40 of 128 pixels, or of as many as a test says."""
    side = getattr(request, "param", 40)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for index in range(6):
        mask = np.zeros((128, 128), np.uint8)
        mask[10 + index : 10 + side + index, 30 : 30 + side] = 255
        Image.fromarray(mask // 2 + 30).save(tmp_path / "data" / "images" / f"{index}.png")
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{index}.png")
    (tmp_path / "data" / "train.txt").write_text("\n".join(map(str, range(5))))
    (tmp_path / "data" / "val.txt").write_text("5")
    return tmp_path / "data"


def test_the_command_leaves_recipe_and_reasons(data, export, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(networks.Models, "_export", lambda *_: export)
    monkeypatch.setattr(command, "run_quant", lambda *_: json.dumps(describe(data)))
    out = tmp_path / "plan"
    arguments = ["--data", str(data), "--fps", "100", "--out", str(out), "--networks", "cmunext-xxs-hw:w4a4"]
    assert entry(["plan", *arguments, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan == json.loads((out / "plan.json").read_text())
    assert plan["data"]["box"]["width"]["p50"] == 40 / 128 and plan["data"]["channels"] == 1
    assert plan["dimension"] == "cascade of 2D" and plan["stages"]["first"]["size"] == [32, 32]
    assert plan["stages"]["second"]["size"] == [64, 64] and plan["frames_per_second"] >= 100
    assert all(one["why"] for one in plan["reasons"])
    assert len(read_recipe(str(out / "recipe.toml"))) == 4
    stage = ["export", "build", "bitstream"]
    assert [line.split()[3] for line in plan["commands"]] == ["train", *stage, *stage, "cascade"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "missing"], "data folder 'missing' does not exist"),
        (["--data", ".", "--fps", "0"], "--fps must be 1e-06 to one a cycle"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plan", *arguments, "--out", "out"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"val_missing": "'val.txt' does not exist"}, "a plan needs a split to score on: 'val.txt' does not exist"),
        ({"channels": 4}, "the volumes have 4 channels; slices for a board are made of one: choose it"),
        ({"orientations": ["LAS", "RAS"]}, "have the orientations LAS, RAS; turn all to one"),
    ],
)
def test_data_that_no_command_of_the_plan_would_take_are_refused(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        demand({**VOLUMES, **change})


def test_volumes_become_slabs_of_their_classes_first(tmp_path):
    wanted = demand(VOLUMES)
    figures = Figures(outcome=Outcome.FITS, cycles_per_frame=1000, luts=1, dsps=1, bram36=1, boards=("kv260",))
    chosen = Choice(network="n", bits="w4a4", side=64, stages=(Stage(name="network", size=(64, 64), figures=figures),))
    out = tmp_path / "a plan"
    files = {"data": tmp_path / "scans", "out": out, "recipe": out / "recipe.toml"}
    lines = commands_of(board=load_board("kv260"), demand=wanted, choice=chosen, **files)
    told = [shlex.split(line)[3:] for line in lines]
    slabs = [f"--data {tmp_path}/scans --classes 3 --nonzero --size 64 64 --out", f"{out}/slabs"]
    assert told[0] == ["slabs", *slabs[0].split(), slabs[1]]
    assert told[1] == ["train", "--recipe", f"{out}/recipe.toml", "--data", f"{out}/slabs", "--out", f"{out}/runs"]
    options = ["--board", "kv260", "--folding", "1000", "--size-fifos", "--netlist"]
    assert told[3] == ["build", "--export", f"{out}/export/network", *options, "--out", f"{out}/build/network"]
    assert told[4] == ["bitstream", "--inputs-only", "--out", f"{out}/build/network"]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A plan of three commands, and what a run of them started; a command named ``fails`` ends with status 2."""
    lines = [f"python -m quant {name} --recipe r --out {tmp_path / name}" for name in ("train", "export")]
    lines.append(f"python -m hw_build build --out '{tmp_path / 'a build'}'")
    (tmp_path / "plan.json").write_text(json.dumps({"commands": lines}))
    (tmp_path / "recipe.toml").write_text("seed = 1\n")
    started = []

    def start(command, *, check):
        assert command[:2] == [sys.executable, "-m"] and not check
        started.append(command[3])
        Path(command[-1]).mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 2 if command[3] == start.fails else 0)

    start.fails = None
    monkeypatch.setattr(run.subprocess, "run", start)
    return tmp_path, started, start


def test_a_run_goes_on_where_it_failed_and_redoes_what_changed(plan, capsys):
    folder, started, start = plan
    start.fails = "export"
    assert entry(["run", str(folder)]) == 2 and started == ["train", "export"]
    start.fails = None
    assert entry(["run", str(folder)]) == 0 and started[2:] == ["export", "build"]
    assert entry(["run", str(folder)]) == 0 and len(started) == 4
    (folder / "a build").rmdir()
    assert entry(["run", str(folder), "--dry-run"]) == 0 and len(started) == 4
    told = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[:2] for line in told] == [["finished", "1/3:"], ["finished", "2/3:"], ["to", "do"]]
    assert entry(["run", str(folder)]) == 0 and started[4:] == ["build"]
    (folder / "recipe.toml").write_text("seed = 2\n")
    assert entry(["run", str(folder)]) == 0 and started[5:] == ["train", "export", "build"]
    (folder / "run.json").write_text("{")
    assert entry(["run", str(folder)]) == 0 and len(started) == 11


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "holds no plan (plan.json); make it with `edgeseg plan"),
        ("{", "is no plan: it holds no list of commands"),
        ("[" * 100_000, "is no plan: it holds no list of commands"),
        (r'{"commands": ["python -m quant train --out \u0000"]}', "which no plan does"),
        (r'{"commands": ["python -m quant train --out \ud800"]}', "which no plan does"),
        ('{"commands": [1]}', "is no plan: it holds no list of commands"),
        ('{"commands": ["rm -r x"]}', "holds 'rm -r x', which no plan does"),
        ('{"commands": ["python -m quant train --out"]}', "which no plan does"),
        ('{"commands": ["python -m"]}', "which no plan does"),
        ('{"commands": ["python -m quant \'"]}', "which no plan does"),
    ],
)
def test_what_is_no_plan_is_not_run(tmp_path, capsys, content, sentence):
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
        (tmp_path / "recipe.toml").write_text("")
    assert cli.main(["run", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_recipe_in_another_encoding_is_named(plan, capsys):
    folder, started, _ = plan
    (folder / "recipe.toml").write_bytes("seed = 1".encode("utf-16"))
    assert cli.main(["run", str(folder)]) == 2 and not started
    assert "recipe.toml' is not UTF-8 text, as TOML is; save it as UTF-8" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("data", [80], indirect=True)
def test_a_plan_runs_through_to_the_inputs_of_a_bitstream(data, tmp_path):
    """Some minutes: a small network, trained for an epoch, FIFOs sized, its netlist exact."""
    out = tmp_path / "plan"
    arguments = ["--data", str(data), "--fps", "100", "--out", str(out), "--networks", "cmunext-tiny-hw:w4a4"]
    assert entry(["plan", *arguments]) == 0
    recipe = (out / "recipe.toml").read_text()
    (out / "recipe.toml").write_text(re.sub(r"(?m)^epochs = \d+", "epochs = 1", recipe))
    assert entry(["run", str(out)]) == 0
    build = out / "build" / "network"
    assert json.loads((build / "netlist" / "record.json").read_text())["checked"]
    assert (build / "bitstream" / "edgeseg.xdc").is_file()


@pytest.mark.slow
def test_a_registered_network_is_exported_once_and_fits(tmp_path):
    models = Models(tmp_path, BOARD.part)
    found = choose(demand(IMAGES), models, BOARD, [], 30.0, [("cmunext-tiny-hw", "w4a4")])
    assert found == Choice(
        network="cmunext-tiny-hw", bits="w4a4", side=256,
        stages=(Stage(name="network", size=(256, 256), figures=found.stages[0].figures),),
    )  # fmt: skip
    before = (tmp_path / "cmunext-tiny-hw-w4a4" / "manifest.json").stat().st_mtime_ns
    Models(tmp_path, BOARD.part).lowered("cmunext-tiny-hw", "w4a4")
    assert (tmp_path / "cmunext-tiny-hw-w4a4" / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(BuildError, match="unknown"):
        models.lowered("no-such-network", "w4a4")
    with pytest.raises(BuildError, match="has neither images/ and masks/"):
        run_quant("describe", "--data", str(tmp_path), "--json")
