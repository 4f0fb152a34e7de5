"""What a bitstream holds, compared with what was asked for, on small files in the form of the tools'."""

from pathlib import Path

import pytest

from hw_build.base.errors import BuildError, MismatchError
from hw_build.implement.bitstream import readback
from hw_build.implement.bitstream.fasm import read_fasm, set_features, text_of
from hw_build.implement.bitstream.readback import compare_features, compare_frames, read_back, read_bits, read_frames
from hw_build.implement.bitstream.xray_database import XrayDatabase

FASM, BACK = Path("edgeseg.fasm"), Path("readback.fasm")
PART = "xc7z020clg400-1"


@pytest.fixture
def database(tmp_path):
    """CLBLM_R: a LUT, a multiplexer, a wire that is always there; BRAM_L: contents, whose bits have a block apart."""
    root = tmp_path / "zynq7"
    (root / PART).mkdir(parents=True)
    (root / "segbits_clblm_r.db").write_text(
        "CLBLM_R.SLICEM_X0.ALUT.INIT[00] 33_15\nCLBLM_R.SLICEM_X0.ALUT.INIT[01] 33_14\n"
        "CLBLM_R.SLICEM_X0.PRECYINIT.C0 !00_12 !30_13\nCLBLM_R.SLICEM_X0.PRECYINIT.C1 00_12 !30_13\n"
        "CLBLM_R.SLICEM_X0.BOTH 33_15 33_14\n"
    )
    (root / "ppips_clblm_r.db").write_text("CLBLM_R.CLBLM_M_A1.CLBLM_IMUX6 always\n")
    (root / "segbits_bram_l.db").write_text("BRAM_L.RAMB18_Y0.IN_USE 27_100\n")
    (root / "segbits_bram_l.block_ram.db").write_text("BRAM_L.RAMB18_Y0.INIT_00[000] 27_100\n")
    (root / PART / "required_features.fasm").write_text("BRAM_L_X0Y0.RAMB18_Y0.IN_USE\n")
    return XrayDatabase(root)


def test_fasm_is_expanded_to_the_bits_that_are_set():
    lines = ["A_X0Y0.B.C  # why", "", "# nothing", "A_X0Y0.D[3]", "A_X0Y0.E[5:2] = 4'b1010", "A_X0Y0.F[7:0]=8'hf_0",
             "A_X0Y0.G = 0", "{ unknown_bit = \"00\" }", "A_X0Y0.H[1:0] = 2"]  # fmt: skip
    assert set_features(lines, "x") == {
        ("A_X0Y0.B.C", 0), ("A_X0Y0.D", 3), ("A_X0Y0.E", 3), ("A_X0Y0.E", 5), ("A_X0Y0.H", 1),
        *(("A_X0Y0.F", bit) for bit in range(4, 8)),
    }  # fmt: skip
    assert [text_of(("A.B", 0)), text_of(("A.B", 7))] == ["A.B", "A.B[7]"]


def test_line_that_is_no_fasm_is_named(tmp_path):
    path = tmp_path / "a.fasm"
    path.write_text("A_X0Y0.B\nA_X0Y0.C = what\n")
    with pytest.raises(BuildError, match=r"line 2 of '.*a.fasm' is not FASM: A_X0Y0.C = what"):
        read_fasm(path)


def test_database_knows_what_sets_bits_what_sets_none_and_what_it_does_not_hold(database):
    bits = {
        "CLBLM_R_X1Y2.SLICEM_X0.PRECYINIT.C0": frozenset(), "CLBLM_R_X1Y2.SLICEM_X0.PRECYINIT.C1": {"00_12"},
        "CLBLM_R_X1Y2.CLBLM_M_A1.CLBLM_IMUX6": frozenset(), "CLBLM_R_X1Y2.UNKNOWN": None, "HCLK_L_X0Y0.A": None,
        "BRAM_L_X0Y0.RAMB18_Y0.IN_USE": {"27_100"}, "BRAM_L_X0Y0.RAMB18_Y0.INIT_00": {"block_ram 27_100"},
    }  # fmt: skip
    assert {name: database.set_bits((name, 0)) for name in bits} == bits
    assert database.set_bits(("CLBLM_R_X1Y2.SLICEM_X0.ALUT.INIT", 1)) == {"33_14"}
    assert database.required_features("xc7z010clg400-1") == set()


def compare(asked, found, database):
    return compare_features(set_features(asked, "a"), set_features(found, "b"), database, PART, FASM, BACK)


