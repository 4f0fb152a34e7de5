"""Processes that train end with the command that started them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time
from pathlib import Path

from quant.base.errors import ConfigError
from quant.base.workers import run_all


def task(folder, number, quiet):
    (folder / f"{number}.partial").write_text(str(os.getpid()))
    (folder / f"{number}.partial").rename(folder / f"{number}.pid")
    while number == 1 and not (folder / "0.pid").exists():
        time.sleep(0.05)
    if number == 1:
        raise ConfigError("the second one fails")
    time.sleep(600)


if __name__ == "__main__":
    run_all(task, [(Path(sys.argv[1]), number) for number in range(int(sys.argv[2]))], 2)
"""
PATIENCE_S = 120


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def started(tmp_path, tasks):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), str(tasks)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_processes_end_with_the_command(tmp_path, number):
    process = started(tmp_path, 1)
    until((tmp_path / "0.pid").exists)
    process.send_signal(number)
    process.wait(PATIENCE_S)
    worker = int((tmp_path / "0.pid").read_text())
    until(lambda: ended(worker))


@pytest.mark.slow
def test_an_error_of_one_is_told_while_another_trains(tmp_path):
    process = started(tmp_path, 2)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert "the second one fails" in told and process.returncode == 1
    assert ended(int((tmp_path / "0.pid").read_text()))
