"""The C driver: compiles without a warning as C99 and C++, and drives the simulated shell like the Python one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "rtl" / "shell"))
import shell_bench

from board import registers as reg
from hw_build.implement.board_sim.build import build_system
from hw_build.simulate.toolchain import compiler

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'board' / 'c'}"]


@pytest.mark.parametrize("language", [["-x", "c", "-std=c99"], ["-x", "c++", "-std=c++17"]], ids=["c99", "c++"])
def test_header_compiles_alone_without_a_warning(tmp_path, language):
    source = tmp_path / "user.c"
    source.write_text(
        '#include "edgeseg.h"\nint main(void) {\n  edgeseg_t device;\n'
        '  return edgeseg_open(&device, "/nonexistent", 0x43C00000) != EDGESEG_E_OPEN;\n}\n'
    )
    subprocess.run([compiler(), *language, *WARNINGS, str(source), "-o", str(tmp_path / "user")], check=True)
    subprocess.run([str(tmp_path / "user")], check=True)


@pytest.mark.parametrize("offset", [0, 0x2000], ids=["uio", "mem"])
def test_mapped_registers_are_read_and_written_as_words(tmp_path, offset):
    # a file in the place of /dev/uioN or /dev/mem: the words of a job that has ended, and where the driver writes
    words = np.zeros(1024, "<u4")
    values = {
        reg.IDENTITY: reg.IDENTITY_VALUE, reg.VERSION: reg.VERSION_VALUE, reg.CTRL: reg.CTRL_IDLE,
        reg.NETWORK_HASH_LO: 0x89ABCDEF, reg.NETWORK_HASH_HI: 0x01234567,
    }  # fmt: skip
    for register, value in values.items():
        words[register // 4] = value
    registers = tmp_path / "registers"
    registers.write_bytes(bytes(offset) + words.tobytes())
    source = tmp_path / "user.c"
    source.write_text(
        '#include "edgeseg.h"\nint main(int count, char **names) {\n  edgeseg_t device;\n  (void)count;\n'
        f"  if (edgeseg_open(&device, names[1], {offset})) return 1;\n"
        "  if (edgeseg_identify(&device, UINT64_C(0x0123456789ABCDEF))) return 2;\n"
        "  if (edgeseg_start(&device, UINT64_C(0x510000008), UINT64_C(0x720000010), 3, 1)) return 3;\n"
        "  edgeseg_close(&device);\n  return device.registers != NULL || device.file != -1;\n}\n"
    )
    subprocess.run(
        [compiler(), "-x", "c", "-std=c99", *WARNINGS, str(source), "-o", str(tmp_path / "user")], check=True
    )
    assert subprocess.run([str(tmp_path / "user"), str(registers)]).returncode == 0
    found = np.frombuffer(registers.read_bytes()[offset:], "<u4")
    written = {
        reg.SOURCE_LO: 0x10000008, reg.SOURCE_HI: 5, reg.DESTINATION_LO: 0x20000010, reg.DESTINATION_HI: 7,
        reg.FRAMES: 3, reg.OUTPUT_MODE: reg.OUTPUT_MODE_MASK, reg.CTRL: reg.CTRL_START, reg.STATUS: 0xFFFF,
    }  # fmt: skip
    expected = values | written
    assert {4 * index: int(found[index]) for index in np.flatnonzero(found)} == expected


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("c_driver.c", {}),
        ("c_driver_classes.c", {"height": 5, "width": 7, "classes": 4}),
        ("c_driver_sizes.c", {"height": 6, "width": 10, "out_height": 3, "out_width": 5}),
    ],
    ids=["one_class", "four_classes", "another_size"],
)
def test_driver_on_the_simulated_shell(tmp_path, name, changes):
    made = shell_bench.system(**changes)
    library = build_system(made, shell_bench.core_sources(made), shell_bench.BUILD_DIR, fast=False)
    program = tmp_path / "c_driver"
    source = Path(__file__).with_name(name)
    compiled = tmp_path / "c_driver.o"
    subprocess.run(
        [compiler(), "-x", "c", "-std=c99", "-O1", *WARNINGS, "-c", str(source), "-o", str(compiled)], check=True
    )
    linked = [str(compiled), str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run([compiler(), *linked, "-o", str(program)], check=True)
    ran = subprocess.run([str(program)], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "exact\n"), ran.stdout + ran.stderr
