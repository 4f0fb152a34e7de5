"""``component.xml``: the core as IP-XACT (IEEE 1685-2009) describes it, with the names that Vivado's catalog looks for.

The order of elements is part of the standard. Vivado's own are the bus definitions (``xilinx.com:interface:axis``,
``aximm``; ``xilinx.com:signal:clock``, ``reset``), the views' environment identifiers and ``coreExtensions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hw_build.base.board_config import Family
from hw_build.implement.ip.core import CLOCK, CONTROL, CORE_MODULE, PIXELS, RESET_N, WORDS, Port
from hw_build.implement.shell.registers import WINDOW_BYTES, Register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
VENDOR, LIBRARY, VERSION = "edgeseg", "user", "1.0"
XGUI = f"xgui/{CORE_MODULE}_v1_0.tcl"
XGUI_TEXT = 'proc init_gui { IPINST } {\n  ipgui::add_param $IPINST -name "Component_Name"\n}\n'
BLOCK = "registers"
_FAMILIES = {Family.ZYNQ_7000: "zynq", Family.ZYNQ_ULTRASCALE: "zynquplus"}
_SYNTHESIS, _SIMULATION, _GUI = "xilinx_anylanguagesynthesis", "xilinx_anylanguagebehavioralsimulation", "xilinx_xpgui"
_FILE_TYPES = {".sv": "systemVerilogSource", ".v": "verilogSource"}

for _prefix, _namespace in (("spirit", SPIRIT), ("xilinx", XILINX)):
    ElementTree.register_namespace(_prefix, _namespace)


@dataclass(frozen=True, kw_only=True)
class Component:
    """What the file tells: ports, registers with the constant each reads (None: it varies), sources in compile order.

    ``sources`` are relative to the file.
    """

    family: Family
    description: str
    ports: tuple[Port, ...]
    registers: Mapping[Register, int | None]
    sources: Sequence[str]

    def text(self) -> str:
        """The whole file."""
        root = _element(
            "component",
            *_identifier(CORE_MODULE),
            _element("busInterfaces", *self._buses()),
            _element("memoryMaps", self._memory_map()),
            _element("model", self._views(), _element("ports", *map(_port, self.ports))),
            _element("fileSets", *self._file_sets()),
            _element("description", self.description),
            _element("parameters", _parameter("Component_Name", f"{CORE_MODULE}_v1_0", "PARAM_VALUE.Component_Name")),
            self._extensions(),
        )
        ElementTree.indent(root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"

    def _buses(self) -> list[Element]:
        control = _element("slave", _element("memoryMapRef", memoryMapRef=CONTROL))
        tdata_bytes = {port.bus: str(port.bits // 8) for port in self.ports if port.logical == "TDATA"}
        clocked = {"ASSOCIATED_BUSIF": ":".join((CONTROL, PIXELS, WORDS)), "ASSOCIATED_RESET": RESET_N}
        return [
            self._bus(CONTROL, "interface", "aximm", control, {"PROTOCOL": "AXI4LITE"}),
            self._bus(PIXELS, "interface", "axis", _element("slave"), {"TDATA_NUM_BYTES": tdata_bytes[PIXELS]}),
            self._bus(WORDS, "interface", "axis", _element("master"), {"TDATA_NUM_BYTES": tdata_bytes[WORDS]}),
            _bus(CLOCK, "signal", "clock", _element("slave"), {"CLK": CLOCK}, clocked),
            _bus(RESET_N, "signal", "reset", _element("slave"), {"RST": RESET_N}, {"POLARITY": "ACTIVE_LOW"}),
        ]

    def _bus(self, name: str, library: str, kind: str, role: Element, parameters: Mapping[str, str]) -> Element:
        return _bus(name, library, kind, role, {p.logical: p.name for p in self.ports if p.bus == name}, parameters)

    def _memory_map(self) -> Element:
        return _element(
            "memoryMap",
            _element("name", CONTROL),
            _element(
                "addressBlock",
                _element("name", BLOCK),
                _element("baseAddress", "0", format="long"),
                _element("range", str(WINDOW_BYTES), format="long"),
                _element("width", "32", format="long"),
                _element("usage", "register"),
                _element("access", "read-write"),
                *(_register(register, constant) for register, constant in self.registers.items()),
            ),
        )

    def _views(self) -> Element:
        views = [
            _element(
                "view",
                _element("name", name),
                _element("displayName", shown),
                _element("envIdentifier", f":vivado.xilinx.com:{purpose}"),
                _element("language", "Verilog"),
                _element("modelName", CORE_MODULE),
                _element("fileSetRef", _element("localName", f"{name}_view_fileset")),
            )
            for name, shown, purpose in (
                (_SYNTHESIS, "Synthesis", "synthesis"),
                (_SIMULATION, "Simulation", "simulation"),
            )
        ]
        gui = _element(
            "view",
            _element("name", _GUI),
            _element("displayName", "UI Layout"),
            _element("envIdentifier", ":vivado.xilinx.com:xgui.ui"),
            _element("fileSetRef", _element("localName", f"{_GUI}_view_fileset")),
        )
        return _element("views", *views, gui)

    def _file_sets(self) -> list[Element]:
        files = [(name, _FILE_TYPES[name[name.rindex(".") :]]) for name in self.sources]
        listed = {_SYNTHESIS: files, _SIMULATION: files, _GUI: [(XGUI, "tclSource")]}
        return [
            _element(
                "fileSet",
                _element("name", f"{view}_view_fileset"),
                *(_element("file", _element("name", name), _element("fileType", kind)) for name, kind in content),
            )
            for view, content in listed.items()
        ]

    def _extensions(self) -> Element:
        core = Element(f"{{{XILINX}}}coreExtensions")
        families = ElementTree.SubElement(core, f"{{{XILINX}}}supportedFamilies")
        family = ElementTree.SubElement(families, f"{{{XILINX}}}family", {f"{{{XILINX}}}lifeCycle": "Production"})
        family.text = _FAMILIES[self.family]
        taxonomies = ElementTree.SubElement(core, f"{{{XILINX}}}taxonomies")
        for parent, name, text in (
            (taxonomies, "taxonomy", "/UserIP"),
            (core, "displayName", CORE_MODULE),
            (core, "definitionSource", "package_project"),
            (core, "coreRevision", "1"),
        ):
            ElementTree.SubElement(parent, f"{{{XILINX}}}{name}").text = text
        return _element("vendorExtensions", core)


def _element(tag: str, /, *content: Element | str, **attributes: str) -> Element:
    """An element of the standard; ``content`` is its text or its children."""
    made = Element(f"{{{SPIRIT}}}{tag}", {f"{{{SPIRIT}}}{key}": value for key, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def _identifier(name: str) -> list[Element]:
    return [
        _element(key, value)
        for key, value in (("vendor", VENDOR), ("library", LIBRARY), ("name", name), ("version", VERSION))
    ]


def _parameter(name: str, value: str, identifier: str) -> Element:
    return _element("parameter", _element("name", name), _element("value", value, id=identifier))


def _bus(
    name: str, library: str, kind: str, role: Element, ports: Mapping[str, str], parameters: Mapping[str, str]
) -> Element:
    """A bus interface; ``ports`` maps logical names to ports of the core."""
    maps = (
        _element(
            "portMap",
            _element("logicalPort", _element("name", logical)),
            _element("physicalPort", _element("name", physical)),
        )
        for logical, physical in ports.items()
    )
    definition = {"vendor": "xilinx.com", "library": library, "version": "1.0"}
    return _element(
        "busInterface",
        _element("name", name),
        _element("busType", name=kind, **definition),
        _element("abstractionType", name=f"{kind}_rtl", **definition),
        role,
        _element("portMaps", *maps),
        _element(
            "parameters",
            *(_parameter(key, value, f"BUSIFPARAM_VALUE.{name.upper()}.{key}") for key, value in parameters.items()),
        ),
    )


def _port(port: Port) -> Element:
    vector = [_element("vector", *(_element(end, str(bit), format="long") for end, bit in _ends(port)))]
    kind = "std_logic_vector" if port.bits > 1 else "std_logic"
    views = (_element("viewNameRef", view) for view in (_SYNTHESIS, _SIMULATION))
    return _element(
        "port",
        _element("name", port.name),
        _element(
            "wire",
            _element("direction", port.direction),
            *(vector if port.bits > 1 else []),
            _element("wireTypeDefs", _element("wireTypeDef", _element("typeName", kind), *views)),
        ),
    )


def _ends(port: Port) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("left", port.bits - 1), ("right", 0)


def _register(register: Register, constant: int | None) -> Element:
    reset = [] if constant is None else [_element("reset", _element("value", f"0x{constant:08X}"))]
    fields = (
        _element(
            "field",
            _element("name", field.name),
            _element("bitOffset", str(field.bit)),
            _element("bitWidth", "1"),
            _element("access", "read-write"),
        )
        for field in register.fields
    )
    return _element(
        "register",
        _element("name", register.name),
        _element("description", register.doc),
        _element("addressOffset", f"0x{register.offset:X}"),
        _element("size", "32"),
        _element("access", "read-write" if register.writable else "read-only"),
        *reset,
        *fields,
    )
