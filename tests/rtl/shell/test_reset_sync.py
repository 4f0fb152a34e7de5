"""FCLKRESETN into the clock domain: the reset begins without a clock and ends with one, four cycles later."""

import ctypes
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from shell_bench import BUILD_DIR

from hw_build.simulate.build import build_library
from hw_build.simulate.lint import RTL_DIR

STAGES = 4
SIM_TOP = """\
module sim_top (input wire clk, input wire async_rst_n, output wire rst_n);
  reset_sync dut (.clk(clk), .async_rst_n(async_rst_n), .rst_n(rst_n));
endmodule
"""


def test_falls_at_once_and_rises_with_the_clock():
    library = build_library(
        "reset_sync", [RTL_DIR / "shell" / "reset_sync.sv"], BUILD_DIR,
        driver=Path(__file__).with_name("reset_sync.cpp"), generated={"sim_top.sv": SIM_TOP},
    )  # fmt: skip
    step = ctypes.CDLL(str(library)).reset_sync_step

    def cycle(released):
        step(0, released)
        return step(1, released)

    assert not step(0, 1)  # in reset from power-up on
    for _ in range(3):
        assert [cycle(1) for _ in range(STAGES + 2)] == [0] * (STAGES - 1) + [1] * 3
        assert step(1, 0) == 0  # between two edges of the clock
        assert step(1, 1) == 0 and step(0, 1) == 0  # a short pulse is enough
