"""A C++ program for tests: functions of one input and one output stream, each run on frames of packed beats."""

import importlib.util
import subprocess
from pathlib import Path

from hw_build.backends.hls.csim import STAND_INS
from hw_build.simulate.toolchain import compiler

_MAIN = """\
#include <cstdio>
#include <cstdlib>
{includes}

template <int IN, int OUT>
void frame(void (*node)(hls::stream<ap_uint<IN>> &, hls::stream<ap_uint<OUT>> &), int beats) {{
    hls::stream<ap_uint<IN>> in;
    hls::stream<ap_uint<OUT>> out;
    for (int i = 0; i < beats; i++) {{
        ap_uint<IN> beat = 0;
        for (int byte = 0; byte < (IN + 7) / 8; byte++) beat |= ap_uint<IN>(getchar()) << (8 * byte);
        in.write(beat);
    }}
    node(in, out);
    if (!in.empty()) exit(1);
    while (!out.empty()) {{
        ap_uint<OUT> beat = out.read();
        for (int byte = 0; byte < (OUT + 7) / 8; byte++) putchar(int((beat >> (8 * byte)) & 255));
    }}
}}

int main(int, char **arguments) {{
    const int beats = atoi(arguments[2]);
    for (int i = 0; i < {frames}; i++) switch (atoi(arguments[1])) {{
{calls}
    }}
}}
"""


def compile_frames(folder, includes, functions, *, frames):
    """Compiles ``functions``, C++ expressions numbered from 0, with warnings as errors; returns the program."""
    calls = "\n".join(f"        case {index}: frame({name}, beats); break;" for index, name in enumerate(functions))
    (folder / "main.cpp").write_text(_MAIN.format(includes=includes, frames=frames, calls=calls))
    ap_types = Path(importlib.util.find_spec("hls4ml").origin).parent / "templates" / "vivado" / "ap_types"
    initial = ["-Wno-uninitialized", "-Wno-maybe-uninitialized"]  # ap_int has no initial value
    warnings = ["-Wall", "-Werror", "-Wno-unknown-pragmas", *initial]
    headers = ["-I.", "-isystem", str(ap_types), "-idirafter", str(STAND_INS)]
    command = [compiler(), "-std=c++14", "-O1", *warnings, *headers, "main.cpp", "-o", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "main"


def run_frames(program, index, beats, *, frames):
    """What function ``index`` makes of uint8 (beats, bytes) of ``frames`` frames: bytes."""
    command = [program, str(index), str(len(beats) // frames)]
    return subprocess.run(command, input=beats.tobytes(), capture_output=True, check=True).stdout
