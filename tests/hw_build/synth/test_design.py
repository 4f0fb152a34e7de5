"""A stitched design through Yosys: its instances add up to the whole, nothing is done twice, nothing is hidden."""

import json

import pytest

from hw_build.base.board_config import load_board
from hw_build.base.errors import BuildError
from hw_build.base.step_engine import hash_file
from hw_build.cli import main as cli
from hw_build.implement.synth import design as of_design
from hw_build.implement.synth.design import synthesise_design, synthesise_flat
from hw_build.implement.synth.summary import OverBudgetError, refuse_over_budget, summarise, total
from hw_build.implement.synth.yosys import SynthesisEndedError, SynthesisError
from hw_build.stitch import Design, stitch
from tests.hw_build.hw_graphs import GraphBuilder


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    graph = GraphBuilder(16, 16, channels=1)
    skip, x = graph.fork("global_in")
    model = graph.model(graph.add(skip, x))
    return stitch(model, tmp_path_factory.mktemp("design"))


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EDGESEG_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def parts(design):
    """Of the first run, which fills the cache."""
    return synthesise_design(design, jobs=2)


@pytest.fixture
def no_yosys(monkeypatch):
    async def refuse(module, *arguments, **options):
        raise AssertionError(f"{module} was synthesised again")

    monkeypatch.setattr(of_design, "synthesise_beside_others", refuse)


@pytest.mark.slow
def test_sum_over_instances_is_the_flat_design(design, parts):
    whole, flat = total(parts), synthesise_flat(design)
    assert {part.name for part in parts} > {node.name for node in design.nodes}
    for kind in ("ffs", "lutram", "srl", "bram18", "dsps"):
        assert getattr(whole, kind) == getattr(flat, kind)
    assert flat.luts <= whole.luts < 1.1 * flat.luts  # a flat run also simplifies across the borders of instances


@pytest.mark.usefixtures("parts", "no_yosys")
def test_second_run_takes_every_result_from_the_cache(design):
    again = synthesise_design(design)
    assert all(part.cached for part in again)
    assert sum(part.used is not None for part in again) == len(again)


@pytest.mark.parametrize("spoil", [lambda part: part.write_text(part.read_text() + "\n"), lambda part: part.unlink()])
def test_part_whose_file_is_not_the_counted_one_is_made_again(design, spoil):
    first = synthesise_design(design, jobs=2)
    kept = {part.netlist: part.netlist.read_bytes() for part in first}
    spoilt = next(part for part in first if part.module == "stream_add_axi")
    spoil(spoilt.netlist)
    again = synthesise_design(design)
    assert {part.module for part in again if not part.cached} == {"stream_add_axi"}
    assert [part.used for part in again] == [part.used for part in first]
    assert {part.netlist: part.netlist.read_bytes() for part in again} == kept
    assert all(part.cached for part in synthesise_design(design))


def test_part_that_was_kept_without_its_hash_is_made_again(design):
    (part,) = synthesise_design(design, only="StreamAdd_rtl_0")
    record = part.netlist.with_name(part.netlist.stem.removeprefix("part_") + ".json")
    saved = json.loads(record.read_text())
    assert saved.pop("netlist_sha256") == hash_file(part.netlist)
    record.write_text(json.dumps(saved))
    assert not synthesise_design(design, only="StreamAdd_rtl_0")[0].cached
    assert synthesise_design(design, only="StreamAdd_rtl_0")[0].cached


def test_changed_source_is_refused(design):
    path = design.rtl_dir / "edgeseg" / "stream_add.sv"
    before = path.read_text()
    path.write_text(before + "// changed\n")
    try:
        with pytest.raises(BuildError, match="stream_add.sv is not the file that was stitched and simulated"):
            synthesise_design(design)
    finally:
        path.write_text(before)


def test_unknown_node(design):
    with pytest.raises(BuildError, match="no instance 'nobody'"):
        synthesise_design(design, only="nobody")


