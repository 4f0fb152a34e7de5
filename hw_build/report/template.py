"""The templates of the report, by Jinja2, which escapes whatever stands in a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

NONE = "–"


def figure(value: Any) -> str:
    """A number as the report shows it: thousands apart, four digits of a fraction; text as it is."""
    if value is None:
        return NONE
    if isinstance(value, str):
        return value
    return f"{value:,.4g}" if isinstance(value, float) and value < 1000 else f"{value:,.0f}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["figure"] = figure


def fill(template: str, **values: Any) -> Markup:
    """The ``template`` with ``values``; may stand in another one as it is."""
    return Markup(_TEMPLATES.get_template(template).render(values).strip())
