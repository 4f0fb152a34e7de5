"""JSON records of a build: what they hold comes back as it was written, and whatever else stands there is named."""

import json
from dataclasses import asdict

import pytest

from hw_build.base.errors import BuildError
from hw_build.base.records import load_record, record
from hw_build.implement.shell.generate import Shell
from hw_build.report.data import Node, Report, Totals, Verification, read_report, write_report
from hw_build.stitch import Design


@record
class Inner:
    name: str
    share: float


@record
class Outer:
    count: int
    exact: bool
    shape: tuple[int, int]
    names: tuple[str, ...]
    parts: list[Inner]
    table: dict[str, int]
    best: Inner | None
    folder: str


RECORD = Outer(
    count=3, exact=True, shape=(4, 5), names=("a", "b"), parts=[Inner(name="x", share=0.5)], table={"k": 1}, best=None,
    folder="here",
)  # fmt: skip


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        content = {**asdict(RECORD), **changes}
        del content["folder"]
        (tmp_path / "record.json").write_text(json.dumps(content))
        return load_record(Outer, tmp_path / "record.json", folder="here")

    return load


def test_a_record_comes_back(load):
    assert load() == RECORD
    assert load(best={"name": "y", "share": 1}).best == Inner(name="y", share=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": "3"}, 'count is "3", not int'),
        ({"count": True}, "count is true, not int"),
        ({"count": 3.0}, "count is 3.0, not int"),
        ({"exact": 1}, "exact is 1, not bool"),
        ({"shape": [4]}, r"shape is \[4\], not tuple"),
        ({"names": ["a", None]}, "names.1 is null, not str"),
        ({"names": "ab"}, 'names is "ab", not tuple'),
        ({"parts": {}}, "parts is {}, not list"),
        ({"parts": [{"name": "x"}]}, "parts.0 lacks share"),
        ({"parts": [{"name": "x", "share": float("nan")}]}, "parts.0.share is NaN, not float"),
        ({"table": {"k": None}}, "table.k is null, not int"),
        ({"best": 1}, "best is 1, not Inner"),
        ({"more": 1}, "it has the unknown key more"),
    ],
)
def test_what_is_of_another_type_is_named(load, changes, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        load(**changes)


def test_of_many_wrong_values_some_are_told(load):
    with pytest.raises(ValueError, match=r"^table.k0 is null, not int; .*; table.k9 is null, not int; and 20 more$"):
        load(table={f"k{number}": None for number in range(30)})


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, "\xff"])
def test_what_is_no_record_at_all(tmp_path, text):
    path = tmp_path / "record.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError):
        load_record(Inner, path)


def test_report_of_other_types_is_a_sentence(tmp_path):
    node = Node(
        name="n", layer="l", kernel="k", origin="ours", shape_in=[1, 2, 2, 3], shape_out=[1, 2, 2, 3], bits=4, pe=1,
        simd=None, expected_cycles=4,
    )  # fmt: skip
    rung = Verification(step="s", exact=True, against="a", seconds=1)
    report = Report(
        board="b", part="p", budget={"luts": 1}, model={"name": "n"}, totals=Totals(luts=1), verification=[rung],
        nodes=[node],
    )  # fmt: skip
    path = tmp_path / "report.json"
    write_report(path, report)
    assert read_report(path) == report
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"baseline": {"luts": 5}}))
    with pytest.raises(BuildError, match=r"not a report of this version \(baseline lacks backend, bram18, "):
        read_report(path)
    content["nodes"][0]["name"] = 5
    path.write_text(json.dumps(content))
    with pytest.raises(
        BuildError, match=r"is not a report of this version \(nodes.0.name is 5, not str\); run the build"
    ):
        read_report(path)


def test_design_and_shell_of_other_types_are_sentences(tmp_path):
    (tmp_path / "shell").mkdir()
    for path in (tmp_path / "design.json", tmp_path / "shell" / "shell.json"):
        path.write_text("{}")
    lacking = r"design.json is not a design of this version \(it lacks classes, image_shape, .*\): run"
    with pytest.raises(BuildError, match=lacking):
        Design.load(tmp_path)
    with pytest.raises(BuildError, match=r"shell.json is not a shell of this version \(it lacks fabric_mhz, .*\): run"):
        Shell.load(tmp_path)
    design = {"classes": 1, "image_shape": [4, 4, 3], "logit_bits": 8, "logit_signed": True, "model_sha256": ""}
    (tmp_path / "design.json").write_text(json.dumps(design | {"nodes": [], "streams": [], "sources": []}))
    with pytest.raises(
        BuildError, match=r"design.json is not a design of this version \(it has no nodes or no sources\)"
    ):
        Design.load(tmp_path)
