"""The C driver: compiles without a warning as C99 and C++, and drives the simulated shell like the Python one."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "rtl" / "shell"))
import shell_bench

from hw_build.board_sim.build import build_system

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'board' / 'c'}"]


@pytest.mark.parametrize("language", [["-x", "c", "-std=c99"], ["-x", "c++", "-std=c++17"]], ids=["c99", "c++"])
def test_header_compiles_alone_without_a_warning(tmp_path, language):
    source = tmp_path / "user.c"
    source.write_text(
        '#include "edgeseg.h"\nint main(void) {\n  edgeseg_t device;\n'
        '  return edgeseg_open(&device, "/nonexistent", 0x43C00000) != EDGESEG_E_OPEN;\n}\n'
    )
    subprocess.run(["g++", *language, *WARNINGS, str(source), "-o", str(tmp_path / "user")], check=True)
    subprocess.run([str(tmp_path / "user")], check=True)


def test_driver_on_the_simulated_shell(tmp_path):
    made = shell_bench.system()
    library = build_system(made, shell_bench.CORE, shell_bench.BUILD_DIR, fast=False)
    program = tmp_path / "c_driver"
    source = Path(__file__).with_name("c_driver.c")
    compiled = tmp_path / "c_driver.o"
    subprocess.run(["g++", "-x", "c", "-std=c99", "-O1", *WARNINGS, "-c", str(source), "-o", str(compiled)], check=True)
    linked = [str(compiled), str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run(["g++", *linked, "-o", str(program)], check=True)
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "exact\n"), ran.stdout + ran.stderr