def test_refused_instance_is_named_and_missing_from_the_sum(design, monkeypatch, tmp_path):
    async def one_refused(module, *arguments, **options):
        if module == "stream_add_axi":
            raise SynthesisError("stream_add_axi: Yosys refuses it: too clever")
        options["netlist"].write_text("a netlist")
        return {"LUT6": 10, "FDRE": 3}

    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path))
    monkeypatch.setattr(of_design, "synthesise_beside_others", one_refused)
    facts = summarise(design, synthesise_design(design))
    assert facts["nodes"]["StreamAdd_rtl_0"]["not_synthesised"].endswith("too clever")
    assert "luts" not in facts["nodes"]["StreamAdd_rtl_0"]
    assert facts["nodes"]["StreamFork_rtl_0"]["luts"] == 10
    assert facts["nodes"]["StreamFork_rtl_0"]["stream_luts"] == 20  # a FIFO on each of its two outputs
    instances = 1 + 4 + 1  # fork, FIFOs of all streams, output stage
    assert facts["totals"]["luts"] == 10 * instances and facts["totals"]["parts_not_synthesised"] == 1


def test_instance_whose_synthesis_was_ended_is_missing_and_tried_again(design, monkeypatch, tmp_path):
    fails = [SynthesisEndedError("stream_add_axi: signal 9 ended Yosys")]

    async def ended_once(module, *arguments, **options):
        if module == "stream_add_axi" and fails:
            raise fails.pop()
        options["netlist"].write_text("a netlist")
        return {"LUT6": 10}

    monkeypatch.setenv("EDGESEG_CACHE", str(tmp_path))
    monkeypatch.setattr(of_design, "synthesise_beside_others", ended_once)
    (missing,) = (part for part in synthesise_design(design) if part.used is None)
    assert (missing.name, missing.refusal) == ("StreamAdd_rtl_0", "stream_add_axi: signal 9 ended Yosys")
    again = synthesise_design(design)
    assert [part.name for part in again if not part.cached] == ["StreamAdd_rtl_0"]
    assert all(part.used is not None for part in again)


def test_over_budget_names_what_the_board_lacks():
    board = load_board("pynq-z2")
    totals = {"luts": 53_201, "lutram": 9_000, "srl": 9_000, "ffs": 1, "bram36": 140, "dsps": 220}
    with pytest.raises(
        OverBudgetError,
        match=r"does not fit pynq-z2: it takes 53,201 LUT sites of 53,200, 18,000 LUTRAM and SRL of 17,4",
    ):
        refuse_over_budget(totals, board.resources, board.name)
    refuse_over_budget({**totals, "luts": 53_200, "srl": 8_400}, board.resources, board.name)


def test_command_prints_json_and_fails_when_over(design, no_yosys, tmp_path, capsys):
    out = str(design.build_dir)
    assert cli.main(["synth", "--out", out, "--board", "pynq-z2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["totals"]["luts"] == total(synthesise_design(design)).luts
    small = tmp_path / "small.toml"
    small.write_text(_board_file("luts = 53200\nmemory_luts = 17400", "luts = 100\nmemory_luts = 100"))
    assert cli.main(["synth", "--out", out, "--board", str(small)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the design does not fit small: it takes ")
    assert cli.main(["synth", "--out", out, "--board", str(small), "--report-only"]) == 0
    assert cli.main(["synth", "--out", out, "--node", "StreamAdd_rtl_0"]) == 0
    assert "StreamAdd_rtl_0 (stream_add_axi): " in capsys.readouterr().out
    assert cli.main(["synth", "--out", out]) == 2
    assert "give --board" in capsys.readouterr().err
    assert Design.load(design.build_dir) == design


def _board_file(old: str, new: str) -> str:
    from hw_build.base.board_config import BOARDS

    text = (BOARDS / "pynq-z2.toml").read_text()
    assert old in text
    return text.replace(old, new, 1)
