"""The shell and the stand-in as Yosys maps them to xc7: the same jobs, the same faults, the same resets."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import BUILD_DIR, SILENT, ShellBench, core_sources, system

from board import registers as reg
from hw_build.implement.board_sim.build import DRIVER, generated
from hw_build.implement.board_sim.library import Fault
from hw_build.implement.netlist.cell_models import cell_models
from hw_build.implement.shell.generate import shell_sources, stream_sources
from hw_build.implement.shell.system import SYSTEM_MODULE
from hw_build.implement.synth.yosys import synthesise
from hw_build.simulate.build import build_library
from hw_build.simulate.lint import RTL_DIR

pytestmark = pytest.mark.slow


SYSTEMS = {"one_class": system(), "four_classes_that_fill_no_beats": system(height=5, width=7, channels=2, classes=4)}


@pytest.fixture(scope="module", params=SYSTEMS)
def netlist(request, tmp_path_factory):
    """A system and the library of its netlist."""
    made, folder = SYSTEMS[request.param], tmp_path_factory.mktemp("netlist")
    top, cells = folder / f"{SYSTEM_MODULE}.sv", folder / "netlist.v"
    top.write_text(made.text())
    used = synthesise(SYSTEM_MODULE, [*shell_sources(), *stream_sources(), *core_sources(made), top], netlist=cells)
    assert used["FDRE"] > 500
    library = build_library(
        "shell_netlist", [RTL_DIR / "shell" / "axi_pkg.sv", cells, *cell_models(BUILD_DIR)], BUILD_DIR, driver=DRIVER,
        generated=generated(""),
    )  # fmt: skip
    return made, library


@pytest.mark.parametrize(("stall", "latency"), [(0.0, 1), (0.4, 40)])
def test_jobs_errors_and_resets_of_the_netlist(netlist, stall, latency):
    made, library = netlist
    shell = ShellBench(made, library, stall=stall, latency=latency, seed=4)
    assert shell.read(reg.IDENTITY) == reg.IDENTITY_VALUE
    for mask in (False, True):
        shell.run(shell.frames(3, seed=1), mask=mask, source=0x0FF8, destination=0x20F40)
        shell.load(shell.frames(2), mask=mask)
        shell.board.inject(Fault.WRITE_SLVERR)
        shell.start()
        shell.finish(2)
        assert shell.read(reg.STATUS) == reg.STATUS_WRITE_SLVERR
        silent = shell.frames(1)
        silent[0, 0, 0, :2] = SILENT, 0xA5
        shell.load(silent, mask=mask)
        shell.start()
        assert not shell.board.run(5000, until_idle=True)
        shell.soft_reset()
        shell.run(shell.frames(2, seed=2), mask=mask)
