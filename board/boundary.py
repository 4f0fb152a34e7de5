"""The boundary of every command: what its code raises ends here, as one line on stderr and a status.

A user's mistake is told by its own sentence, a full disk or a forbidden file by one of here. Anything else is a defect
of the program: the line says what was being done, on which node or file, and that it is not the user's mistake.
Warnings of libraries are not shown. ``--debug``, or EDGESEG_DEBUG=1, shows them and the traceback of either. Imported
by the command lines of all packages; needs the standard library alone.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

USER_ERROR = DEFECT = 2
INTERRUPTED, ENDED = 130, 143  # as shells count: 128 and the signal's number
_DEBUG = "EDGESEG_DEBUG"
_IMPORTING = "<frozen importlib._bootstrap>"
_ASK_AGAIN_S, _LONGEST_IMPORT_S, _TOGETHER_S = 0.1, 60.0, 1.0
_ROOT = Path(__file__).resolve().parents[1]
_DOING = "edgeseg_doing"  # attribute of an exception: what was being done, innermost first


def add_debug(commands):
    """Gives each command of the argparse subparsers ``commands`` the option --debug."""
    for parser in set(commands.choices.values()):
        add_debug_to(parser)


def add_debug_to(parser):
    """Gives the argparse parser of a command the option --debug."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


class _Ended(KeyboardInterrupt):
    """SIGTERM came: what is half written is removed on the way out, as after Ctrl-C."""


def run_command(parse, explain, interrupted="interrupted"):
    """Runs ``arguments.run(arguments)`` of what ``parse()`` gives; its status, 0 where it returns none.

    ``explain(exception)`` gives (line for stderr, status) of an exception that is expected, or None for one of the
    system or a defect; ``interrupted`` is the line after Ctrl-C or SIGTERM, which wait for the end of an import: inside
    of one, libraries lose an exception, or make another one of it.
    """
    debug = os.environ.get(_DEBUG, "0") not in ("", "0")
    try:
        with warnings.catch_warnings(), _signals_raised():
            arguments = parse()
            debug = debug or getattr(arguments, "debug", False)
            if not debug:
                warnings.simplefilter("ignore")
            status = arguments.run(arguments) or 0
            sys.stdout.flush()  # here, where a full disk behind it can still be told
            return status
    except KeyboardInterrupt as error:
        if debug:
            traceback.print_exc()
        print(interrupted, file=sys.stderr)
        return ENDED if isinstance(error, _Ended) else INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place for what nobody foresaw
        if debug:
            traceback.print_exc()
        line, status = explain(error) or _of_the_system(error) or (defect_line(error), DEFECT)
        if line:
            print(" ".join(line.split()), file=sys.stderr)
        return status


@contextlib.contextmanager
def _signals_raised():
    """Makes SIGTERM and Ctrl-C exceptions meanwhile; in the main thread alone, as signals are."""
    before = {}
    with contextlib.suppress(ValueError):  # not the main thread
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, _raising(_Ended))
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as behind `&`
            before[signal.SIGINT] = signal.signal(signal.SIGINT, _raising(KeyboardInterrupt))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raising(exception):
    """A handler that raises ``exception``, after the import that is going on, if one is, and it ends; once for signals
    that come together, so that the way out is not cut short.
    """
    tries = iter(range(int(_LONGEST_IMPORT_S / _ASK_AGAIN_S)))
    raised_at = -_TOGETHER_S

    def handle(number, frame):
        nonlocal raised_at
        if _is_importing(frame) and next(tries, None) is not None:
            main = threading.main_thread().ident  # whose sleep the signal is to end
            again = threading.Timer(_ASK_AGAIN_S, signal.pthread_kill, (main, number))
            again.daemon = True
            again.start()
        elif time.monotonic() - raised_at >= _TOGETHER_S:
            raised_at = time.monotonic()
            raise exception

    return handle


def _is_importing(frame):
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


def _of_the_system(error):
    """(line, status) of what the machine did to a command; None for anything else."""
    if isinstance(error, BrokenPipeError):  # the reader of our output went away: nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return "", 0
    if isinstance(error, OSError):
        name = error.filename2 or error.filename  # of two the one that is written
        where = f" at '{name}'" if name else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"error: the disk is full{where}; free space or give another --out, then run it again", USER_ERROR
        return (
            f"error: {error.strerror or error}{where}; check path, permissions and space, or give another",
            USER_ERROR,
        )
    if isinstance(error, MemoryError):
        line = "error: the memory of this machine does not suffice; free some, or give a smaller image or fewer jobs"
        return line, USER_ERROR
    return None


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
        with contextlib.suppress(Exception):  # some objects of libraries raise whatever they are asked for
            name = value.name or next(iter(value.output), "without a name")
            return f"node {name} ({value.op_type})"
    for value in values:
        if isinstance(value, Path) and value != _ROOT:
            return f"'{value}'"
    return None
