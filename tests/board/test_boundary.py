"""Any exception at any command's boundary is one line and a status; --debug shows where it came from."""

import argparse
from pathlib import Path

import pytest

import board.cli
import hw_build.cli
import quant.__main__
from board.boundary import defect_line, doing, run_command


class Node:
    op_type, name = "Conv", "stem"


def raising(error, node=None, path=None):
    """A command that raises ``error`` with ``node`` and ``path`` in hand."""

    def run(arguments):
        assert arguments is not (node, path)  # which makes them variables of this frame
        raise error

    return run


@pytest.mark.parametrize(
    ("main", "argv", "owner", "function"),
    [
        (hw_build.cli.main, ["boards"], hw_build.cli, "board_names"),
        (board.cli.main, ["describe", "io_spec.json"], board.cli, "read_io_spec"),
    ],
)
@pytest.mark.parametrize(
    "error", [KeyError("what"), AssertionError(), RecursionError("deep"), ZeroDivisionError("x\ny")]
)
def test_defect_is_one_line(capsys, monkeypatch, main, argv, owner, function, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(owner, function, fail)
    if function == "board_names":  # also read for the help of options
        monkeypatch.setattr(owner, "_parser", parser_of(argv[0], owner._boards))
    assert main(argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: a defect of this program, not your mistake")
    assert type(error).__name__ in lines[0]
    assert "--debug" in lines[0]


def parser_of(name, run):
    def parser():
        made = argparse.ArgumentParser()
        command = made.add_subparsers().add_parser(name)
        command.add_argument("--json", action="store_true")
        command.set_defaults(run=run)
        return made

    return parser


def test_defect_of_quant_is_one_line(capsys, monkeypatch, tmp_path):
    import quant.export

    def fail(*arguments, **options):
        raise IndexError("out of range")

    monkeypatch.setattr(quant.export, "export", fail)
    assert quant.__main__.main(["export", "--checkpoint", "c", "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "defect" in line and "IndexError: out of range (at " in line


@pytest.mark.parametrize("command", ["untrained", "train", "export", "evaluate"])
def test_every_command_takes_debug(capsys, command):
    with pytest.raises(SystemExit):
        quant.__main__.main([command, "--help"])
    assert "--debug" in capsys.readouterr().out


@pytest.mark.parametrize("asked", ["option", "environment"])
def test_debug_shows_the_traceback(capsys, monkeypatch, asked):
    monkeypatch.setenv("EDGESEG_DEBUG", "1" if asked == "environment" else "0")
    arguments = argparse.Namespace(run=raising(KeyError("what")), debug=asked == "option")
    assert run_command(arguments, lambda error: None) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.splitlines()[-1].startswith("error: a defect")


def test_without_debug_there_is_no_traceback(capsys, monkeypatch):
    monkeypatch.delenv("EDGESEG_DEBUG", raising=False)
    run_command(argparse.Namespace(run=raising(KeyError("what"))), lambda error: None)
    assert "Traceback" not in capsys.readouterr().err


def line_of(error, **held):
    try:
        raising(error, **held)(None)
    except type(error) as caught:
        return defect_line(caught)


def test_the_node_or_file_in_hand_is_named():
    assert "on node stem (Conv): KeyError: 'what'" in line_of(KeyError("what"), node=Node())
    assert "on 'masks/a.png': KeyError" in line_of(KeyError("what"), path=Path("masks/a.png"))
    assert "on node stem (Conv)" in line_of(KeyError("what"), node=Node(), path=Path("a"))


def test_what_was_being_done_is_told_innermost_first():
    try:
        with doing("step convert"), doing("pass FoldPads"):
            raise KeyError("what")
    except KeyError as error:
        assert "not your mistake, in pass FoldPads, in step convert" in defect_line(error)


def test_memory_that_does_not_suffice_is_no_defect():
    assert line_of(MemoryError()).startswith("error: the memory of this machine does not suffice")


def test_expected_errors_keep_their_sentence_and_status(capsys):
    status = run_command(argparse.Namespace(run=raising(KeyError("x"))), lambda error: ("error: give another", 7))
    assert (status, capsys.readouterr().err) == (7, "error: give another\n")
