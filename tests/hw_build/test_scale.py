"""The grid of design points: what each says, that nothing is done twice, and that a Dask cluster says the same."""

import json
import shutil
import sys
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path

import onnx
import pytest
from distributed import LocalCluster
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.base.board_config import BOARDS as BOARD_FILES
from hw_build.base.board_config import Family, load_board
from hw_build.base.errors import BuildError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.commands.scale import ScaleConfig, grid, lowered_network
from hw_build.flow.scale import sweep as sweep_module
from hw_build.flow.scale.pareto import draw, front
from hw_build.flow.scale.point import Figures, Outcome, Point, evaluate, read_sized
from hw_build.flow.scale.sweep import dask_cluster, local_processes, sweep
from hw_build.folding.board_share import LUT_SHARE, budget_of
from hw_build.folding.optimise import plan_for
from hw_build.folding.optimum import same_foldings
from hw_build.lowering import set_input_size

BOARDS = [load_board(name) for name in ("pynq-z2", "zcu104")]
NETWORK = ("synthetic", "as-exported")


def point(side, rate, board=None):
    return Point(network=NETWORK[0], bits=NETWORK[1], side=side, frames_per_second=rate, board=board)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = synthetic.unet(16, 16, levels=1, dims=(2, 4))
    return read_export(exports.write_export(tmp_path_factory.mktemp("export"), model, height=16, width=16))


@pytest.fixture(scope="module")
def lowered(export):
    return lowered_network(export, BOARDS[0].part)


def test_faster_and_larger_takes_more_cycles_and_luts(lowered):
    points = (16, 100), (32, 100), (32, 3000), (64, 100)
    small, slow, fast, large = all_figures = [evaluate(point(*each), lowered, BOARDS) for each in points]
    assert all(figures.outcome is Outcome.FITS and "pynq-z2" in figures.boards for figures in all_figures)
    assert slow.cycles_per_frame <= 100e6 / 100 and fast.cycles_per_frame <= 100e6 / 3000
    assert slow.luts < fast.luts and fast.frames_per_second > 3000
    assert slow.cycles_per_frame == 4 * small.cycles_per_frame  # both of them as slow as they go
    assert large.cycles_per_frame > slow.cycles_per_frame and large.luts > slow.luts > small.luts


def test_a_board_of_another_family_counts_the_same_folding_by_its_own_models(lowered):
    rate = 3000
    networks = read_sized(lowered, (32, 32), BOARDS)
    plan = plan_for(networks[Family.ZYNQ_7000], int(100e6 / rate), budget_of(BOARDS[0]))
    there = same_foldings(networks[Family.ZYNQ_ULTRASCALE], plan.choice)
    model = set_input_size(ModelWrapper(onnx.load_from_string(lowered)), 32, 32)
    more = 0
    for node, option in zip(model.graph.node, plan.choice.options, strict=True):
        operation = getCustomOp(node)
        for key, value in option.folding.items():
            operation.set_nodeattr(key, value)
        more += operation.lut_estimation(BOARDS[1].part) - operation.lut_estimation(BOARDS[0].part)
    assert there.luts == plan.choice.luts + more > plan.choice.luts  # sums behind multipliers take LUTs
    small = with_luts(BOARDS[0], plan.luts)
    for luts, boards in ((plan.luts + more, ("pynq-z2", "zcu104")), (plan.luts + more - 1, ("pynq-z2",))):
        figures = evaluate(point(32, rate), lowered, [small, with_luts(BOARDS[1], luts)])
        assert (figures.luts, figures.boards) == (plan.luts, boards)


def with_luts(board, luts):
    """``board`` with as many LUTs as let a design take ``luts`` of them."""
    has = ceil(luts / LUT_SHARE)
    return replace(board, resources=replace(board.resources, luts=has, memory_luts=1))


