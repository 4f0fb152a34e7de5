"""TOML files of a user, as tables; and values of tables and checkpoints, of the types that they must have."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quant.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", dict: "a table", list: "a list"}


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of ``path``; ConfigError where it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"'{path}' is not UTF-8 text, as TOML is; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:  # ValueErrors: tomllib's own, and a number too long for Python
        raise ConfigError(f"'{path}' is not valid TOML: {error}; correct it") from None


def shipped_or_path(kind: str, folder: Path, name_or_path: str) -> Path:
    """The file of that name in ``folder``, or the file at that path; ConfigError names those that there are."""
    is_path = name_or_path.endswith(".toml") or "/" in name_or_path
    for path in ([] if is_path else [folder / f"{name_or_path}.toml"]) + [Path(name_or_path)]:
        if path.is_file():
            return path
    known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
    raise ConfigError(f"unknown {kind} '{name_or_path}'; known: {known}, or the path of a TOML file")


def beside_or_here(what: str, named: str, file: Path) -> str:
    """What ``file`` names: a shipped one, left as it is, or the path (*.toml) of one from its folder, else from the
    current one; ConfigError, which begins with ``what``, where there is none.
    """
    if not named.endswith(".toml"):
        return named
    for path in (file.parent / named, Path(named)):
        if path.is_file():
            return str(path)
    raise ConfigError(
        f"{what} '{named}' is no file in the folder '{file.parent}', nor in the current one; correct the path, or name"
        " a shipped one without .toml"
    )


def require_type(what: str, value: Any, wanted: type) -> None:
    """ConfigError unless ``value`` of ``what`` is of type ``wanted``: text is no number, and neither is true."""
    fits = isinstance(value, (int, float) if wanted is float else wanted)
    if not fits or (isinstance(value, bool) and wanted is not bool):
        raise ConfigError(f"{what} must be {_NAMES[wanted]}, got {value!r}; correct it")


def require_types(prefix: str, values: Mapping[str, Any], wanted: Mapping[str, type]) -> None:
    """ConfigError unless each of ``values`` is of its type in ``wanted``; ``prefix`` goes before its name."""
    for name, value in values.items():
        require_type(f"{prefix}{name}", value, wanted[name])
