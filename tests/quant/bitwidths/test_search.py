"""The search: never above the budget, nothing measured twice, alone or shared; its file is what training takes."""

import csv
import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

import models
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.bitwidths.prior import draws
from quant.bitwidths.sensitivity import costs_of
from quant.bitwidths.sites import sites_of, total_bits
from quant.bitwidths.subject import Subject
from quant.twin.config import QuantConfig
from quant.twin.networks import assemble
from quant.twin.structure import Structure

ROOT = Path(__file__).resolve().parents[3]
BUDGET_KBIT, TRIALS = 17, 16


@pytest.fixture(scope="module")
def table_dir(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("table")
    command = ["sensitivity", "--checkpoint", str(tiny), "--images", "4", "--bits", "3,2", "--out", str(out)]
    assert main(command) == 0
    return out


@pytest.fixture(scope="module")
def command(tiny, table_dir):
    def make(out, *more):
        given = {"--checkpoint": tiny, "--images": 4, "--bits": "3,2", "--sensitivity": table_dir, "--out": out}
        given |= {"--budget-kbit": BUDGET_KBIT, "--trials": TRIALS}
        return ["search", *(str(word) for pair in given.items() for word in pair), *map(str, more)]

    return make


def count(patch, found):
    """Every call of `Subject.scores` adds its widths to ``found``."""
    scores = Subject.scores

    def counted(self, widths):
        found.append(dict(widths))
        return scores(self, widths)

    patch.setattr(Subject, "scores", counted)


@pytest.fixture
def asked(monkeypatch):
    """Widths that were measured, in order."""
    found = []
    count(monkeypatch, found)
    return found


@pytest.fixture(scope="module")
def searched(command, tmp_path_factory):
    """One search with the seed that it has by default: its folder, and the widths that were measured, in order."""
    out, found = tmp_path_factory.mktemp("searched"), []
    with pytest.MonkeyPatch.context() as patch:
        count(patch, found)
        assert main(command(out)) == 0
    return out, found


def without_repetition(found):
    return len({tuple(sorted(widths.items())) for widths in found}) == len(found)


def test_the_budget_is_never_exceeded_and_the_greedy_solution_comes_first(searched, subject, table_dir):
    out, asked = searched
    assert len(asked) == TRIALS and without_repetition(asked)
    budget_bits = BUDGET_KBIT * 1000 - subject.input_bits
    assert all(total_bits(subject.sites, widths) <= budget_bits for widths in asked)
    costs = costs_of(json.loads((table_dir / "sensitivity.json").read_text()), [3, 2])
    assert asked[0] == next(draws(subject.sites, costs, budget_bits, None))
    with (out / "pareto.csv").open() as file:
        points = [(float(line["kbit"]), float(line["iou_pooled8"])) for line in csv.DictReader(file)]
    assert points == sorted(points) and len({iou for _, iou in points}) == len(points)
    measured = [subject.scores(widths)["iou_pooled8"] for widths in asked]
    assert points[-1][1] == max(measured) and points[-1][0] <= BUDGET_KBIT


def test_after_the_first_population_come_children_of_what_was_measured(searched):
    _, asked = searched
    for number in range(10, TRIALS):
        child, earlier = asked[number], asked[:number]
        foreign = min(
            sum(child[key] not in (one[key], other[key]) for key in child) for one, other in combinations(earlier, 2)
        )
        assert foreign <= 5, f"trial {number} has {foreign} of {len(child)} widths of its own: no child, a random draw"


def test_the_file_gives_a_twin_of_these_widths_that_trains(searched, subject, tiny, squares, tmp_path):
    searched_in, _ = searched
    quant = QuantConfig.read(str(searched_in / "quant.toml"))
    assert quant.name == f"w4a4-{BUDGET_KBIT}kbit"
    network = models.build("cmunext-tiny-hw")
    observed, _ = subject._flow.observe()
    sites = sites_of(assemble("cmunext-tiny-hw", quant).eval(), Structure(network), observed.shapes)
    best = json.loads((searched_in / "search.json").read_text())["best"]
    assert {site.key: site.bits for site in sites} == best["widths"]
    assert total_bits(sites, {}) + subject.input_bits == pytest.approx(best["kbit"] * 1000)
    out = tmp_path / "train"
    train = ["train", "--model", "cmunext-tiny-hw", "--quant", searched_in / "quant.toml", "--init-from", tiny]
    train += ["--data", squares, "--size", 32, "--epochs", 1, "--out", out]
    assert main([str(word) for word in train]) == 0
    assert QuantConfig.from_dict(checkpoints.load(out / "weights.pt")["quant"]) == quant


@pytest.mark.slow
def test_the_same_seed_finds_the_same_and_another_searches_elsewhere(searched, command, asked, tmp_path, capsys):
    first_in, first = searched
    for name, seed in (("again", 1), ("other", 2)):
        assert main(command(tmp_path / name, "--seed", seed)) == 0
        assert "greedy, from the table" in capsys.readouterr().out
    again, other = asked[:TRIALS], asked[TRIALS:]
    assert first == again and first != other
    assert (first_in / "pareto.csv").read_text() == (tmp_path / "again" / "pareto.csv").read_text()


@pytest.mark.slow
def test_a_broken_off_search_goes_on_and_measures_nothing_twice(command, asked, tmp_path, monkeypatch, capsys):
    counted = Subject.scores

    def interrupted(self, widths):
        if len(asked) == 5:
            raise KeyboardInterrupt
        return counted(self, widths)

    monkeypatch.setattr(Subject, "scores", interrupted)
    assert main(command(tmp_path)) == 130
    monkeypatch.setattr(Subject, "scores", counted)
    assert main(command(tmp_path)) == 0
    assert len(asked) == TRIALS and without_repetition(asked)
    before = (tmp_path / "quant.toml").read_text()
    assert main(command(tmp_path)) == 0
    assert len(asked) == TRIALS and (tmp_path / "quant.toml").read_text() == before
    assert main(command(tmp_path, "--trials", TRIALS + 3)) == 0
    assert len(asked) == TRIALS + 3 and without_repetition(asked)


@pytest.mark.slow  # two database clients on one disk: mostly waiting
def test_two_processes_share_one_study(command, subject, tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "quant", *command(tmp_path / name, "--storage", storage, "--seed", seed)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, seed in (("a", 1), ("b", 2))
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    trials = optuna.load_study(study_name="bitwidths", storage=storage).get_trials()
    measured = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert TRIALS <= len(measured) <= TRIALS + 1  # each may be at its last one
    assert without_repetition([trial.params for trial in measured])
    assert all(total_bits(subject.sites, trial.params) + subject.input_bits <= BUDGET_KBIT * 1000 for trial in measured)
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--budget-kbit", 1], r"--budget-kbit 1 is below the "),
        (["--budget-kbit", 1000], r"--budget-kbit 1000 is not below the "),
        (["--trials", 0], r"--trials must be at least 1, got 0"),
        (["--seed", -1], r"--seed must be 0 to 4294967295, got -1"),
        (["--storage", "nonsense://x"], r"storage 'nonsense://x' cannot be opened ("),
        (["--storage", "sqlite:////none/such/study.db"], r"cannot be opened ("),
    ],
)
def test_mistakes_get_one_sentence(command, tmp_path, more, sentence, capsys):
    assert main(command(tmp_path, *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and sentence in error


@pytest.mark.slow
def test_another_budget_needs_another_study(command, tmp_path, capsys):
    assert main(command(tmp_path, "--trials", 2)) == 0
    assert main(command(tmp_path, "--budget-kbit", 16)) == 2
    assert "study 'bitwidths' was made with another budget_kbit; give another --study" in capsys.readouterr().err
    assert main(command(tmp_path, "--budget-kbit", 16, "--study", "tight", "--trials", 2)) == 0
