"""Which FIFOs lie in UltraRAM, and that models, budgets, RTL and synthesis count the same."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "folding")]
import exports
import synthetic
from test_lag import around, same_size

from hw_build.base.board_config import load_board
from hw_build.base.errors import ConfigError
from hw_build.cli import main as cli
from hw_build.fifo.depths import rounded_depth
from hw_build.folding.lag import fork_memory
from hw_build.folding.least_memory import least_memory, refusal_of_memory
from hw_build.folding.optimise import Budget, at_rate, plan_for
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.design import synthesise_design
from hw_build.implement.synth.summary import OverBudgetError, refuse_over_budget, total
from hw_build.implement.synth.yosys import Cells
from hw_build.kernels.fifo_memory import in_ultra, memory_cost, ultra_beats, ultra_cost
from hw_build.report.data import read_report
from hw_build.simulate.accelerator import measure_nodes, simulate
from hw_build.stitch import Design, stitch
from tests.hw_build.hw_graphs import GraphBuilder

BITS = 4_096 * 72  # of an UltraRAM


def skip_of(element_bits: int):
    """A skip beside a window of 287 rows: both of a fork's outputs hold 145 rows of 8 x 4 elements."""
    network = around(same_size(512, 287))
    return replace(network, edges=tuple(replace(edge, element_bits=element_bits) for edge in network.edges))


@pytest.mark.parametrize(
    ("memories", "uram", "chosen"),
    [
        ([(16, 1)], 0, set()),
        ([(3, 1), (4, 1)], 2, {1}),  # a quarter of its bits at least
        ([(7, 2), (8, 2)], 4, {1}),
        ([(20, 2), (40, 3), (30, 2)], 5, {1, 2}),  # the largest first
        ([(20, 2), (40, 6), (30, 3)], 5, {0, 2}),  # what has no room whole stays out
        ([(16, 1), (16, 1)], 1, {0}),
        ([(0, 1)], 1, set()),
    ],
)
def test_rule_at_its_limits(memories, uram, chosen):
    assert in_ultra(memories, uram) == chosen


@pytest.mark.parametrize(("width", "beats"), [(1, 72), (4, 18), (8, 9), (16, 9), (20, 7), (24, 3), (36, 2), (40, 3),
                                              (48, 3), (72, 1), (100, 1), (200, 1)])  # fmt: skip
