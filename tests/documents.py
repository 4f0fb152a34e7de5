"""What the pages of the documentation say that a test can hold them to: links, make targets, commands, paths.

Each ``...`` function returns the offences of one page as sentences, an empty list where there is none.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import re
import shlex
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "quant", "hw_build", "board")
_MAINS = {"models": "models.__main__", "quant": "quant.__main__", "hw_build": "hw_build.cli.main", "board": "board.cli"}
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_COMMAND = re.compile(r"python3? -m (models|quant|hw_build|board)\b(?! ?\.)")
_WORD = r"[A-Za-z_-]+(?:=(?:\"[^\"]*\"|\S+))?"
_SUFFIXES = {"bin", "bit", "fasm", "hwh", "il", "json", "npz", "onnx", "py", "qonnx", "sh", "sv", "tcl", "xml"}
_TOPS = "models|quant|hw_build|board|calib_data|tests|docs"


class _Caught(BaseException):
    """Carries a command line's parser out of its ``main``, through the boundary of its errors."""


@functools.cache
def parser_of(package: str) -> argparse.ArgumentParser:
    """The parser that ``python -m PACKAGE`` uses."""

    def caught(parser, *_):
        raise _Caught(parser)

    original = argparse.ArgumentParser.parse_args
    argparse.ArgumentParser.parse_args = caught
    try:
        importlib.import_module(_MAINS[package]).main([])
    except _Caught as found:
        return found.args[0]
    finally:
        argparse.ArgumentParser.parse_args = original
    raise AssertionError(f"python -m {package} reads no arguments")


def subcommands(package: str) -> dict[str, argparse.ArgumentParser]:
    """The parser of each of its commands."""
    (action,) = (each for each in parser_of(package)._actions if isinstance(each, argparse._SubParsersAction))
    return action.choices


def pages() -> list[Path]:
    return [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
        (ROOT / "docs").rglob("*.md")
    )


def blocks(text: str) -> list[str]:
    """The fenced blocks of a page, with lines that end in a backslash joined."""
    return [block.replace("\\\n", " ") for _, block in _FENCE.findall(text)]


def spans(text: str) -> list[str]:
    """The inline code of a page, each in one line."""
    return [" ".join(span.split()) for span in _SPAN.findall(_FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE):
        plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
        slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
        names = (slug, *(f"{slug}_{number}" for number in range(1, 99)))
        found.add(next(name for name in names if name not in found))
    return found


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links and pictures without a file, and anchors without a heading."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _SPAN.sub("", _FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(text if path == page else path.read_text(encoding="utf-8")):
            broken.append(f"{target}: no such heading")
    return broken


def unknown_make(text: str) -> list[str]:
    """Targets and variables after ``make`` that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    unknown = []
    for line in [line for block in blocks(text) for line in block.splitlines()] + spans(text):
        called = re.match(rf"(?:- run: |script: |\s)*make((?: {_WORD})+)", line)
        for word in re.findall(f" ({_WORD})", called[1]) if called else ():
            name, is_variable, _ = word.partition("=")
            if is_variable:
                known = re.search(rf"^(?:[a-z]+: )?{name}\b ?(?:\?=|:=|=)|\$[({{]{name}[)}}]", makefile, re.MULTILINE)
            else:
                known = name in targets or name == "TARGET"
            if not known:
                unknown.append(f"make {word}")
    return unknown


def command_lines(text: str) -> list[tuple[str, bool]]:
    """Every ``python -m PACKAGE ...`` of a page, and whether it is a whole line of a block."""
    variables = dict(re.findall(r"^([A-Z]+)=(\S+)", "\n".join(blocks(text)), re.MULTILINE))
    lines = [(line.split(" #")[0], True) for block in blocks(text) for line in block.splitlines()]
    lines += [(span, False) for span in spans(text)]
    found = []
    for line, whole in lines:
        start = _COMMAND.search(line)
        if start:
            command = line[start.start() :].strip()
            for name, value in variables.items():
                command = re.sub(rf"\${name}\b", value, command)
            found.append((command, whole and "..." not in command))
    return found


def refusal(command: str, whole: bool) -> str | None:
    """Why a command line would be refused: an unknown command or option, or, of a ``whole`` one, anything else."""
    _, _, package, *words = shlex.split(command)
    if not words:
        return None
    if words[0] in ("...", "COMMAND", "SUBCOMMAND", "--help"):
        return None
    if words[0] not in subcommands(package):
        return f"{command}: no command {words[0]}"
    options = set(subcommands(package)[words[0]]._option_string_actions)
    unknown = [word for word in words if re.match(r"--[a-z]", word) and word.split("=")[0] not in options]
    if unknown:
        return f"{command}: no option {', '.join(unknown)}"
    if whole:
        try:
            parser_of(package).parse_args(words)
        except SystemExit:
            return f"{command}: refused"
    return None


def refused_commands(text: str) -> list[str]:
    return [why for command in command_lines(text) if (why := refusal(*command))]


def missing_paths(text: str) -> list[str]:
    """Paths of the repository in inline code that do not exist. Placeholders in capitals and patterns are not paths."""
    missing = []
    for span in spans(text):
        for path in re.findall(rf"(?<![\w./-])(?:{_TOPS})/[\w./*-]*\w[\w./*-]*", span):
            name = path.rstrip("./")
            if "..." not in path and not re.search(r"\b[A-Z]{2,}\b(?!\.md)", path) and not any(ROOT.glob(name)):
                missing.append(path)
    return missing


def missing_names(text: str) -> list[str]:
    """Dotted names in inline code, ``package.module.name`` below hw_build, board or quant, that no source defines."""
    missing = []
    for span in spans(text):
        if not re.fullmatch(r"[a-z]\w*(\.\w+)+", span) or span.rpartition(".")[2] in _SUFFIXES:
            continue
        names = span.split(".")
        if names[0] not in PACKAGES:
            names.insert(0, "hw_build")
        files = [ROOT.joinpath(*names[:end]).with_suffix(".py") for end in range(1, len(names) + 1)]
        source = next((file for file in files if file.exists()), None)
        inside = names[files.index(source) + 1 :] if source else []
        text_of_it = source.read_text(encoding="utf-8") if source else ""
        if not source or not all(
            re.search(rf"^ *(?:async )?(?:def|class) {n}\b", text_of_it, re.MULTILINE) for n in inside
        ):
            missing.append(span)
    return missing


@functools.cache
def messages() -> str:
    """The text of all sources that tell a user something, with strings that go over several lines joined."""
    folders = [ROOT / package for package in PACKAGES] + [ROOT / ".ci"]
    sources = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".sh")]
    return re.sub(r'"\s*\n\s*f?r?"', "", "\n".join(path.read_text(encoding="utf-8") for path in sources))


def unknown_messages(text: str) -> list[str]:
    """Pieces of the messages in the first column of a table that no source has; ``...`` and values match anything."""
    first = [row.split(" | ")[0] for row in re.findall(r"^\| (`.+)$", text, re.MULTILINE)]
    pieces = [piece for row in first for span in spans(row) for piece in re.split(r"\.\.\.|'|0x|\d+x\d+|\w+=\d", span)]
    return [piece for piece in map(str.strip, pieces) if len(piece) > 6 and piece.strip(" ,;:") not in messages()]
