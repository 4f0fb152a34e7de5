"""The files of a plan's folder, and how they are read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

RECIPE, PLAN, EXPORTS, RUN = "recipe.toml", "plan.json", "networks", "run.json"


def read_commands(folder: Path) -> list[str]:
    """The commands of the plan in ``folder``, in order.

    Raises:
        ConfigError: the folder holds no plan, or ``plan.json`` or ``recipe.toml`` cannot be read.
    """
    remedy = "make it with `edgeseg plan --data DIR --out DIR`"
    if not (folder / PLAN).is_file():
        raise ConfigError(f"'{folder}' holds no plan ({PLAN}); {remedy}")
    try:
        (folder / RECIPE).read_text(encoding="utf-8")
        text = (folder / PLAN).read_bytes()
    except OSError as error:
        raise ConfigError(f"'{error.filename}' cannot be read ({error.strerror}); {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"'{folder / RECIPE}' is not UTF-8 text, as TOML is; save it as UTF-8") from None
    try:
        commands = json.loads(text)["commands"]
    except (ValueError, KeyError, TypeError, RecursionError):
        commands = None
    if not (isinstance(commands, list) and commands and all(isinstance(line, str) for line in commands)):
        raise ConfigError(f"'{folder / PLAN}' is no plan: it holds no list of commands; {remedy}")
    return commands
