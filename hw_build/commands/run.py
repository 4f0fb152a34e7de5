"""The command ``run``: runs the commands of a plan one after the other, each once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hw_build.base.errors import ConfigError
from hw_build.base.progress import tell
from hw_build.base.step_engine import locked, write_atomically
from hw_build.flow.plan.record import PLAN, RECIPE, RUN, read_commands

_BEGINNINGS = (("-m", "quant"), ("-m", "hw_build"))


@dataclass(frozen=True, kw_only=True)
class _Command:
    """``key`` changes with the command, those before it and the recipe that it reads; ``product`` is its ``--out``."""

    line: str
    arguments: tuple[str, ...]
    product: Path
    key: str


def run_commands(plan: Path, *, dry: bool) -> int:
    """Run the commands of the plan in the folder ``plan`` that are not finished; with ``dry``, only list them.

    A command is finished when it ended well, neither it nor one before nor the recipe that it reads has changed since,
    and its results still exist; the first unfinished command and all after it are run. If a command fails,
    it has printed its error, and its status is returned.

    Raises:
        ConfigError: there is no plan, or it holds a command that no plan contains.
        BuildError: the folder cannot be written, or another command works in it.
    """
    commands = _commands(plan)
    with locked(plan):
        finished = _finished(plan / RUN)
        left = next((at for at, one in enumerate(commands) if not _is_done(one, finished)), len(commands))
        for at, command in enumerate(commands):
            done = at < left
            tell(f"{'finished' if done else 'to do' if dry else 'running'} {at + 1}/{len(commands)}: {command.line}")
            if done or dry:
                continue
            status = subprocess.run([sys.executable, *command.arguments], check=False).returncode
            if status:
                return status
            keys = [one.key for one in commands[: at + 1]]
            write_atomically(plan / RUN, (json.dumps({"finished": keys}, indent=1) + "\n").encode())
    return 0


def _commands(plan: Path) -> list[_Command]:
    found, before = [], ""
    for line in read_commands(plan):
        arguments = _arguments(line)
        if arguments[:2] not in _BEGINNINGS or "--out" not in arguments[:-1]:
            raise ConfigError(f"'{plan / PLAN}' holds {line!r}, which no plan does; make the plan again")
        content = [before, line, (plan / RECIPE).read_text(encoding="utf-8") if "--recipe" in arguments else ""]
        before = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        product = Path(arguments[arguments.index("--out") + 1])
        found.append(_Command(line=line, arguments=arguments, product=product, key=before))
    return found


def _arguments(line: str) -> tuple[str, ...]:
    """The words after ``python``; none if a quotation mark is not closed, or no process can be given them."""
    try:
        os.fsencode(line)
        return () if "\0" in line else tuple(shlex.split(line)[1:])
    except ValueError:
        return ()


def _finished(path: Path) -> set[str]:
    """Keys of ``run.json``; none if the file is missing or damaged, so that everything runs again."""
    try:
        return set(json.loads(path.read_text())["finished"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _is_done(command: _Command, finished: set[str]) -> bool:
    return command.key in finished and command.product.exists()
