"""Board files: the shipped ones, and each refusal."""

import pytest

from hw_build.board_config import BOARDS, board_names, load_board
from hw_build.errors import ConfigError


def test_shipped_boards_read():
    assert board_names() == ["pynq-z1", "pynq-z2", "zybo-z7-20"]
    for name in board_names():
        board = load_board(name)
        assert board.name == name
        assert (board.part, board.resources.luts, board.resources.dsps) == ("xc7z020clg400-1", 53_200, 220)


def test_unknown_board_lists_the_known_ones():
    with pytest.raises(ConfigError, match="unknown board 'zcu104'; known boards: pynq-z1, pynq-z2, zybo-z7-20"):
        load_board("zcu104")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("luts = 53200", "luts = -1", "luts must be positive, got -1"),
        ("luts = 53200", 'luts = "many"', "luts in resources must be of type int, got 'many'"),
        ("luts = 53200", "", "resources lacks luts; add it"),
        (
            "luts = 53200",
            "luts = 53200\nuram = 1",
            "unknown key 'uram' in resources; known keys: luts, memory_luts, ffs, bram36, dsps",
        ),
        ("[resources]", "[sources]", "resources lacks luts, memory_luts, ffs, bram36, dsps"),
        ('"zynq-7000"', '"spartan"', "family must be one of zynq-7000, got 'spartan'"),
        ('part = "xc7z020clg400-1"', "", "the board lacks part; add it"),
        ("[resources]", "[resources", "is not TOML"),
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


def test_board_from_a_file_of_the_user(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text((BOARDS / "pynq-z2.toml").read_text())
    assert load_board(str(path)).name == "own"