def test_words_are_those_that_take_the_fewest_blocks(width, beats):
    depth = 100_000
    assert ultra_beats(depth, width) == beats
    blocks = ultra_cost(depth, width)[0]
    assert blocks >= depth * width / BITS
    assert all(blocks <= -(-(-(-depth // n) + 1) // 4_096) * -(-n * width // 72) for n in (1, max(1, 72 // width)))


def test_depth_is_rounded_to_no_more_blocks():
    held, width = 73_000, 4
    assert (rounded_depth(held, width), ultra_cost(73_728, width)[0]) == (73_728, 2)
    depth = rounded_depth(held, width, ultra=True)
    assert held < depth < 73_728 and ultra_cost(depth, width)[0] == 1


def test_forks_lie_in_ultra_ram_as_far_as_it_goes():
    network = skip_of(512)
    blocks = -(-145 * 8 * 4 * 512 // BITS)
    assert blocks == 9
    held = [fork_memory(network, [10] * 3, 512_000, uram) for uram in (0, blocks - 1, blocks)]
    assert held[0] == held[1] and held[0].uram == 0
    assert (held[2].uram, held[2].luts) == (blocks, held[0].luts)
    assert held[0].bram18 - held[2].bram18 == -(-145 * 8 * 4 * 512 // 18_432)


def test_optimiser_keeps_to_both_kinds_of_blocks():
    network = skip_of(512)
    left = -(-fork_memory(network, [1] * 3, 512_000, 9).bram18 // 2)
    plan = plan_for(network, 512_000, Budget(bram36=left, uram=9))
    assert (plan.uram, plan.bram18) == (9, fork_memory(network, [1] * 3, 1, 9).bram18)
    assert plan_for(network, 512_000, Budget(bram36=left, uram=8)) is None
    with pytest.raises(ConfigError, match=rf"fits {left} BRAM36, 8 UltraRAMs; the smallest without limits takes"):
        at_rate(network, 512_000, Budget(bram36=left, uram=8))


def test_check_says_which_boards_hold_the_network():
    least = least_memory(skip_of(2_048))
    assert [(held.rows, held.uram) for held in least.streams] == 2 * [(145, -(-145 * 8 * 4 * 2_048 // BITS))]
    assert [held.uram for held in least.streams] == [33, 33]  # both together two more than kv260 has
    assert "BRAM36 beside 64 UltraRAMs, however" in refusal_of_memory(least, load_board("kv260"))
    assert "BRAM36, however" in refusal_of_memory(least, load_board("pynq-z2"))
    assert refusal_of_memory(least, load_board("zcu104")) is None


def test_cells_of_ultrascale_are_counted():
    used = utilization({"URAM288": 2, "DSP48E2": 3, "RAMB36E2": 1, "RAMB18E2": 1, "CARRY8": 4, "LUT6": 5})
    assert used == Utilization(logic_luts=5, bram18=3, dsps=3, uram=2)
    board = load_board("kv260")
    totals = {"luts": 1, "lutram": 0, "srl": 0, "ffs": 1, "bram36": 144, "uram": 65, "dsps": 1}
    with pytest.raises(OverBudgetError, match="it takes 65 UltraRAM of 64; fold"):
        refuse_over_budget(totals, board.resources, board.name)
    refuse_over_budget({**totals, "uram": 64}, board.resources, board.name)


def joined(folder, **options) -> Design:
    """fork -> add, each stream between them 9,000 beats of 8 bits deep."""
    graph = GraphBuilder(16, 16, channels=1)
    skip, x = graph.fork("global_in")
    return stitch(graph.model(graph.add(skip, x)), folder, fifo_depths={skip: 9_000, x: 9_000}, **options)


def files_of(design: Design) -> dict[str, bytes]:
    return {source.path: (design.rtl_dir / source.path).read_bytes() for source in design.sources}


def test_only_a_design_with_ultra_ram_has_its_files(tmp_path):
    plain, ultra = joined(tmp_path / "plain"), joined(tmp_path / "ultra", uram=1)
    assert not plain.ultra and "ultra" not in json.loads((tmp_path / "plain/design.json").read_text())
    assert not any("ultra" in path or b"ultra" in text for path, text in files_of(plain).items())
    assert len(ultra.ultra) == 1 and Design.load(tmp_path / "ultra") == ultra  # there is room for one of the two
    more = {path: text for path, text in files_of(ultra).items() if files_of(plain).get(path) != text}
    assert more.keys() == {"top.sv", "edgeseg/stream_edge_ultra.sv", "edgeseg/stream_fifo_ultra.sv"}
    assert more["top.sv"].count(b"stream_edge_ultra #(") == 1


@pytest.mark.slow
def test_design_with_ultra_ram_is_exact_and_measured(tmp_path):
    design = joined(tmp_path, uram=1)
    codes = np.random.default_rng(5).integers(0, 256, size=(3, 16, 16, 1), dtype=np.uint8)
    for idle, stall in ((0.0, 0.0), (0.3, 0.6)):
        run = simulate(design, codes, idle=idle, stall=stall, seed=3)
        np.testing.assert_array_equal(run.logits, 2 * codes.astype(np.int32))
    assert all(use.peak > 0 and use.beats == 3 * 256 for use in run.streams if use.tensor in design.ultra)
    assert measure_nodes(design) == measure_nodes(joined(tmp_path / "plain"))


@pytest.mark.slow
def test_synthesis_counts_what_the_model_says(tmp_path):
    design = joined(tmp_path, uram=1)
    blocks, in_blocks = ultra_cost(9_000, 8)[0], memory_cost(9_000, 8)[0]
    ours = total(synthesise_design(design, cells=Cells.XCUP))
    assert (ours.uram, ours.bram18) == (blocks, in_blocks)
    assert total(synthesise_design(design)).bram18 >= 2 * in_blocks  # 7-series cells have block RAM alone


@pytest.mark.slow
def test_build_with_rows_in_ultra_ram_is_exact_and_takes_what_the_models_say(tmp_path):
    model = synthetic.unet(16, 128, levels=0, dims=(16,), seed=4)
    export = exports.write_export(tmp_path / "export", model, height=16, width=128)
    fixed = {
        "DepthwiseConv_rtl_0": 'SIMD = 3\nram_style = "ultra"',
        "ConvThreshold_rtl_3": 'PE = 8\nSIMD = 4\nram_style = "ultra"',
    }
    folding = tmp_path / "folding.toml"
    folding.write_text("frames_per_second = 400\n" + "".join(f"[{name}]\n{keys}\n" for name, keys in fixed.items()))
    build = ["build", "--export", str(export), "--folding", str(folding), "--stop-after", "simulate"]
    out = tmp_path / "kv260"
    assert cli.main([*build, "--board", "kv260", "--out", str(out), "--synth"]) == 0
    report = read_report(out / "report.json")
    assert {rung.step for rung in report.verification if rung.exact} >= {"folding", "simulate"}
    rows = {node.name: node.uram for node in report.nodes if node.uram}
    assert rows == {node.name: node.expected_uram for node in report.nodes if node.expected_uram}
    assert rows == dict.fromkeys(fixed, 1) and report.totals.uram == report.folding.uram + (
        report.totals.fifo_uram or 0
    )
    assert "UltraRAM, model" in (out / "report.html").read_text()
    (part,) = synthesise_design(Design.load(out), only="DepthwiseConv_rtl_0")  # for a device netlist
    assert (part.used.uram, part.used.bram18) == (0, 2)


def test_a_board_without_ultra_ram_refuses_such_a_folding(tmp_path, capsys):
    model = synthetic.unet(16, 128, levels=0, dims=(16,), seed=4)
    export = exports.write_export(tmp_path / "export", model, height=16, width=128)
    folding = tmp_path / "folding.toml"
    folding.write_text('cycles_per_pixel = 200\n[DepthwiseConv_rtl_0]\nram_style = "ultra"\n')
    options = ["--export", str(export), "--folding", str(folding), "--board", "pynq-z2", "--out", str(tmp_path / "out")]
    assert cli.main(["build", *options, "--stop-after", "folding"]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "folding of DepthwiseConv_rtl_0: ram_style=ultra is not auto or distributed" in told
