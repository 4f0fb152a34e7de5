"""What Vitis HLS needs to make one IP of the program: a script, and a testbench with golden frames for cosimulation.

Written here, run by those who have Vitis HLS; g++ runs the same testbench against our stand-in headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from board.packing import pack_stream
from hw_build.backends.hls.network import TOP, Beats, Network
from hw_build.backends.hls.program import SOURCE, top_declaration
from hw_build.base.step_engine import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

SCRIPT, TESTBENCH, GOLDEN = "vitis_hls.tcl", "testbench.cpp", "golden.dat"


def write_vitis(
    network: Network, folder: Path, codes: np.ndarray, logits: np.ndarray, *, part: str, clk_period_ns: float
) -> None:
    """Adds script, testbench and golden frames, codes (N, H, W, C) and logits (N, H, W, classes), to the program."""
    script = script_text(top=TOP, source=SOURCE, golden=(GOLDEN,), part=part, clk_period_ns=clk_period_ns)
    texts = {
        SCRIPT: _WHOLE + script.replace("exit 0", "export_design -format ip_catalog\nexit 0"),
        TESTBENCH: testbench_text(network, len(codes)),
        GOLDEN: "\n".join([*words_of(network.source.beats, codes), *words_of(network.sink.beats, logits)]) + "\n",
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())


def testbench_text(network: Network, frames: int) -> str:
    """Feeds ``frames`` frames back to back, and compares what leaves; status 1 where a beat differs."""
    source, sink = network.source.beats, network.sink.beats
    return _TESTBENCH.format(
        declaration=top_declaration(network), widest=max(64, source.bits, sink.bits), golden=GOLDEN, top=TOP,
        frames=frames, taken=source.text, given=sink.text, beats_in=source.count, beats_out=sink.count,
    )  # fmt: skip


def words_of(beats: Beats, frames: np.ndarray) -> list[str]:
    """Beats of all frames, hexadecimal."""
    packed = pack_stream(frames.reshape(-1, beats.elements), beats.elements, beats.data_type.bitwidth())
    return [f"0x{row[::-1].tobytes().hex()}" for row in packed]


def script_text(*, top: str, source: str, golden: tuple[str, ...], part: str, clk_period_ns: float) -> str:
    """C simulation, synthesis and cosimulation of the function ``top`` with the testbench, which reads ``golden``."""
    files = "\n".join(f"add_files -tb {name}" for name in golden)
    return _SCRIPT.format(top=top, source=source, bench=TESTBENCH, files=files, part=part, period=clk_period_ns)


_TESTBENCH = """\
// Golden frames through the accelerator, back to back: C simulation, and cosimulation of what Vitis HLS makes of it.
// The accelerator's own header stays out: finn-hlslib defines functions in its headers that no two sources may have.
#define AP_INT_MAX_W {widest}
#include <ap_int.h>
#include <hls_stream.h>

#include <fstream>
#include <iostream>
#include <string>

{declaration};

int main() {{
    std::ifstream golden("{golden}");
    hls::stream<{taken}> in("in");
    hls::stream<{given}> out("out");
    std::string word;
    int differing = 0;
    for (int i = 0; i < {frames} * {beats_in} && golden >> word; i++) in.write({taken}(word.c_str(), 16));
    for (int frame = 0; frame < {frames}; frame++) {top}(in, out);
    for (int i = 0; i < {frames} * {beats_out}; i++) {{
        if (!(golden >> word)) {{
            std::cerr << "{golden} is missing or too short\\n";
            return 2;
        }}
        if (out.read() != {given}(word.c_str(), 16)) differing++;
    }}
    std::cout << differing << " of {frames} x {beats_out} beats differ\\n";
    return differing != 0;
}}
"""

_WHOLE = "# One IP of the whole accelerator: C simulation, synthesis, cosimulation and export.\n"

_SCRIPT = """\
# In this folder: `vitis-run --mode hls --tcl` and this file (before 2024.2: `vitis_hls -f`).
# FINN_HLSLIB names the folder of finn-hlslib.
set flags "-std=c++14 -I. -I$::env(FINN_HLSLIB)"
open_project -reset {top}_project
add_files {source} -cflags $flags
add_files -tb {bench} -cflags $flags
{files}
set_top {top}
open_solution -reset sol1 -flow_target vivado
set_part {part}
create_clock -period {period:.3f} -name default
config_compile -pipeline_style flp
config_rtl -module_auto_prefix
csim_design
csynth_design
cosim_design
exit 0
"""
