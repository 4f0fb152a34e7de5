"""Reads the JSON records that a build leaves: each a dataclass, every value of the type that its field declares.

Records are written by `dataclasses.asdict`. One that was edited, cut short or left by another version is refused here,
with the place, and not where its values are used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def load_record(kind: type[Record], path: Path, **given: Any) -> Record:
    """The dataclass ``kind`` in the JSON file ``path``; fields that the file does not hold are ``given``.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or no record of ``kind``; says where.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError(f"it holds {_short(content)} instead of an object")
    return _object(kind, content, "", given)


def as_record(kind: type[Record], content: Mapping[str, Any]) -> Record:
    """The dataclass ``kind`` of what `dataclasses.asdict` made of one; ValueError as of `load_record`."""
    return _object(kind, dict(content), "", {})


def _object(kind: type, content: dict[str, Any], where: str, given: dict[str, Any]) -> Any:
    wanted = _types_of(kind)
    names = wanted.keys() - given.keys()
    if missing := sorted(names - content.keys()):
        raise ValueError(f"{where or 'it'} lacks {', '.join(missing)}")
    if unknown := sorted(content.keys() - names):
        raise ValueError(f"{where or 'it'} has the unknown key {unknown[0]}")
    return kind(**given, **{name: _value(wanted[name], content[name], _at(where, name)) for name in names})


@lru_cache(maxsize=64)
def _types_of(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {entry.name: hints[entry.name] for entry in fields(kind)}


def _value(kind: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``kind``: of Python's own, of lists and tables, or a dataclass."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        if value is None and NoneType in inner:
            return None
        (kind,) = (one for one in inner if one is not NoneType)
        return _value(kind, value, where)
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        return _object(kind, value, where, {})
    if origin is list and isinstance(value, list):
        return [_value(inner[0], one, _at(where, index)) for index, one in enumerate(value)]
    if origin is tuple and isinstance(value, list):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(
                _value(one, part, _at(where, i)) for i, (one, part) in enumerate(zip(kinds, value, strict=True))
            )
    if origin is dict and isinstance(value, dict):
        return {name: _value(inner[1], one, _at(where, name)) for name, one in value.items()}
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return value
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise ValueError(f"{where} is {_short(value)}, not {getattr(kind, '__name__', kind)}")


def _at(where: str, part: str | int) -> str:
    return f"{where}.{part}" if where else str(part)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
