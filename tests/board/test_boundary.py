"""Any exception at any command's boundary is one line and a status; --debug shows where it came from."""

import argparse
import errno
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

import board.cli
import hw_build.cli.boards
import hw_build.cli.main
import hw_build.implement.board_sim.__main__
import hw_build.implement.board_sim.joint
import hw_build.implement.pynq_sim.compare
import models.__main__
import quant.__main__
from board.boundary import defect_line, doing, run_command

ROOT = Path(__file__).resolve().parents[2]


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
        (hw_build.cli.main.main, ["boards"], hw_build.cli.boards, "load_board"),
        (board.cli.main, ["describe", "io_spec.json"], board.cli, "read_io_spec"),
        (models.__main__.main, ["list"], models.__main__, "summary"),
        (hw_build.implement.board_sim.__main__.main, ["build"], hw_build.implement.board_sim.joint, "build_any_board"),
        (
            hw_build.implement.pynq_sim.compare.main,
            ["golden.npz", "masks"],
            hw_build.implement.pynq_sim.compare,
            "compare",
        ),
    ],
)
@pytest.mark.parametrize(
    "error", [KeyError("what"), AssertionError(), RecursionError("deep"), ZeroDivisionError("x\ny")]
)
def test_defect_is_one_line(capsys, monkeypatch, main, argv, owner, function, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(owner, function, fail)
    assert main(argv) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: a defect of this program, not your mistake")
    assert type(error).__name__ in lines[0]
    assert "--debug" in lines[0]


def test_defect_of_quant_is_one_line(capsys, monkeypatch, tmp_path):
    import quant.export.export

    def fail(*arguments, **options):
        raise IndexError("out of range")

    monkeypatch.setattr(quant.export.export, "export", fail)
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
    assert run_command(lambda: arguments, lambda error: None) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.splitlines()[-1].startswith("error: a defect")


def test_without_debug_there_is_no_traceback(capsys, monkeypatch):
    monkeypatch.delenv("EDGESEG_DEBUG", raising=False)
    run_command(lambda: argparse.Namespace(run=raising(KeyError("what"))), lambda error: None)
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


class Surly:
    """As the injectors of Brevitas: raises an error of its own for an attribute that it lacks."""

    def __getattr__(self, name):
        raise LookupError(name)


def test_an_object_that_raises_when_asked_for_a_name_is_passed_over():
    assert "on 'masks/a.png': KeyError" in line_of(KeyError("what"), node=Surly(), path=Path("masks/a.png"))


def outcome(error, capsys, interrupted="interrupted"):
    status = run_command(lambda: argparse.Namespace(run=raising(error)), lambda error: None, interrupted)
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (MemoryError(), 2, "error: the memory of this machine does not suffice; free some"),
        (OSError(errno.ENOSPC, "No space left on device", "a.pt"), 2, "error: the disk is full at 'a.pt'; free space"),
        (OSError(errno.ENOSPC, "Full", "a.sv", None, "b.sv"), 2, "error: the disk is full at 'b.sv'"),
        (OSError(errno.EDQUOT, "Quota exceeded"), 2, "error: the disk is full; free space"),
        (PermissionError(errno.EACCES, "Permission denied", "a.pt"), 2, "error: Permission denied at 'a.pt'; check"),
        (KeyboardInterrupt(), 130, "gone"),
    ],
)
def test_what_the_machine_or_its_user_does_is_no_defect(capsys, error, status, line):
    found = outcome(error, capsys, "gone")
    assert found[0] == status and found[1].startswith(line) and "defect" not in found[1]


@pytest.mark.parametrize("debug", [False, True])
def test_warnings_of_libraries_are_shown_with_debug_alone(capsys, debug):
    def run(arguments):
        warnings.warn("overflow in multiply", RuntimeWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert run_command(lambda: argparse.Namespace(run=run, debug=debug), lambda error: None) == 0
    assert len(shown) == debug


ENDLESS = """
    import argparse, signal, sys, tempfile, time
    from board.boundary import run_command

    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests run behind `&` inherit that it is ignored

    def run(arguments):
        with tempfile.TemporaryDirectory(dir=sys.argv[1]):
            print("writing", flush=True)
            time.sleep(60)

    sys.exit(run_command(lambda: argparse.Namespace(run=run), lambda error: None, "interrupted; it goes on"))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_mid_write_is_one_line_and_leaves_nothing_half_written(tmp_path, number, status):
    command = [sys.executable, "-c", textwrap.dedent(ENDLESS), str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout.readline() == "writing\n"
        os.kill(child.pid, number)
        assert child.communicate(timeout=30)[1] == "interrupted; it goes on\n"
    assert child.returncode == status
    assert not list(tmp_path.iterdir())


IMPORTING = """
    import signal, sys, time
    from board.boundary import run_command

    signal.signal(signal.SIGINT, signal.default_int_handler)

    def parse():
        import slow_library
        time.sleep(60)

    sys.exit(run_command(parse, lambda error: None, "interrupted; it goes on"))
"""
SLOW_LIBRARY = """
    import time
    print("importing", flush=True)
    try:
        time.sleep(1)
    except BaseException as error:
        raise RuntimeError("a library's own sentence") from error
    print("imported", flush=True)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_for_the_end_of_an_import(tmp_path, number, status):
    (tmp_path / "slow_library.py").write_text(textwrap.dedent(SLOW_LIBRARY))
    command, pipe = [sys.executable, "-c", textwrap.dedent(IMPORTING)], subprocess.PIPE
    paths = os.pathsep.join([str(ROOT), str(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout.readline() == "importing\n"
        os.kill(child.pid, number)
        assert child.communicate(timeout=30) == ("imported\n", "interrupted; it goes on\n")
    assert child.returncode == status


SLOW_TO_END = """
    import argparse, signal, sys, time
    from board.boundary import run_command

    def run(arguments):
        try:
            print("working", flush=True)
            time.sleep(60)
        finally:
            print("ending", flush=True)
            time.sleep(0.5)
            print("ended", flush=True)

    sys.exit(run_command(lambda: argparse.Namespace(run=run), lambda error: None, "interrupted; it goes on"))
"""


def test_signals_that_come_together_do_not_cut_the_way_out_short():
    """As ``timeout`` sends them: to the process, and to its group."""
    command, pipe = [sys.executable, "-c", textwrap.dedent(SLOW_TO_END)], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdout.readline() == "working\n"
        os.kill(child.pid, signal.SIGTERM)
        assert child.stdout.readline() == "ending\n"
        os.kill(child.pid, signal.SIGTERM)
        assert child.communicate(timeout=30) == ("ended\n", "interrupted; it goes on\n")
    assert child.returncode == 143


PRINTER = """
    import argparse, sys
    from board.boundary import run_command
    run = lambda _: print(9 * "a line of a table\\n")
    sys.exit(run_command(lambda: argparse.Namespace(run=run), lambda error: None))
"""


def test_output_that_nobody_reads_is_no_error(tmp_path):
    (tmp_path / "printer.py").write_text(textwrap.dedent(PRINTER))
    command = f'"{sys.executable}" "{tmp_path / "printer.py"}" | (exec <&-; sleep 0.5); echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_expected_errors_keep_their_sentence_and_status(capsys):
    status = run_command(
        lambda: argparse.Namespace(run=raising(KeyError("x"))), lambda error: ("error: give another", 7)
    )
    assert (status, capsys.readouterr().err) == (7, "error: give another\n")
