"""Which place and route tools are at hand, and what to say when none is."""

from __future__ import annotations

import shutil
from enum import StrEnum

from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError, ConfigError
from hw_build.implement.bitstream import openxc7


class Toolchain(StrEnum):
    """Which place and route makes a bitstream."""

    VIVADO = "vivado"
    OPENXC7 = "openxc7"


class MissingToolError(BuildError):
    """All that can be made without the tool was made; names the tool, where to get it, and what lies ready."""

    status = 3


def parse_toolchain(name: str | None) -> Toolchain | None:
    """ConfigError for an unknown name; None stays None: whichever is there."""
    if name is None:
        return None
    if name not in list(Toolchain):
        raise ConfigError(f"unknown toolchain '{name}'; known: {', '.join(Toolchain)}")
    return Toolchain(name)


def available(toolchain: Toolchain) -> bool:
    """Whether its place and route tool is on PATH."""
    names = ("vivado",) if toolchain is Toolchain.VIVADO else openxc7.NEXTPNR
    return any(shutil.which(name) for name in names)


def choose(asked: Toolchain | None, family: Family) -> Toolchain:
    """The toolchain asked for, else the first that is there, else Vivado.

    Raises:
        ConfigError: the open flow was asked for a part that it does not know.
    """
    if asked is Toolchain.OPENXC7 and family is not Family.ZYNQ_7000:
        raise ConfigError(f"the open flow knows no {family}; take TOOLCHAIN=vivado")
    if asked is not None:
        return asked
    if available(Toolchain.OPENXC7) and not available(Toolchain.VIVADO) and family is Family.ZYNQ_7000:
        return Toolchain.OPENXC7
    return Toolchain.VIVADO


def missing(toolchain: Toolchain) -> list[str]:
    """What the toolchain lacks, each with where it comes from; empty when it can run."""
    if toolchain is Toolchain.VIVADO:
        return [] if available(toolchain) else ["vivado is not on PATH (AMD's Vivado ML Standard serves this part)"]
    lacking = [] if available(toolchain) else ["neither nextpnr-xilinx nor nextpnr-himbaechel is on PATH (openXC7)"]
    lacking += [f"{name} is not on PATH (Project X-Ray)" for name in openxc7.XRAY_TOOLS if not shutil.which(name)]
    return lacking + openxc7.missing_settings()


def missing_any(toolchain: Toolchain, family: Family) -> list[str]:
    """The same where no toolchain was asked for: every one that would serve the part is named."""
    if available(toolchain) or family is not Family.ZYNQ_7000:
        return missing(toolchain)
    return [
        "neither vivado (AMD's Vivado ML Standard serves this part) nor nextpnr-xilinx or nextpnr-himbaechel (openXC7) "
        "is on PATH"
    ]
