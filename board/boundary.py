"""The boundary of every command: what its code raises ends here, as one line on stderr and a status.

A user's mistake is told by its own sentence. Anything else is a defect of the program: the line says what was being
done, on which node or file, and that it is not the user's mistake. ``--debug``, or EDGESEG_DEBUG=1, shows the traceback
of either. Imported by the command lines of all packages; needs the standard library alone.
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path

DEFECT = 2
_DEBUG = "EDGESEG_DEBUG"
_ROOT = Path(__file__).resolve().parents[1]
_DOING = "edgeseg_doing"  # attribute of an exception: what was being done, innermost first


def add_debug(commands):
    """Gives each command of the argparse subparsers ``commands`` the option --debug."""
    for parser in set(commands.choices.values()):
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run_command(arguments, explain):
    """Runs ``arguments.run(arguments)``; its status, 0 where it returns none.

    ``explain(exception)`` gives (line for stderr, status) of an exception that is expected, or None for a defect.
    """
    try:
        return arguments.run(arguments) or 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place for what nobody foresaw
        if getattr(arguments, "debug", False) or os.environ.get(_DEBUG, "0") not in ("", "0"):
            traceback.print_exc()
        line, status = explain(error) or (defect_line(error), DEFECT)
        if line:
            print(" ".join(line.split()), file=sys.stderr)
        return status


@contextlib.contextmanager
def doing(what):
    """Lets a defect inside the block say that it happened while ``what`` was being done."""
    try:
        yield
    except Exception as error:
        setattr(error, _DOING, [*getattr(error, _DOING, []), what])
        raise


def defect_line(error):
    """What was being done, on what, what went wrong and where, in one sentence."""
    if isinstance(error, MemoryError):
        return "error: the memory of this machine does not suffice; free some, or give a smaller image or fewer jobs"
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if _is_ours(frame)]
    where = _place(error, frames)
    on = next((found for frame in reversed(frames) if (found := _subject(frame))), None)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    told = [*(f"in {what_was_done}" for what_was_done in getattr(error, _DOING, [])), *([f"on {on}"] if on else [])]
    return (
        f"error: a defect of this program, not your mistake{''.join(f', {part}' for part in told)}: {what[:400]} "
        f"(at {where}); run it again with --debug for the traceback, and report that"
    )


def _is_ours(frame):
    path = Path(frame.f_code.co_filename)
    return path.is_relative_to(_ROOT) and "site-packages" not in path.parts and path != Path(__file__)


def _place(error, frames):
    lines = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame in frames]
    if not lines:
        return "an unknown place"
    frame, line = lines[-1]
    return f"{Path(frame.f_code.co_filename).relative_to(_ROOT)}:{line}"


def _subject(frame):
    """The node, or else the file, that a function had in hand: the last of its variables that is one."""
    values = list(frame.f_locals.values())[::-1]
    for value in values:
        if hasattr(value, "op_type") and hasattr(value, "name"):
            name = value.name or next(iter(getattr(value, "output", [])), "without a name")
            return f"node {name} ({value.op_type})"
    for value in values:
        if isinstance(value, Path) and value != _ROOT:
            return f"'{value}'"
    return None
