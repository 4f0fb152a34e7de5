"""Sizes of images that a kernel cannot take, each in one sentence."""

from __future__ import annotations

from hw_build.base.errors import ConfigError


def halved(name: str, op_type: str, size: tuple[int, int]) -> tuple[int, int]:
    """Half of ``size`` (height, width).

    Raises:
        ConfigError: a side is odd; the node ``name`` says so.
    """
    if size[0] % 2 or size[1] % 2:
        raise ConfigError(
            f"node {name} ({op_type}) would halve {size[0]}x{size[1]}: height and width must be multiples of 2 to the "
            "number of poolings"
        )
    return size[0] // 2, size[1] // 2
