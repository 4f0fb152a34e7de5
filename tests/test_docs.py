"""The documentation names nothing that is not there: links, headings, make targets, commands, options, paths, tables.

`make docs` builds the site; nothing here needs more than the project's own environment.
"""

import importlib.util
import json
import re

import pytest

from tests import documents
from tests.documents import ROOT

PAGES = documents.pages()
HISTORY = ROOT / "CHANGELOG.md"  # may name what was
COMMANDS = ROOT / "docs" / "reference" / "commands.md"


def read(page):
    return page.read_text(encoding="utf-8")


def script(name):
    """A module of `docs`, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables():
    return script("tables")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_names_only_what_is_there(page):
    text = read(page)
    assert documents.broken_links(page, text) == []
    assert documents.unknown_make(text) == []
    assert documents.refused_commands(text) == []
    if page != HISTORY:
        assert documents.missing_paths(text) == []


@pytest.mark.parametrize(
    ("check", "text", "found"),
    [
        ("links", "[a](docs/none.md)", "docs/none.md: no such file"),
        ("links", "![a](docs/images/none.svg)", "docs/images/none.svg: no such file"),
        ("links", "[a](docs/tutorial.md#nowhere)", "docs/tutorial.md#nowhere: no such heading"),
        ("links", "# One heading\n[over two\nlines](#another)", "#another: no such heading"),
        ("make", "`make nothing`", "make nothing"),
        ("make", "```\nmake demo NOTHING=1\n```", "make NOTHING=1"),
        ("commands", "`python -m quant nothing`", "python -m quant nothing: no command nothing"),
        ("commands", "`python -m hw_build boards --fast`", "python -m hw_build boards --fast: no option --fast"),
        ("commands", "```\npython -m board infer\n```", "python -m board infer: refused"),
        (
            "commands",
            "```\npython -m quant export --checkpoint a \\\n    --out b --images x\n```",
            "python -m quant export --checkpoint a      --out b --images x: refused",
        ),
        ("paths", "`hw_build/nothing.py`", "hw_build/nothing.py"),
        ("paths", "`python -m pytest tests/nothing`", "tests/nothing"),
    ],
)
def test_what_is_not_there_is_found(check, text, found):
    checks = {
        "links": lambda text: documents.broken_links(ROOT / "README.md", text),
        "make": documents.unknown_make,
        "commands": documents.refused_commands,
        "paths": documents.missing_paths,
    }
    assert checks[check](text) == [found]


def test_what_is_there_is_not_found():
    text = "# A `b` c\n[x](#a-b-c) [y](docs/tutorial.md#3-train) [z](https://example.org/none)\n`make demo BACKEND=hls`"
    assert documents.broken_links(ROOT / "README.md", text) == []
    assert documents.unknown_make(text) == []
    commands = "```\nSIZE=32  # pixels\npython -m quant export --checkpoint a --out b --size $SIZE\n```"
    assert documents.refused_commands(commands) == []
    assert documents.missing_paths("`hw_build/boards/*.toml` and `hw_build/kernels/`") == []


@pytest.mark.parametrize("package", documents.PACKAGES)
def test_reference_lists_every_command_with_options_that_it_has(package):
    section = read(COMMANDS).split(f"\n## {package}\n")[1].split("\n## ")[0]
    listed = set()
    for row in re.findall(r"^\| (`.+)$", section, re.MULTILINE):
        first, rest = row.split(" | ", 1)
        codes = [code.removeprefix(f"python -m {package} ") for code in documents.spans(first)]
        names = {code.split()[0] for code in codes if not code.startswith("make ")}
        known = {option for name in names for option in documents.subcommands(package)[name]._option_string_actions}
        codes += documents.spans(rest)
        assert {option for code in codes for option in re.findall(r"(?<!\S)--[a-z-]+", code)} <= known
        listed |= names
    assert listed == set(documents.subcommands(package))


def test_every_message_of_the_reference_is_one_that_a_user_can_get():
    page = read(ROOT / "docs" / "reference" / "errors.md")
    assert documents.unknown_messages(page) == []
    assert documents.unknown_messages("| `no such sentence '...'` | x |") == ["no such sentence"]


def test_hand_overs_name_code_that_is_there():
    page = read(ROOT / "docs" / "explanation" / "hand-overs.md")
    assert documents.missing_names(page) == []
    assert page.count("`base.export.read_export`") == 1
    gone = "`base.export.read_nothing` `base.nothing` `quant.evaluation.cascade.reference` `shell.json`"
    assert documents.missing_names(gone) == ["base.export.read_nothing", "base.nothing"]


def test_tables_are_those_of_their_files(tables):
    stale = [page for page in (ROOT / "docs").rglob("*.md") if tables.renewed(read(page)) != read(page)]
    assert stale == [], "run python docs/tables.py"
    assert "0.615 / 0.663" in tables.accuracy() and "| `pynq-z2` |" in tables.boards()
    assert tables.renewed("<!-- table: boards -->\nold\n<!-- end -->") != "<!-- table: boards -->\nold\n<!-- end -->"


def test_plot_of_scaling_shows_the_rows_that_a_board_holds(tmp_path):
    plot = script("scaling_plot")
    page = read(ROOT / "docs" / "results" / "scaling.md").partition("## Networks beside each other")[2]
    rows = [line for line in page.splitlines() if re.match(r"\| \S+ \| [48] \|", line)]
    found = plot.designs(read(plot.PAGE))
    assert len(found) == len(rows) and sum(not design.boards for design in found) == page.count("| none of them |")
    assert plot.Design("xxs", 4, 256, 1_638_400, 21_047, ("pynq-z2", "kv260", "zcu104")) in found
    assert plot.Design("lw-unet-0", 4, 96, 5_308_416, 38_413, ("pynq-z2",)) in found
    assert plot.fingerprint(found) in read(plot.PLOT), "run python docs/scaling_plot.py"
    plot.draw(found, tmp_path / "plot.svg")
    drawn = read(tmp_path / "plot.svg").count("<use")
    plot.draw([design for design in found if design.network != "xxs"], tmp_path / "plot.svg")
    assert read(tmp_path / "plot.svg").count("<use") < drawn


def test_scaling_table_is_what_the_sweep_leaves(tables, tmp_path):
    def point(rate, board, figures, boards):
        sizes = dict(zip(("cycles_per_frame", "luts", "bram36", "dsps"), figures, strict=True))
        named = {"network": "cmunext-xxs-hw", "bits": "w4a4", "side": 128, "frames_per_second": rate, "board": board}
        return {**named, "figures": {"outcome": "", **sizes, "boards": boards}}

    best, too_slow = (131072, 31019, 79, 220), (99, None, None, None)
    points = [
        point(15.0, None, (5898240, 17870, 47, 47), ["pynq-z2", "zybo-z7-20", "kv260", "zcu104"]),
        point(240.0, None, too_slow, []),
        point(None, "pynq-z2", best, ["pynq-z2"]),
        point(None, "zybo-z7-20", best, ["zybo-z7-20"]),
        point(None, "kv260", best, []),
    ]
    (tmp_path / "scale.json").write_text(json.dumps(points))
    rows = tables.scaling(tmp_path / "scale.json").splitlines()
    page = read(ROOT / "docs" / "results" / "scaling.md").splitlines()
    assert rows[:2] == page[page.index(rows[0]) :][:2]
    assert rows[2].replace("pynq-z2, zybo-z7-20, kv260, zcu104", "all four") in page
    assert rows[3] in page and len(rows) == 4


def test_every_page_is_in_the_navigation_and_every_module_of_the_reference_exists():
    navigation = read(ROOT / "mkdocs.yml").split("\nnav:")[1]
    listed = set(re.findall(r"[\w/-]+\.md", navigation))
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    modules = [name for page in PAGES for name in re.findall(r"^::: ([\w.]+)$", read(page), re.MULTILINE)]
    assert len(modules) > 10
    assert [name for name in modules if not (ROOT / (name.replace(".", "/") + ".py")).exists()] == []


def test_readme_is_short_and_begins_with_the_two_commands():
    text = read(ROOT / "README.md")
    assert len(text.splitlines()) <= 200
    first = documents.blocks(text)[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make test", "make demo"]


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_workflows_call_targets_that_exist(workflow):
    text = read(workflow)
    assert re.search(r"- run: make [a-z-]+", text)
    assert documents.unknown_make(f"```\n{text}```") == []
    assert documents.unknown_make(f"```\n{text}\n      - run: make nothing\n```") == ["make nothing"]