def test_features_without_bits_and_other_names_of_the_same_bits_are_no_difference(database):
    tile = "CLBLM_R_X1Y2."
    asked = [tile + "SLICEM_X0.ALUT.INIT[1:0] = 2'b11", tile + "CLBLM_M_A1.CLBLM_IMUX6"]
    found = [tile + "SLICEM_X0.ALUT.INIT[1:0] = 2'b11", tile + "SLICEM_X0.PRECYINIT.C0", tile + "SLICEM_X0.BOTH",
             "BRAM_L_X0Y0.RAMB18_Y0.IN_USE"]  # fmt: skip
    assert compare(asked, found, database) == 2


@pytest.mark.parametrize(
    ("asked", "found", "sentence"),
    [
        (
            ["CLBLM_R_X1Y2.SLICEM_X0.ALUT.INIT[1:0] = 2'b11", "CLBLM_R_X1Y3.SLICEM_X0.PRECYINIT.C1"], [],
            r"'edgeseg.fasm' asks for CLBLM_R_X1Y2.SLICEM_X0.ALUT.INIT, which is not in the bitstream as read back "
            r"into 'readback.fasm' \(3 such features\)",
        ),
        (
            [], ["CLBLM_R_X1Y2.SLICEM_X0.ALUT.INIT[1]"],
            r"the bitstream, read back into 'readback.fasm', has CLBLM_R_X1Y2.SLICEM_X0.ALUT.INIT\[1\], which "
            r"'edgeseg.fasm' does not ask for \(1 such features\)",
        ),
        (  # bits that another tile asked for explain nothing
            ["CLBLM_R_X1Y3.SLICEM_X0.ALUT.INIT[1:0] = 2'b11"],
            ["CLBLM_R_X1Y3.SLICEM_X0.ALUT.INIT[1:0] = 2'b11", "CLBLM_R_X1Y2.SLICEM_X0.BOTH"],
            "has CLBLM_R_X1Y2.SLICEM_X0.BOTH",
        ),
        (["CLBLM_R_X1Y2.UNKNOWN"], [], "asks for CLBLM_R_X1Y2.UNKNOWN"),
        ([], ["CLBLM_R_X1Y2.UNKNOWN"], "has CLBLM_R_X1Y2.UNKNOWN"),
        ([], ["BRAM_L_X0Y0.RAMB18_Y0.INIT_00"], "has BRAM_L_X0Y0.RAMB18_Y0.INIT_00"),  # not the bit that is required
    ],
)  # fmt: skip
def test_first_feature_that_differs_is_named(database, asked, found, sentence):
    with pytest.raises(MismatchError, match=sentence):
        compare(asked, found, database)


def test_frames_are_equal_but_for_check_bits_and_frames_of_zeros():
    words = [0] * 101
    words[50] = 0xFFFF_E000
    checked = [*words[:50], 0xFFFF_E123, *words[51:]]
    assert compare_frames({1: words, 2: [0] * 101}, {1: checked, 3: [0] * 101}, FASM, FASM) == 19


@pytest.mark.parametrize(("asked", "found"), [({1: [0, 6]}, {1: [0, 4, 1]}), ({1: [0, 6, 0], 7: [1]}, {1: [0, 4]})])
def test_first_word_that_differs_is_named(asked, found):
    with pytest.raises(
        MismatchError,
        match="'a.bit' does not hold what place and route asked for: 2 words of configuration differ, first word 1 of "
        "frame 0x00000001: 0x00000004 instead of 0x00000006 in 'a.frames'",
    ):
        compare_frames(asked, found, Path("a.bit"), Path("a.frames"))


def test_frames_and_bits_are_read_and_other_lines_named(tmp_path):
    path = tmp_path / "a"
    path.write_text("0x00000900 0x00000800,0x00000003\n")
    assert read_frames(path) == {0x900: [0x800, 3]}
    path.write_text("bit_00000900_000_11\nbit_00000900_001_00\nbit_00000900_001_01\n")
    assert {address: words[:2] for address, words in read_bits(path).items()} == {0x900: [0x800, 3]}
    with pytest.raises(BuildError, match="line 1 of '.*a' is not a frame: bit_00000900_000_11"):
        read_frames(path)
    for line in ("0x00000900 0x00000800", "bit_00000900_101_00"):
        path.write_text(line)
        with pytest.raises(BuildError, match=f"line 1 of '.*a' is not a bit: {line}"):
            read_bits(path)


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ((), "not read back: bit2fasm and bitread are not on PATH"),
        (("bit2fasm",), "not read back: bitread is not on PATH"),
    ],
)
def test_absent_tools_are_named(tmp_path, monkeypatch, there, sentence):
    monkeypatch.setattr(readback.shutil, "which", lambda name: name in there or None)
    assert read_back(tmp_path / "a.bit", FASM, FASM, tmp_path, PART) == sentence