def test_what_no_layer_reaches_is_told_with_its_cycles(lowered):
    figures = evaluate(point(64, 1e6), lowered, BOARDS)
    assert (figures.outcome, figures.luts, figures.boards) == (Outcome.TOO_SLOW, None, ())
    assert figures.cycles_per_frame >= 64 * 64


def test_best_rate_of_a_board_stays_in_its_budget(lowered):
    figures = evaluate(point(16, None, "pynq-z2"), lowered, BOARDS)
    budget = budget_of(BOARDS[0])
    assert budget.luts == 39_900 and budget.bram36 == 126 and budget.dsps == 220
    assert figures.luts <= budget.luts and figures.dsps <= budget.dsps and figures.bram36 <= budget.bram36
    assert figures.boards == ("pynq-z2",)


def test_grid_has_every_point_once(export, tmp_path):
    sides, rates = [16, 32, 16], [10.0, None, 10.0]
    points = grid(ScaleConfig(exports=[export], sides=sides, rates=rates, boards=BOARDS, out=tmp_path))
    assert len(points) == 2 * (1 + len(BOARDS))
    assert len(set(points)) == len({each.name for each in points}) == 2 * (1 + len(BOARDS))


def test_rates_that_differ_in_the_seventh_digit_are_two_files():
    names = [point(16, rate).name for rate in (15.0, 15.0000001, 1234567.0, 1234568.0, 0.1)]
    assert len(set(names)) == len(names)
    assert names[0] == "synthetic-as-exported-16-15fps" and names[-1] == "synthetic-as-exported-16-0.1fps"


def fail():
    raise AssertionError("every point is saved")


@contextmanager
def one_thread():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_saved_points_are_kept_until_the_network_changes(lowered, tmp_path):
    points, done = [point(16, 50.0), point(16, 100.0)], []

    def run(executor, network=lowered):
        done.clear()
        return sweep(
            points, {NETWORK: network}, BOARDS, tmp_path, executor=executor,
            on_done=lambda point, figures, saved: done.append(saved),
        )  # fmt: skip

    first = run(one_thread)
    assert done == [False, False]
    assert run(fail) == first and done == [True, True]
    (tmp_path / f"{points[1].name}.json").write_text('{"key": ')  # as after a broken disk
    assert run(one_thread) == first and sorted(done) == [False, True]
    with pytest.raises(AssertionError, match="every point is saved"):
        run(fail, lowered + b"\0")


@pytest.mark.slow
def test_processes_and_a_dask_cluster_say_what_a_call_says(lowered, tmp_path):
    points = [point(16, 50.0)]
    expected = {points[0]: evaluate(points[0], lowered, BOARDS)}
    assert sweep(points, {NETWORK: lowered}, BOARDS, tmp_path / "here", executor=lambda: local_processes(1)) == expected
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        executor = lambda: dask_cluster(cluster.scheduler_address)  # noqa: E731
        assert sweep(points, {NETWORK: lowered}, BOARDS, tmp_path / "dask", executor=executor) == expected


class Killed(Executor):
    """Each of its workers is."""

    def submit(self, *call):
        future = Future()
        future.set_exception(BrokenExecutor())
        return future


def test_a_side_that_poolings_do_not_divide_is_told_with_its_network_before_any_point(export, tmp_path, capsys):
    arguments = ["scale", "--export", str(export.folder), "--out", str(tmp_path), "--sizes", "16", "17"]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: synthetic as-exported at 17x17: node ") and "would halve 17x17" in error
    assert not (tmp_path / "points").exists()


def test_a_network_of_another_folder_is_a_file_here(lowered, tmp_path):
    named = replace(point(16, 50.0), network="zoo/unet")
    key = named.network, named.bits
    figures = sweep([named], {key: lowered}, BOARDS, tmp_path, executor=one_thread)
    assert [path.name for path in tmp_path.iterdir()] == [f"zoo_unet-{named.bits}-16-50fps.json"]
    assert figures == {named: evaluate(point(16, 50.0), lowered, BOARDS)}


