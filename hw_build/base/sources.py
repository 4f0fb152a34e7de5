"""Which files of ours a function's result depends on: the import closure of the code that it runs, and what that reads.

The function's own file counts, and every module whose names it uses, itself or through functions and tables of its
file. From these on every import counts, wherever it stands, and every text that names a module (qonnx finds kernels by
such a text). Of each folder with such a module all that is no Python counts: C++, SystemVerilog, TOML; and of a file or
folder that a text in a module names, as of ``Path(__file__).parents[1] / "rtl"``, all that is in it. Too much costs a
step that is done again; nothing is left out because somebody forgot to list it.
"""

from __future__ import annotations

import ast
import hashlib
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("hw_build", "board")


def sources_of(function: Callable, root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    """Files below ``root`` that a result of ``function`` depends on, sorted; those of other packages do not count."""
    modules = _modules_of(function, packages)
    own = _file_of(function.__module__, root)
    waiting, seen = sorted(modules), set()
    found: set[Path] = {own} if own is not None else set()
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if name in seen or path is None:
            continue
        seen.add(name)
        names, read = _read(path, root, packages)
        waiting += names
        waiting += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]  # its packages
        found |= {path, *read}
    return sorted(found)


def digests_of(function: Callable, root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Hash of each of these files, by its path below the root."""
    files = sources_of(function, root, packages)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _modules_of(function: Callable, packages: tuple[str, ...]) -> set[str]:
    """Modules whose names ``function`` uses: itself, in functions and tables of its own file, and in what it
    encloses.
    """
    found: set[str] = set()
    waiting, seen = [function], set()
    while waiting:
        used = waiting.pop()
        used = getattr(used, "__func__", used)  # of a method
        if id(used) in seen:
            continue
        seen.add(id(used))
        waiting += _members(used)
        if is_dataclass(used) and not isinstance(used, type):  # a configuration: its methods may run
            found |= {type(used).__module__} - {function.__module__}
            waiting += [getattr(used, field.name) for field in fields(used)]
        if not isinstance(used, FunctionType):
            found |= {str(getattr(used, "__module__", ""))} - {function.__module__}
            continue
        waiting += [cell.cell_contents for cell in used.__closure__ or () if _is_set(cell)]
        for name in _names(used.__code__):
            value = used.__globals__.get(name)
            waiting += _members(value)
            owner = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if owner == used.__module__ and isinstance(value, FunctionType):
                waiting.append(value)
            elif isinstance(owner, str) and owner != used.__module__ and owner.split(".")[0] in packages:
                found.add(owner)
        if used.__module__ != function.__module__:
            found.add(used.__module__)
    return {name for name in found if name.split(".")[0] in packages}


def _members(value: object) -> list:
    """What a table holds, as a tuple of passes at the head of a file does."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return list(value) if isinstance(value, tuple | list | set | frozenset) else []


def _is_set(cell) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # of a name that is not bound yet
        return False


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _read(path: Path, root: Path, packages: tuple[str, ...]) -> tuple[list[str], frozenset[Path]]:
    """Modules that the file at ``path`` imports or names, and files that are no Python and may be read by it."""
    names: set[str] = set()
    files = {file for file in path.parent.iterdir() if file.is_file() and file.suffix != ".py"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_name(node.value):
            names.add(node.value)
            for folder in path.parents:
                if not folder.is_relative_to(root) or folder == root:
                    break
                files |= _files_in(folder / node.value)
    ours = [name for name in names if name.split(".")[0] in packages and _file_of(name, root) is not None]
    return sorted(ours), frozenset(files)


def _is_name(text: str) -> bool:
    return 1 < len(text) <= 60 and all(letter.isalnum() or letter in "._-/" for letter in text) and text[0] not in "./"


def _files_in(path: Path) -> set[Path]:
    """The file, or all files that are no Python below a folder without modules."""
    if path.is_file():
        return {path}
    if not path.is_dir() or (path / "__init__.py").is_file():
        return set()
    return {file for file in path.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
