"""The memory of the simulated board sees each rule of the bus being broken, and nothing where none is."""

import subprocess
from pathlib import Path

import pytest

from hw_build.implement.board_sim.build import MEMORY
from hw_build.simulate.toolchain import compiler

HERE = Path(__file__).parent
AXI3, AXI4 = 3, 4


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """rules.cpp, compiled."""
    path = tmp_path_factory.mktemp("rules") / "rules"
    options = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{HERE}", f"-I{MEMORY.parent}"]
    subprocess.run([compiler(), *options, str(HERE / "rules.cpp"), "-o", str(path)], check=True)
    return path


@pytest.mark.parametrize(
    ("protocol", "name", "said"),
    [
        (AXI3, "good", ""),
        (AXI4, "good", ""),
        (AXI3, "AR across 4 KiB", "AR burst crosses 4 KiB in cycle 0"),
        (AXI3, "AW across 4 KiB", "AW burst crosses 4 KiB in cycle 0"),
        (AXI3, "AR of 17 beats", "AR burst of 17 beats in cycle 0"),
        (AXI4, "AR of 17 beats", ""),
        (AXI3, "AR misaligned", "AR burst is misaligned in cycle 0"),
        (AXI3, "AR of 4 bytes a beat", "AR burst is not of 8 bytes a beat in cycle 0"),
        (AXI3, "AR fixed", "AR burst is not INCR in cycle 0"),
        (AXI3, "WLAST early", "WLAST comes before the last beat in cycle 2"),
        (AXI3, "WLAST missing", "WLAST is missing at the last beat in cycle 3"),
        (AXI3, "WID", "WID differs from AWID in cycle 3"),
        (AXI4, "WID", ""),
        (AXI3, "W before AW", "WVALID comes before the burst's AWVALID in cycle 0"),
        (AXI3, "ARVALID falls", "ARVALID falls before ARREADY in cycle 1"),
        (AXI3, "AW changes", "AW changes before AWREADY in cycle 1"),
        (AXI3, "W changes", "W changes before WREADY in cycle 1"),
    ],
)
def test_a_broken_rule_is_named(program, protocol, name, said):
    ran = subprocess.run([program, str(protocol), name], capture_output=True, text=True, check=True)
    assert ran.stdout == said + "\n"
