"""The hardware handoff file that pynq reads beside a bitstream: the processing system and the accelerator's registers.

pynq takes from it the programmable clocks (set before the bitstream is loaded), the address of the registers, and
their names. Vivado writes such a file for block designs; this design has none, so it is written here, with what pynq
3.0 to 4.0 look at and no more.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from board.registers import REGISTERS
from hw_build.board_config import Family
from hw_build.errors import ConfigError
from hw_build.shell.generate import Shell

IP_NAME = "edgeseg_0"
IP_VLNV = "edgeseg:user:edgeseg:1.0"  # board.driver finds the accelerator by it
_PS_NAME = "processing_system7_0"
_CONTROL = "S_AXI_CTRL"
_CONTROL_PORT = "M_AXI_GP0"
_IO_PLL_MHZ = 1000.0  # what the boot loaders of the Zynq-7000 boards set
_DIVISOR_LIMIT = 64  # 6 bits
_CLOCKS = range(4)
_ACCESS = {"ro": "read-only", "cor": "read-only"}


def hwh_text(shell: Shell) -> str:
    """The file for an accelerator in ``shell``.

    Raises:
        ConfigError: the processing system is no Zynq-7000, or its clock cannot be divided down to the shell's.
    """
    if shell.family != Family.ZYNQ_7000:
        raise ConfigError(f"no .hwh is written for {shell.family} yet, only for {Family.ZYNQ_7000}; take another board")
    root = Element("EDKSYSTEMINFO", EDWVERSION="1.2")
    SubElement(root, "SYSTEMINFO", ARCH="zynq", DEVICE=shell.part, NAME="edgeseg")
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _processing_system(modules, shell)
    _accelerator(modules, shell.window_bytes)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def clock_divisors(mhz: float) -> tuple[int, int]:
    """Two divisors of the 1000 MHz I/O PLL for at most ``mhz``, as near as they come.

    Raises:
        ConfigError: ``mhz`` is below what two divisors of 6 bits reach.
    """
    pairs = ((a, b) for a in range(1, _DIVISOR_LIMIT) for b in range(1, _DIVISOR_LIMIT) if _IO_PLL_MHZ / (a * b) <= mhz)
    best = min(pairs, key=lambda pair: (pair[0] * pair[1], pair[1]), default=None)
    if best is None:
        raise ConfigError(f"no divisors give a fabric clock of {mhz} MHz; raise fabric_mhz")
    return best


def _processing_system(modules: Element, shell: Shell) -> None:
    module = _module(modules, _PS_NAME, "processing_system7", "xilinx.com:ip:processing_system7:5.5")
    module.set("IS_PL", "FALSE")  # by this, not by MODTYPE, pynq 3 knows the processing system
    first, second = clock_divisors(shell.fabric_mhz)
    actual_mhz = f"{_IO_PLL_MHZ / (first * second):.6f}"
    parameters = SubElement(module, "PARAMETERS")
    values = {
        # pynqmetadata 0.2.0 (pynq 4.0.0) looks for UltraScale+'s name on Zynq-7000 too, and stops without it
        "PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ": actual_mhz,
    }
    for clock in _CLOCKS:
        used = clock == 0
        values[f"PCW_FPGA_FCLK{clock}_ENABLE"] = str(int(used))
        values[f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC"] = "IO PLL"
        values[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR0"] = str(first if used else 1)
        values[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR1"] = str(second if used else 1)
        values[f"PCW_ACT_FPGA{clock}_PERIPHERAL_FREQMHZ"] = actual_mhz if used else "10.000000"
    for name, value in values.items():
        SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
    _bus(module, _CONTROL_PORT, "MASTER")
    base = shell.system.control_base
    SubElement(
        SubElement(module, "MEMORYMAP"),
        "MEMRANGE",
        ADDRESSBLOCK="registers",
        BASEVALUE=f"0x{base:08X}",
        HIGHVALUE=f"0x{base + shell.window_bytes - 1:08X}",
        INSTANCE=IP_NAME,
        MASTERBUSINTERFACE=_CONTROL_PORT,
        MEMTYPE="REGISTER",
        SLAVEBUSINTERFACE=_CONTROL,
    )


def _accelerator(modules: Element, window_bytes: int) -> None:
    module = _module(modules, IP_NAME, "edgeseg", IP_VLNV)
    block = SubElement(
        SubElement(module, "ADDRESSBLOCKS"),
        "ADDRESSBLOCK",
        ACCESS="read-write",
        INTERFACE=_CONTROL,
        NAME="registers",
        RANGE=str(window_bytes),
        USAGE="register",
    )
    registers = SubElement(block, "REGISTERS")
    for name, (offset, writable, meaning, fields) in REGISTERS.items():
        register = SubElement(registers, "REGISTER", NAME=name)
        _properties(
            register,
            DESCRIPTION=meaning,
            ADDRESS_OFFSET=f"0x{offset:X}",
            SIZE="32",
            ACCESS="read-write" if writable else "read-only",
            IS_ENABLED="true",
        )
        listed = SubElement(register, "FIELDS")
        for field, bit, access, doc in fields:
            _properties(
                SubElement(listed, "FIELD", NAME=field),
                DESCRIPTION=doc,
                BIT_OFFSET=str(bit),
                BIT_WIDTH="1",
                ACCESS=_ACCESS.get(access, "read-write"),
            )
    SubElement(module, "PARAMETERS")
    _bus(module, _CONTROL, "SLAVE")


def _module(modules: Element, name: str, kind: str, vlnv: str) -> Element:
    return SubElement(
        modules, "MODULE", FULLNAME=f"/{name}", INSTANCE=name, IPTYPE="PERIPHERAL", MODTYPE=kind, VLNV=vlnv
    )


def _bus(module: Element, name: str, role: str) -> None:
    SubElement(
        SubElement(module, "BUSINTERFACES"),
        "BUSINTERFACE",
        NAME=name,
        TYPE=role,
        VLNV="xilinx.com:interface:aximm:1.0",
        DATAWIDTH="32",
    )


def _properties(element: Element, **values: str) -> None:
    for name, value in values.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=value)
