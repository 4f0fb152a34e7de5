"""Dataclasses that JSON and TOML files are read into: pydantic holds every value against the type of its field.

A file that was edited, cut short or written by another version is refused here, with the place, and not where its
values are used. JSON records are written by `dataclasses.asdict`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

Kind = TypeVar("Kind")

_TOLD = 10  # of what is wrong: a report has hundreds of values
_CONFIG = {"extra": "forbid", "strict": True, "allow_inf_nan": False}
_NAMES = {
    "int_type": "int", "int_from_float": "int", "float_type": "float", "finite_number": "float", "string_type": "str",
    "bool_type": "bool", "tuple_type": "tuple", "list_type": "list", "dict_type": "dict", "missing": "tuple",
    "too_long": "tuple", "path_type": "path",
}  # fmt: skip

_BOUNDS = {
    "greater_than": ("above", "gt"), "greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le"),
}  # fmt: skip


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(kind: type[Kind]) -> type[Kind]:
    """A frozen dataclass of keywords alone that files are read into; no key but its fields, no value of another type.

    What its ``__post_init__`` raises as ValueError is told beside whatever else is wrong.
    """
    kind.__pydantic_config__ = _CONFIG  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(kind)


def load_record(kind: type[Kind], path: Path, **given: Any) -> Kind:
    """The record ``kind`` in the JSON file ``path``; fields that the file does not hold are ``given``.

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
    return as_record(kind, {**content, **given})


def as_record(kind: type[Kind], content: Mapping[str, Any], name: str = "it") -> Kind:
    """The record ``kind`` of the table ``content``, called ``name``; ValueError names what is wrong with it."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(json.dumps(content, default=_as_json))
    except ValidationError as error:
        problems = _problems(kind, error, name)
        more = [f"and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise ValueError("; ".join(problems[:_TOLD] + more)) from None


def _as_json(value: Any) -> Any:
    """A path as text; a date of TOML, which no field takes, as what it is."""
    return str(value) if isinstance(value, Path) else [type(value).__name__, str(value)]


def _problems(kind: type, error: ValidationError, name: str) -> list[str]:
    """All that is wrong; what is of neither type of two is told once."""
    lacking: dict[str, list[str]] = {}
    others: dict[str, str] = {}
    for found in error.errors(include_url=False):
        *above, key = found["loc"] or ("",)
        where, place = _at(above, name), _at([*above, key], name)
        if found["type"] == "missing" and isinstance(key, str):
            lacking.setdefault(where, []).append(key)
        elif found["type"] == "unexpected_keyword_argument":
            known = ", ".join(entry.name for entry in fields(_kind_at(kind, above)))
            others[place] = f"{where} has the unknown key {key}; known: {known}"
        elif found["type"] == "value_error":
            others[place] = str(found["ctx"]["error"])
        elif key in ("int", "str") and found["type"] in _NAMES:  # one of two types
            others[where] = f"{others[where]} or {key}" if where in others else _of_value(found, where)
        else:
            others[place] = _of_value(found, where if found["type"] == "missing" else place)
    return [f"{where} lacks {', '.join(sorted(keys))}" for where, keys in lacking.items()] + list(others.values())


def _at(place: list[str | int], name: str) -> str:
    return ".".join(str(part) for part in place if part != "") or name


def _of_value(found: Mapping[str, Any], where: str) -> str:
    value, rule = _short(found["input"]), found["type"]
    if bound := _BOUNDS.get(rule):
        words, key = bound
        return f"{where} must be {words} {found['ctx'][key]:g}, got {value}"
    if rule in ("enum", "literal_error"):
        return f"{where} must be {found['ctx']['expected']}, got {value}"
    wanted = found["ctx"]["class_name"] if rule == "dataclass_type" else _NAMES.get(rule)
    return f"{where} is {value}, not {wanted}" if wanted else f"{where} is {value}: {found['msg'].lower()}"


def _kind_at(kind: Any, place: list[str | int]) -> Any:
    """The dataclass at ``place`` within a record ``kind``."""
    for part in place:
        inner = getattr(kind, "__args__", ())  # of a list, a table, or None beside a dataclass
        kind = next((one for one in (kind, *inner) if hasattr(one, "__dataclass_fields__")), kind)
        kind = get_type_hints(kind).get(part, kind) if isinstance(part, str) else kind
    inner = getattr(kind, "__args__", ())
    return next(one for one in (kind, *inner) if hasattr(one, "__dataclass_fields__"))


def _short(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 40 else f"{text[:40]}..."
