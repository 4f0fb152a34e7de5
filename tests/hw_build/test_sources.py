"""A step's key holds every file that its result depends on: an edit of any kind of file makes the step run again."""

import importlib
import sys

import pytest

from hw_build.base import step_engine as steps
from hw_build.base.board_config import load_board
from hw_build.base.export import read_export
from hw_build.base.sources import ROOT, _read, digests_of, sources_of
from hw_build.base.step_engine import Pipeline, Step
from hw_build.flow.accelerator_steps import accelerator_steps
from hw_build.flow.graph_steps import BuildConfig, graph_steps
from hw_build.folding.config import load_folding
from tests.hw_build import exports

FILES = {
    "toy_a/__init__.py": "",
    "toy_a/work.py": (
        "from toy_a import direct\nfrom toy_a import unused\nfrom toy_a.listed import change\n"
        "from toy_a.passes import Pass\n"
        "TABLE = {'passes': (change, Pass())}\n"
        "def by_name(): return direct.value(), [each for each in TABLE['passes']]\n"
        "def run(folder, needed):\n    by_name()\n    return {}\n"
        "def other(): return unused\n"
    ),
    "toy_a/direct.py": (
        "from pathlib import Path\nTEXTS = Path(__file__).parent / 'texts'\nPLUGIN = 'toy_a.plugins.one'\n"
        "def value():\n    from toy_a.inner import late\n    return late\n"
    ),
    "toy_a/listed.py": "def change(): pass\n",
    "toy_a/passes.py": "class Pass: pass\n",
    "toy_a/unused.py": "",
    "toy_a/inner/__init__.py": "",
    "toy_a/inner/late.py": "",
    "toy_a/inner/driver.cpp": "int main;",
    "toy_a/inner/messages.h": "",
    "toy_a/plugins/__init__.py": "",
    "toy_a/plugins/one.py": "",
    "toy_a/texts/deep/top.sv": "module top;",
    "toy_a/table.toml": "a = 1",
    "toy_a/apart/__init__.py": "",
    "toy_a/apart/never.py": "",
    "toy_a/apart/never.cpp": "",
}
UNUSED = {"toy_a/unused.py", "toy_a/apart/__init__.py", "toy_a/apart/never.py", "toy_a/apart/never.cpp"}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A small package; (its root, the function of a step)."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path, importlib.import_module("toy_a.work").run
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_a"]:
        del sys.modules[name]


def test_what_is_reached_counts_and_nothing_else(toy):
    root, run = toy
    found = {str(path.relative_to(root)) for path in sources_of(run, root, ("toy_a",))}
    assert found == set(FILES) - UNUSED


@pytest.mark.parametrize("name", sorted(set(FILES) - UNUSED))
def test_an_edit_of_each_kind_of_file_makes_the_step_run_again(toy, monkeypatch, name):
    root, run = toy
    monkeypatch.setattr(steps, "digests_of", lambda function: digests_of(run, root, ("toy_a",)))
    runs = []

    def counted(folder, needed):
        runs.append(folder)
        return {}

    pipeline = Pipeline(root / "build", [Step(name="only", run=counted)])
    pipeline.run()
    pipeline.run()
    assert len(runs) == 1
    comment = "\n// edited" if not name.endswith(".py") else "\n# edited"
    (root / name).write_text(FILES[name] + comment)
    _read.cache_clear()  # as in another process
    pipeline.run()
    assert len(runs) == 2


def test_an_edit_elsewhere_does_not(toy, monkeypatch):
    root, run = toy
    before = digests_of(run, root, ("toy_a",))
    (root / "toy_a/unused.py").write_text("# edited")
    assert digests_of(run, root, ("toy_a",)) == before


def test_steps_of_a_build_depend_on_what_they_run_and_read(tmp_path):
    export = read_export(exports.write_export(tmp_path / "export"))
    config = BuildConfig(
        export=export, board=load_board("pynq-z2"), out=tmp_path / "out", folding=load_folding("default"),
        size_fifos=True, synth=True, netlist=True,
    )  # fmt: skip
    made = {step.name: step for step in [*graph_steps(config), *accelerator_steps(config, None)]}
    found = {name: {str(path.relative_to(ROOT)) for path in sources_of(step.run)} for name, step in made.items()}
    wanted = {
        "import": ["hw_build/lowering/intake/pads.py", "hw_build/base/export.py"],
        "convert": ["hw_build/lowering/convert.py", "hw_build/graph/rounding.py", "hw_build/lowering/execution.py"],
        "lower": ["hw_build/operators/average_pool_2x2.py", "hw_build/kernels/average_pool/kernel.py"],
        "hardware": ["hw_build/operators/convolution.py", "hw_build/kernels/__init__.py"],
        "folding": ["hw_build/folding/optimum.py", "hw_build/kernels/conv/cost.py", "hw_build/report/nodes.py"],
        "fifos": ["hw_build/fifo/depths.py", "hw_build/simulate/driver.cpp", "hw_build/rtl/stream/stream_fifo.sv"],
        "stitch": ["hw_build/kernels/conv/conv.sv", "hw_build/rtl/stream/stream_edge.sv", "board/io_spec.py"],
        "shell": ["hw_build/rtl/shell/shell.sv", "hw_build/implement/shell/registers.toml", "hw_build/rtl/lint.vlt"],
        "simulator": ["hw_build/simulate/driver.cpp", "hw_build/simulate/messages.h", "hw_build/simulate/wrapper.py"],
        "synth": ["hw_build/implement/synth/passes.py", "hw_build/implement/synth/yosys.py"],
        "simulate": ["hw_build/simulate/driver.cpp", "hw_build/simulate/accelerator.py"],
        "netlist": [
            "hw_build/implement/board_sim/board.cpp",
            "hw_build/implement/netlist/ramb_model.sv",
            "hw_build/implement/board_sim/sim_top.sv",
        ],
    }  # fmt: skip
    assert {name: set(files) - found[name] for name, files in wanted.items()} == {name: set() for name in wanted}
    assert "hw_build/simulate/driver.cpp" not in found["convert"]