def test_killed_worker_is_one_sentence(lowered, tmp_path):
    with pytest.raises(BuildError, match="ended from outside, perhaps for lack of memory; give fewer --jobs"):
        sweep([point(16, 50.0)], {NETWORK: lowered}, BOARDS, tmp_path, executor=Killed)
    assert not list(tmp_path.iterdir())


def test_front_is_what_no_other_design_beats():
    designs = [(10, 5), (20, 4), (10, 3), (30, 9), (40, 9)]
    assert front(designs) == [(10, 5), (30, 9)]


def test_plot_of_what_fits(tmp_path):
    fits = Figures(outcome=Outcome.FITS, cycles_per_frame=10_000, luts=900, dsps=1, bram36=1, boards=("pynq-z2",))
    draw({point(16, 5.0): fits, point(16, 1e9): Figures(outcome=Outcome.TOO_SLOW, cycles_per_frame=9)}, tmp_path / "p")
    assert "16x16" in (tmp_path / "p").read_text() and "<svg" in (tmp_path / "p").read_text()
    draw({}, tmp_path / "empty")


def test_command_prints_the_table_and_writes_it(export, tmp_path, capsys, monkeypatch):
    arguments = ["scale", "--export", str(export.folder), "--out", str(tmp_path), "--sizes", "16", "--jobs", "1"]
    arguments += ["--boards", "pynq-z2", "zcu104", "--fps", "100", "1000000"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr()
    assert "pynq-z2, zcu104" in shown.out and "too slow" in shown.out
    rows = json.loads((tmp_path / "scale.json").read_text())
    assert [row["frames_per_second"] for row in rows] == [100.0, 1e6]
    monkeypatch.setattr(sweep_module, "evaluate", None)
    assert cli.main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == rows


def test_a_name_in_square_brackets_is_shown_as_it_is(export, tmp_path, capsys):
    """Square brackets would be markup to what draws the table."""
    folder = shutil.copytree(export.folder, tmp_path / "export")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["model"]["name"] = "net[b]4[/i]"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    arguments = ["scale", "--export", str(folder), "--out", str(tmp_path / "out"), "--sizes", "16", "--jobs", "1"]
    assert cli.main([*arguments, "--boards", "pynq-z2", "--fps", "100"]) == 0
    assert "net[b]4[/i]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--fps", "-3"], "--fps takes numbers from 1e-06 to 1e+12 or 'max', got '-3'"),
        (["--fps", "1e-300"], "--fps takes numbers from 1e-06 to 1e+12 or 'max', got '1e-300'"),
        (["--fps", "nan"], "--fps takes numbers from 1e-06 to 1e+12 or 'max', got 'nan'"),
        (["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["--sizes", "0"], "--sizes must be 1 to 8192, got 0"),
        (["--sizes", "99999999999999999999"], "--sizes must be 1 to 8192, got 99999999999999999999"),
        (["--boards", "kv260", str(BOARD_FILES / "kv260.toml")], "two boards are called kv260: give one of them"),
        (["--scheduler", "nonsense://1"], "no Dask scheduler answers at 'nonsense://1'"),
        (["--scheduler", ""], "no Dask scheduler answers at ''"),
    ],
)
def test_mistakes_are_one_line(export, tmp_path, capsys, option, sentence):
    arguments = ["scale", "--export", str(export.folder), "--out", str(tmp_path), "--sizes", "16", "--fps", "100"]
    assert cli.main([*arguments, *option]) == 2
    assert sentence in capsys.readouterr().err


def test_two_exports_of_one_network_are_refused(export, tmp_path, capsys):
    folder = str(export.folder)
    assert cli.main(["scale", "--export", folder, folder, "--out", str(tmp_path)]) == 2
    assert "error: two exports are of synthetic at as-exported: give one of them" in capsys.readouterr().err
