"""The register description: what it refuses, and that the three generated files say the same."""

import ast
import re
import subprocess

import pytest

from board import registers as constants
from hw_build.base.errors import ConfigError
from hw_build.implement.shell.registers import DESCRIPTION, GENERATED, ROOT, read_registers
from hw_build.simulate.toolchain import compiler


@pytest.mark.parametrize("name", GENERATED)
def test_committed_file_is_what_the_description_gives(name):
    assert (ROOT / name).read_text() == GENERATED[name](read_registers())


def test_layout_is_that_of_an_hls_control_interface():
    # UG1399, S_AXILITE control register map: ap_ctrl, GIE, IER, ISR, then 64-bit arguments with a gap between them
    assert (constants.CTRL, constants.GIE, constants.IER, constants.ISR) == (0x0, 0x4, 0x8, 0xC)
    assert (constants.CTRL_START, constants.CTRL_DONE, constants.CTRL_IDLE, constants.CTRL_READY) == (1, 2, 4, 8)
    assert (constants.SOURCE_LO, constants.SOURCE_HI, constants.FRAMES) == (0x10, 0x14, 0x1C)
    assert constants.DESTINATION_HI == constants.DESTINATION_LO + 4


def test_python_constants_need_only_the_python_of_the_board():
    tree = ast.parse((ROOT / "board" / "registers.py").read_text(), feature_version=(3, 10))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_c_and_systemverilog_agree_with_python(tmp_path):
    header = ROOT / "board" / "c" / "edgeseg_registers.h"
    names = re.findall(r"#define EDGESEG_(\w+) ", header.read_text())
    prints = "".join(f'printf("%s %u\\n", "{name}", (unsigned)EDGESEG_{name});' for name in names)
    (tmp_path / "print.cpp").write_text(f'#include <stdio.h>\n#include "{header}"\nint main(void) {{ {prints} }}\n')
    subprocess.run([compiler(), "-Wall", "-Werror", "print.cpp", "-o", "print"], cwd=tmp_path, check=True)
    printed = subprocess.run([tmp_path / "print"], capture_output=True, text=True, check=True).stdout
    in_c = {name: int(value) for name, value in (line.split() for line in printed.splitlines())}
    in_python = {name: value for name, value in vars(constants).items() if name.isupper() and name != "REGISTERS"}
    assert in_c == in_python
    package = (ROOT / "hw_build" / "rtl" / "shell" / "edgeseg_registers_pkg.sv").read_text()
    words = {name: int(value, 16) for name, value in re.findall(r"\] (\w+) = \d+'h(\w+);", package)}
    bits = {name: 1 << int(bit) for name, bit in re.findall(r"unsigned (\w+) = (\d+);", package)}
    assert bits.pop("WINDOW_BITS") == 1 << 12
    assert words | bits == in_python


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("offset = 0x04", "offset = 0x06", "GIE: offset must be a multiple of 4 below 4096"),
        ("offset = 0x04", "offset = 0x00", "offsets must ascend and names differ"),
        ('name = "GIE"', 'name = "CTRL"', "offsets must ascend and names differ"),
        ('access = "cor"', 'access = "rc"', "fields.1.access must be 'ro', 'rw', 'w1c', 'cor' or 'w1s', got \"rc\""),
        ("bit = 3,", "bit = 2,", "register CTRL: two fields share a bit"),
        ("bit = 3,", "bit = 32,", "fields.3.bit must be at most 31, got 32"),
        ("offset = 0x04", 'offset = 0x04\naccess = "rw"', "register GIE has fields, which have an access each"),
        ("offset = 0x04", "ofset = 0x04", "is wrong"),
        ("[[register]]", "[[register]", "is not TOML"),
    ],
)
def test_wrong_description_is_one_sentence(tmp_path, old, new, sentence):
    text = DESCRIPTION.read_text()
    assert old in text
    path = tmp_path / "registers.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_registers(path)
    assert sentence in str(caught.value)
