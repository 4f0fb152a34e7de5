"""Networks by name: a family file registers each of its variants once, with its configuration."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ConfigError, EdgesegError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered variant: its configuration, and the function that builds the network from it."""

    name: str
    summary: str
    config: Any
    build: Callable[[Any], nn.Module]

    @property
    def size(self) -> tuple[int, ...]:
        """(height, width) of the image it is described for, or (x, y, z) of the volume."""
        size = self.config.input_size
        return (size, size) if isinstance(size, int) else tuple(size)

    @property
    def is_for_images(self) -> bool:
        """Whether it takes (B, C, H, W), not (B, C, X, Y, Z)."""
        return len(self.size) == 2

    @property
    def decoder(self) -> str | None:
        """Name of the list of its modules whose last layers give the decoder's stages, coarsest first: ``DECODER`` of
        its class; None where that declares none.
        """
        return getattr(self.build, "DECODER", None)

    def describe(self) -> dict[str, Any]:
        return {"name": self.name, "summary": self.summary, **asdict(self.config)}


_ENTRIES: dict[str, Entry] = {}


_FIELDS = ("in_channels", "classes", "input_size")  # of every configuration


def register(name: str, summary: str, config: Any, build: Callable[[Any], nn.Module]) -> None:
    """Makes ``build(config)`` known as ``name``; ``config`` is a dataclass that has at least `_FIELDS`.

    Raises:
        ConfigError: the name is taken, or the configuration lacks a field.
    """
    lacking = [field for field in _FIELDS if not hasattr(config, field)]
    if lacking or not is_dataclass(config):
        raise ConfigError(
            f"the configuration of network '{name}' must be a dataclass with {', '.join(_FIELDS)}"
            + (f"; it lacks {', '.join(lacking)}" if lacking else "")
        )
    if name in _ENTRIES:
        raise ConfigError(f"network '{name}' is registered twice; give one of them another name")
    _ENTRIES[name] = Entry(name=name, summary=summary, config=config, build=build)


def names() -> list[str]:
    """Names of all registered networks, sorted."""
    return sorted(_ENTRIES)


def entry(name: str) -> Entry:
    """The registered network ``name``; ConfigError where there is none."""
    if name not in _ENTRIES:
        raise ConfigError(f"unknown network '{name}'; known networks: {', '.join(names())}")
    return _ENTRIES[name]


def build(name: str, classes: int = 1, channels: int | None = None) -> nn.Module:
    """Builds the float network ``name`` with fresh weights from torch's global generator.

    ``classes`` logits a pixel: 1 tells a foreground from the rest, N >= 2 tells N classes apart, the background being
    one of them. ``channels`` of the input: the registered number where it is None.

    Raises:
        ConfigError: there is no such network, or its own code fails.
    """
    for what, count in (("class", classes), ("channel", channels)):
        if count is not None and (not isinstance(count, int) or count < 1):
            raise ConfigError(f"a network has at least 1 {what}, got {count!r}")
    found = entry(name)
    try:
        given = {} if channels is None else {"in_channels": channels}
        return found.build(replace(found.config, classes=classes, **given))
    except EdgesegError:
        raise
    except Exception as error:  # whatever a network's own code raises
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"network '{name}' cannot be made: {type(error).__name__}: {error} ({Path(frame.filename).name}, line"
            f" {frame.lineno}); correct its configuration or its code"
        ) from error
