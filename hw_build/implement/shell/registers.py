"""The register description ``registers.toml`` and the three files written from it.

``python -m hw_build.implement.shell.registers`` writes ``board/registers.py``, ``board/c/edgeseg_registers.h`` and
``hw_build/rtl/shell/edgeseg_registers_pkg.sv``; a test writes them again and compares.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le

from hw_build.base.errors import ConfigError, EdgesegError
from hw_build.base.records import as_record, record
from hw_build.base.toml_file import read_table

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIPTION = Path(__file__).with_name("registers.toml")
ROOT = Path(__file__).resolve().parents[3]
WINDOW_BYTES = 4096
NOTICE = (
    "Generated from hw_build/implement/shell/registers.toml by `python -m hw_build.implement.shell.registers`: "
    "edit that file."
)
Access = Literal["ro", "rw", "w1c", "cor", "w1s"]


@record
class Field:
    """One bit of a register."""

    name: str
    bit: Annotated[int, Ge(0), Le(31)]
    access: Access
    doc: str


@record
class Register:
    """A 32-bit register: either its fields or the whole word has an access."""

    name: str
    offset: int
    doc: str
    access: Access | None = None
    value: int | None = None
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        if self.offset % 4 or not 0 <= self.offset < WINDOW_BYTES:
            raise ValueError(f"register {self.name}: offset must be a multiple of 4 below {WINDOW_BYTES}")
        if not self.fields and self.access is None:
            raise ValueError(f"register {self.name} has neither an access nor fields")
        if self.fields and self.access is not None:
            raise ValueError(f"register {self.name} has fields, which have an access each; give it none of its own")
        if len({field.bit for field in self.fields}) < len(self.fields):
            raise ValueError(f"register {self.name}: two fields share a bit")

    @property
    def writable(self) -> bool:
        """Whether a write has an effect on any bit."""
        return any(access in ("rw", "w1c", "w1s") for access in (self.access, *(f.access for f in self.fields)))


@record
class _Description:
    register: tuple[Register, ...]


def read_registers(path: Path = DESCRIPTION) -> tuple[Register, ...]:
    """All registers, in the order of their offsets; ConfigError where the description is wrong."""
    try:
        registers = as_record(_Description, read_table(path, "register description")).register
    except ValueError as error:
        raise ConfigError(f"register description '{path}' is wrong ({error}); correct it") from None
    offsets = [register.offset for register in registers]
    names = {register.name for register in registers}
    if offsets != sorted(set(offsets)) or len(names) < len(registers):
        raise ConfigError(f"register description '{path}': offsets must ascend and names differ; correct it")
    return registers


def python_text(registers: tuple[Register, ...]) -> str:
    """``board/registers.py``: offsets, masks of the fields, and a table of all for those who list them."""
    lines = [
        '"""Registers of the accelerator\'s shell: byte offsets, and masks of their fields.',
        "",
        NOTICE,
        '"""',
        "",
    ]
    for register in registers:
        lines.append(f"# {register.doc}")
        lines.append(f"{register.name} = 0x{register.offset:02X}")
        if register.value is not None:
            lines.append(f"{register.name}_VALUE = 0x{register.value:08X}")
        lines += [f"{register.name}_{f.name} = 1 << {f.bit}  # {f.access}: {f.doc}" for f in register.fields]
    lines += ["", "# name -> (offset, may be written, meaning, ((field, bit, access, meaning), ...))", "REGISTERS = {"]
    for register in registers:
        fields = "".join(f"{(f.name, f.bit, f.access, f.doc)!r}, " for f in register.fields)
        lines.append(
            f"    {register.name!r}: ({register.offset}, {register.writable}, {register.doc!r}, ({fields.strip()})),"
        )
    lines += ["}", ""]
    return "\n".join(lines)


def c_text(registers: tuple[Register, ...]) -> str:
    """``edgeseg_registers.h``: the same offsets and masks with the prefix EDGESEG_."""
    lines = [
        "/* Registers of the accelerator's shell: byte offsets, and masks of their fields.",
        f" * {NOTICE} */",
        "#ifndef EDGESEG_REGISTERS_H",
        "#define EDGESEG_REGISTERS_H",
    ]
    for register in registers:
        lines += ["", f"/* {register.doc} */", f"#define EDGESEG_{register.name} 0x{register.offset:02X}u"]
        if register.value is not None:
            lines.append(f"#define EDGESEG_{register.name}_VALUE 0x{register.value:08X}u")
        lines += [
            f"#define EDGESEG_{register.name}_{f.name} (1u << {f.bit}) /* {f.access}: {f.doc} */"
            for f in register.fields
        ]
    lines += ["", "#endif", ""]
    return "\n".join(lines)


def systemverilog_text(registers: tuple[Register, ...]) -> str:
    """``edgeseg_registers_pkg.sv``: word-aligned offsets and bit numbers of the fields."""
    lines = [
        "// Registers of the shell: byte offsets (name), bit numbers of their fields (name_FIELD), constant words.",
        f"// {NOTICE}",
        "package edgeseg_registers_pkg;",
        f"  localparam int unsigned WINDOW_BITS = {WINDOW_BYTES.bit_length() - 1};",
    ]
    for register in registers:
        lines += ["", f"  // {register.doc}", f"  localparam logic [11:0] {register.name} = 12'h{register.offset:03X};"]
        if register.value is not None:
            lines.append(f"  localparam logic [31:0] {register.name}_VALUE = 32'h{register.value:08X};")
        lines += [
            f"  localparam int unsigned {register.name}_{f.name} = {f.bit};  // {f.access}: {f.doc}"
            for f in register.fields
        ]
    lines += ["endpackage", ""]
    return "\n".join(lines)


GENERATED: dict[str, Callable[[tuple[Register, ...]], str]] = {
    "board/registers.py": python_text,
    "board/c/edgeseg_registers.h": c_text,
    "hw_build/rtl/shell/edgeseg_registers_pkg.sv": systemverilog_text,
}


def main() -> int:
    """Write all three files."""
    try:
        registers = read_registers()
        for name, text in GENERATED.items():
            partial = ROOT / f"{name}.partial"
            partial.write_text(text(registers), encoding="utf-8")
            partial.replace(ROOT / name)
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
