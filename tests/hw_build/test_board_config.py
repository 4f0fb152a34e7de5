"""Board files: the shipped ones, and each refusal."""

import pytest

from hw_build.base.board_config import BOARDS, board_names, load_board
from hw_build.base.errors import ConfigError


def test_shipped_boards_read():
    assert board_names() == ["kv260", "pynq-z1", "pynq-z2", "zcu104", "zybo-z7-20"]
    # DS190 (xc7z020), DS891 (xczu7ev), DS987 (K26)
    known = {"kv260": ("xck26-sfvc784-2LV-c", 117_120, 1248), "zcu104": ("xczu7ev-ffvc1156-2-e", 230_400, 1728)}
    for name in board_names():
        board = load_board(name)
        assert board.name == name
        expected = known.get(name, ("xc7z020clg400-1", 53_200, 220))
        assert (board.part, board.resources.luts, board.resources.dsps) == expected


def test_unknown_board_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match="unknown board 'vek280'; known boards: kv260, pynq-z1, pynq-z2, zcu104, zybo-z7-20"
    ):
        load_board("vek280")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("luts = 53200", "luts = -1", "resources.luts must be above 0, got -1"),
        ("luts = 53200", 'luts = "many"', 'resources.luts is "many", not int'),
        ("luts = 53200", "", "resources lacks luts; correct it"),
        ("luts = 53200", "luts = 17000", "memory_luts must be at most luts, got 17400 of 17000"),
        (
            "luts = 53200",
            "luts = 53200\nurams = 1",
            "resources has the unknown key urams; known: luts, memory_luts, ffs, bram36, dsps",
        ),
        ("luts = 53200", "luts = 53200\nuram = 1", "no zynq-7000 has UltraRAM, got resources.uram = 1"),
        (
            "[resources]",
            "[sources]",
            "the board lacks resources; the board has the unknown key sources; known: name, ",
        ),
        ('"zynq-7000"', '"spartan"', "ps.family must be 'zynq-7000' or 'zynq-ultrascale', got \"spartan\""),
        (
            'control_port = "GP0"',
            'control_port = "GP1"',
            "control_port and memory_port of zynq-7000 must be GP0 and HP0, got GP1 and HP0; correct it",
        ),
        ("memory_bits = 64", "memory_bits = 32", "memory_bits must be 64, the width of the shell's DMA, got 32"),
        ("0x43C00000", "0x43C00100", "control_base must be a positive multiple of 4096, got 0x43c00100"),
        ("0x43C00000", "0x1_0000_0000_0000_0000", "control_base 0x10000000000000000 is no address; correct it"),
        ("fabric_mhz = 100.0", "fabric_mhz = nan", "clocks.fabric_mhz is NaN, not float"),
        ("fabric_mhz = 100.0", "fabric_mhz = inf", "clocks.fabric_mhz is Infinity, not float"),
        ("luts = 53200", "luts = 10000000000", "resources.luts must be at most 1e+09, got 10000000000"),
        ("address_bits = 32", "address_bits = 65", "address_bits must be 32 to 64, got 65; correct it"),
        (
            '"xc7z020clg400-1"',
            '"xc7z020\\n1"',
            r"part must be the name of an FPGA, letters, digits and -, got 'xc7z020\n1'",
        ),
        ("0x43C00000", "-4096", "control_base must be a positive multiple of 4096, got 0x-1000"),
        ("address_bits = 32", "address_bits = 0", "address_bits must be 32 to 64, got 0"),
        ("fabric_mhz = 100.0", "fabric_mhz = 0", "clocks.fabric_mhz must be at least 0.001, got 0"),
        (
            'part = "xc7z020clg400-1"',
            'part = "xczu7ev-ffvc1156-2-e"',
            "part of a zynq-7000 begins with xc7z, got 'xczu7ev-ffvc1156-2-e'; correct it",
        ),
        (
            "max_burst_beats = 16",
            "max_burst_beats = 32",
            "max_burst_beats must be a power of two of at most 16, got 32",
        ),
        ('part = "xc7z020clg400-1"', "", "the board lacks part; correct it"),
        (
            "part =",
            'name = "../../x"\npart =',
            "name must be printable and without '/', as it names files, got '../../x'",
        ),
        ("part =", 'name = " "\npart =', "name must be printable and without '/', as it names files, got ' '"),
        ("[resources]", "[resources", "is not TOML"),
        ("luts = 53200", f"luts = {'1' * 5000}", "is not TOML (Exceeds the limit"),
        ("luts = 53200", f"luts = {'[' * 5000}", "is not TOML (maximum recursion depth exceeded"),
    ],
)
def test_wrong_board_file_is_one_sentence(tmp_path, old, new, sentence):
    text = (BOARDS / "pynq-z2.toml").read_text()
    assert old in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match="own.toml") as caught:
        load_board(str(path))
    assert sentence in str(caught.value)


def test_all_that_is_wrong_is_named_at_once(tmp_path):
    text = (BOARDS / "pynq-z2.toml").read_text()
    changes = [
        ("luts = 53200", "lut = 53200"), ("ffs = 106400", "ffs = 1.5"), ("fabric_mhz = 100.0", "fabric_mhz = -100.0"),
        ("ps_ref_mhz = 50.0", "ps_ref_mhz = 0.0"), ("memory_bits = 64", "memory_bits = 32"),
        ('"HP0"', '"HP7"'), ('part = "xc7z020clg400-1"', 'color = "pink"'),
    ]  # fmt: skip
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="own.toml") as caught:
        load_board(str(path))
    for wrong in (
        "the board has the unknown key color",
        "the board lacks part",
        "resources has the unknown key lut",
        "resources.ffs is 1.5, not int",
        "resources lacks luts",
        "clocks.ps_ref_mhz must be at least 0.001, got 0.0; clocks.fabric_mhz must be at least 0.001, got -100.0",
        "memory_bits must be 64, the width of the shell's DMA, got 32",
        "must be GP0 and HP0, got GP0 and HP7",
    ):
        assert wrong in str(caught.value)


def test_board_from_a_file_of_the_user(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text((BOARDS / "pynq-z2.toml").read_text())
    assert load_board(str(path)).name == "own"
    path.write_text((BOARDS / "pynq-z2.toml").read_text(), encoding="utf-8-sig")
    assert load_board(str(path)).name == "own", "with a byte-order mark, too"
