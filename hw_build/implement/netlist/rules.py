"""What a netlist of cells must be before it is handed on: one driver a wire, no pin of another width, no input open.

An input may hang, or be unknown, only where its cell does not look at it; what a tool would tie it to is then the same.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.implement.netlist.wires import CONSTANTS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# the processing system's ports that the shell uses: their inputs must be driven. Those of others are tied to ground by
# nextpnr and Vivado alike.
_USED_OF_PROCESSOR = re.compile(r"(MAXIGP0|SAXIHP0|SAXIGP2)[A-Z0-9]+|IRQF2P|PLPSIRQ0|FPGAIDLEN")
_SECOND_PORT, _ITS_CLOCK = re.compile(r"SAXIHP1[A-Z0-9]+"), "SAXIHP1ACLK"  # used where it has a clock
# pin of a DSP48E1 -> the registers that it steers, and how many stages they must have for it to do so (Xilinx UG479)
_STEERS = {
    "CEA1": (("AREG",), 2), "CEB1": (("BREG",), 2), "RSTD": (("DREG", "ADREG"), 1),
    **dict.fromkeys(("CECTRL", "RSTCTRL"), (("OPMODEREG", "CARRYINSELREG"), 1)),
    **dict.fromkeys(("CECARRYIN", "RSTALLCARRYIN"), (("CARRYINREG",), 1)),
    **dict.fromkeys(("CEA2", "RSTA"), (("AREG",), 1)), **dict.fromkeys(("CEB2", "RSTB"), (("BREG",), 1)),
    **{f"{way}{name}": ((f"{name}REG",), 1) for name in ("C", "M", "P", "INMODE", "ALUMODE") for way in ("CE", "RST")},
    **{f"CE{name}": ((f"{name}REG",), 1) for name in ("D", "AD")},
}  # fmt: skip
# where such a register is there, these steer it, too, as long as other pins may have this value ("-": any)
_STEERS_WHERE = {
    "CEA1": ("AREG", "INMODE", "----1"), "CEB1": ("BREG", "INMODE", "1----"),
    "RSTALLCARRYIN": ("MREG", "CARRYINSEL", "110"),
}  # fmt: skip
# these it looks at only where other pins may have this value
_CASCADED_WHERE = {"CARRYCASCIN": ("CARRYINSEL", "010"), "MULTSIGNIN": ("OPMODE", "1001000")}
_CASCADES_OF_MEMORY = ("CASCADEINA", "CASCADEINB")
_ONLY_WITH_ECC = ("INJECTSBITERR", "INJECTDBITERR")


def check_netlist(modules: Mapping[str, Any], top: str) -> None:
    """The module ``top`` of Yosys' JSON, flat, beside the declarations of its cells.

    Raises:
        BuildError: a wire without a driver or with two, an input that is open, a pin of another width: names cell, pin.
    """
    cells = modules[top]["cells"]
    for name, cell in cells.items():
        if cell["type"] not in modules:  # Yosys does not say which of its pins are inputs
            raise _not_whole(top, name, cell, "no such cell is known")
    drivers: Counter[Any] = Counter(
        bit for cell in cells.values() for port, bits in cell["connections"].items() if not _is_input(cell, port)
        for bit in bits
    )  # fmt: skip
    for port in modules[top]["ports"].values():
        drivers.update(port["bits"] if port["direction"] == "input" else ())
    read = {bit for cell in cells.values() for port, bits in cell["connections"].items() if _is_input(cell, port)
            for bit in bits}  # fmt: skip
    read.update(bit for port in modules[top]["ports"].values() if port["direction"] == "output" for bit in port["bits"])
    for name, cell in cells.items():
        for fault in _faults(cell, modules[cell["type"]], drivers, read):
            raise _not_whole(top, name, cell, fault)


def _not_whole(top: str, name: str, cell: Mapping[str, Any], fault: str) -> BuildError:
    return BuildError(f"the netlist of {top} is not whole: {cell['type']} '{name}': {fault}")


def _faults(
    cell: Mapping[str, Any], module: Mapping[str, Any], drivers: Mapping[Any, int], read: set[Any]
) -> Iterator[str]:
    pins = cell["connections"]
    for port in sorted(pins.keys() - module["ports"].keys()):
        yield f"it has no pin {port}"
    for port, declared in module["ports"].items():
        bits, width = pins.get(port, []), len(declared["bits"])
        if bits and len(bits) != width:
            yield f"{len(bits)} wires at pin {port} of {width} bits"
        several = [bit for bit in bits if drivers[bit] > 1 and bit not in CONSTANTS]
        if several:
            yield f"{drivers[several[0]]} cells drive a wire at its pin {port}"
        if declared["direction"] == "input" and not _is_blind(cell, port, read):
            if not bits:
                yield f"nothing is connected to its input {port}"
            loose = (place for place, bit in enumerate(bits) if _is_loose(bit, drivers))
            if not all(_is_unread(cell, port, place, read) for place in loose):
                yield f"nobody drives all bits of its input {port}"


def _is_blind(cell: Mapping[str, Any], port: str, read: set[Any]) -> bool:
    """Whether the cell, with its parameters and the outputs that are read, does not look at its input ``port``."""
    kind = cell["type"]
    if kind in ("PS7", "PS8"):
        clock = cell["connections"].get(_ITS_CLOCK, [])
        second = _SECOND_PORT.fullmatch(port) and any(bit not in CONSTANTS for bit in clock)
        return not (_USED_OF_PROCESSOR.fullmatch(port) or second)
    if kind == "DSP48E1":
        return _is_blind_dsp(cell, port)
    if kind in ("RAMB18E1", "RAMB36E1"):
        extends = cell["parameters"].get(f"RAM_EXTENSION_{port[-1]}", "NONE") != "NONE"
        corrects = cell["parameters"].get("EN_ECC_WRITE", "FALSE") != "FALSE"
        return (port in _CASCADES_OF_MEMORY and not extends) or (port in _ONLY_WITH_ECC and not corrects)
    bits = cell["connections"].get(port) or range(2)  # of a memory in LUTs at most
    return all(_is_unread(cell, port, place, read) for place in range(len(bits)))


def _is_loose(bit: Any, drivers: Mapping[Any, int]) -> bool:
    return bit in UNKNOWN or (bit not in CONSTANTS and not drivers[bit])


def _is_unread(cell: Mapping[str, Any], port: str, place: int, read: set[Any]) -> bool:
    """Whether bit ``place`` of ``port`` is written into a memory in LUTs at a bit that nobody reads."""
    if cell["type"] not in ("RAM32M", "RAM64M") or not re.fullmatch("DI[A-D]", port):
        return False
    outputs = cell["connections"].get(port.replace("DI", "DO"), ())
    return place >= len(outputs) or outputs[place] not in read


def _is_blind_dsp(cell: Mapping[str, Any], port: str) -> bool:
    if port in _CASCADED_WHERE:
        return not _can_be(cell, *_CASCADED_WHERE[port])
    if port not in _STEERS:
        return False
    registers, stages = _STEERS[port]
    register, pins, value = _STEERS_WHERE.get(port, ("", "", ""))
    steers = any(_stages(cell, register) >= stages for register in registers)
    return not steers and not (register and _stages(cell, register) and _can_be(cell, pins, value))


def _can_be(cell: Mapping[str, Any], pins: str, value: str) -> bool:
    """Whether no constant at ``pins`` keeps them from ``value`` (highest bit first, "-" for either)."""
    if "1" in str(cell["parameters"].get(f"IS_{pins}_INVERTED", "0")):
        return True
    bits = cell["connections"].get(pins, [])
    return all(wanted == "-" or bit == wanted or bit not in ("0", "1")
               for bit, wanted in zip(bits, reversed(value), strict=False))  # fmt: skip


def _stages(cell: Mapping[str, Any], register: str) -> int:
    """Stages of a DSP48E1's registers ``register``; its parameters are numbers in base 2, one by default."""
    return int(str(cell["parameters"].get(register, "1")), 2)


def _is_input(cell: Mapping[str, Any], port: str) -> bool:
    return cell["port_directions"][port] == "input"
