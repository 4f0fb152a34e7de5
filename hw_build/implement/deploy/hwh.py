"""The hardware handoff file that pynq reads beside a bitstream: the processing system and the accelerator's registers.

pynq takes from it the programmable clocks (set before the bitstream is loaded), the address of the registers, and
their names. Vivado writes such a file for block designs; this design has none, so it is written here, with what pynq
3.0 to 4.0 look at and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from board.registers import REGISTERS
from hw_build.base.board_config import Family
from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from hw_build.implement.shell.around import Around

IP_VLNV = "edgeseg:user:edgeseg:1.0"  # board.driver finds the accelerator by it
_CONTROL = "S_AXI_CTRL"
_ULTRASCALE_FREQUENCY = "PSU__CRL_APB__PL{}_REF_CTRL__ACT_FREQMHZ"
_DIVISOR_LIMIT = 64  # 6 bits
_CLOCKS = range(4)
_ACCESS = {"ro": "read-only", "cor": "read-only"}


@dataclass(frozen=True, kw_only=True)
class _Processor:
    """What Vivado calls a processing system and its parameters; ``{}`` stands for the number of a clock.

    ``pll_mhz`` is the I/O PLL as PYNQ's boot loaders set it, ``widths`` the ports that pynq sets before use.
    """

    kind: str
    version: str
    control_port: str
    pll_mhz: float
    enable: str
    source: tuple[str, str]
    divisors: tuple[str, str]
    frequency: str
    widths: dict[str, str]


_PROCESSORS = {
    Family.ZYNQ_7000: _Processor(
        kind="processing_system7", version="5.5", control_port="M_AXI_GP0", pll_mhz=1000.0,
        enable="PCW_FPGA_FCLK{}_ENABLE", source=("PCW_FCLK{}_PERIPHERAL_CLKSRC", "IO PLL"),
        divisors=("PCW_FCLK{}_PERIPHERAL_DIVISOR0", "PCW_FCLK{}_PERIPHERAL_DIVISOR1"),
        frequency="PCW_ACT_FPGA{}_PERIPHERAL_FREQMHZ", widths={},
    ),
    Family.ZYNQ_ULTRASCALE: _Processor(
        kind="zynq_ultra_ps_e", version="3.4", control_port="M_AXI_HPM0_FPD", pll_mhz=1500.0,
        enable="PSU__FPGA_PL{}_ENABLE", source=("PSU__CRL_APB__PL{}_REF_CTRL__SRCSEL", "IOPLL"),
        divisors=("PSU__CRL_APB__PL{}_REF_CTRL__DIVISOR0", "PSU__CRL_APB__PL{}_REF_CTRL__DIVISOR1"),
        frequency=_ULTRASCALE_FREQUENCY, widths={"C_MAXIGP0_DATA_WIDTH": "32", "C_SAXIGP2_DATA_WIDTH": "64"},
    ),
}  # fmt: skip


def hwh_text(shell: Around) -> str:
    """The file for the accelerators in ``shell``, `ip_name` by name.

    Raises:
        ConfigError: the processor's clock cannot be divided down to the shell's.
    """
    processor = _PROCESSORS[Family(shell.family)]
    root = Element("EDKSYSTEMINFO", EDWVERSION="1.2")
    SubElement(root, "SYSTEMINFO", DEVICE=shell.part, NAME="edgeseg")
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _processing_system(modules, shell, processor)
    for number in range(len(shell.systems)):
        _accelerator(modules, ip_name(number), shell.window_bytes)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def ip_name(number: int) -> str:
    """Of accelerator ``number``; board.driver tells several by it."""
    return f"edgeseg_{number}"


def clock_divisors(mhz: float, pll_mhz: float) -> tuple[int, int]:
    """Two divisors of ``pll_mhz`` for at most ``mhz``, as near as they come.

    Raises:
        ConfigError: ``mhz`` is below what two divisors of 6 bits reach.
    """
    pairs = ((a, b) for a in range(1, _DIVISOR_LIMIT) for b in range(1, _DIVISOR_LIMIT) if pll_mhz / (a * b) <= mhz)
    best = min(pairs, key=lambda pair: (pair[0] * pair[1], pair[1]), default=None)
    if best is None:
        raise ConfigError(f"no divisors give a fabric clock of {mhz} MHz; raise fabric_mhz")
    return best


def _processing_system(modules: Element, shell: Around, processor: _Processor) -> None:
    vlnv = f"xilinx.com:ip:{processor.kind}:{processor.version}"
    module = _module(modules, f"{processor.kind}_0", processor.kind, vlnv)
    module.set("IS_PL", "FALSE")  # by this, not by MODTYPE, pynq 3 knows the processing system
    parameters = SubElement(module, "PARAMETERS")
    for name, value in _clock_parameters(shell.fabric_mhz, processor).items():
        SubElement(parameters, "PARAMETER", NAME=name, VALUE=value)
    for name, bits in processor.widths.items():
        SubElement(parameters, "PARAMETER", NAME=name, VALUE=bits)
    _bus(module, processor.control_port, "MASTER")
    memory_map = SubElement(module, "MEMORYMAP")
    for number, system in enumerate(shell.systems):
        SubElement(
            memory_map,
            "MEMRANGE",
            ADDRESSBLOCK="registers",
            BASEVALUE=f"0x{system.control_base:08X}",
            HIGHVALUE=f"0x{system.control_base + shell.window_bytes - 1:08X}",
            INSTANCE=ip_name(number),
            MASTERBUSINTERFACE=processor.control_port,
            MEMTYPE="REGISTER",
            SLAVEBUSINTERFACE=_CONTROL,
        )


def _clock_parameters(fabric_mhz: float, processor: _Processor) -> dict[str, str]:
    """Fabric clock 0 as the design is made for, the others off."""
    divisors = clock_divisors(fabric_mhz, processor.pll_mhz)
    actual_mhz = f"{processor.pll_mhz / (divisors[0] * divisors[1]):.6f}"
    values = {}
    for clock in _CLOCKS:
        used = clock == 0
        values[processor.enable.format(clock)] = str(int(used))
        values[processor.source[0].format(clock)] = processor.source[1]
        for name, divisor in zip(processor.divisors, divisors, strict=True):
            values[name.format(clock)] = str(divisor if used else 1)
        values[processor.frequency.format(clock)] = actual_mhz if used else "10.000000"
    # pynqmetadata 0.2.0 (pynq 4.0.0) looks for UltraScale+'s name on Zynq-7000 too, and stops without it
    values[_ULTRASCALE_FREQUENCY.format(0)] = actual_mhz
    return values


def _accelerator(modules: Element, name: str, window_bytes: int) -> None:
    module = _module(modules, name, "edgeseg", IP_VLNV)
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
    for each, (offset, writable, meaning, fields) in REGISTERS.items():
        register = SubElement(registers, "REGISTER", NAME=each)
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
