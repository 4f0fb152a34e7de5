"""The rules of IEEE 1685-2009 that a packaged core must keep, written from the standard for the elements it may use.

Every problem is one sentence; a file without problems gives none.
"""

import re
from xml.etree import ElementTree

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
NAME = re.compile(r"[A-Za-z_:][\w:.\-]*")  # xs:Name, which identifies anything within a component
NUMBER = re.compile(r"[+-]?(0x[0-9a-fA-F]+|[0-9]+)")

# element -> its children in the order of the schema; ! must be there, * may be repeated
ORDER = {
    "component": "vendor! library! name! version! busInterfaces memoryMaps model fileSets description parameters "
    "vendorExtensions",
    "busInterfaces": "busInterface*",
    "busInterface": "name! description busType! abstractionType master slave portMaps parameters",
    "slave": "memoryMapRef",
    "master": "addressSpaceRef",
    "portMaps": "portMap*",
    "portMap": "logicalPort! physicalPort!",
    "logicalPort": "name! vector",
    "physicalPort": "name! vector",
    "memoryMaps": "memoryMap*",
    "memoryMap": "name! description addressBlock*",
    "addressBlock": "name! description baseAddress! range! width! usage volatile access parameters register*",
    "register": "name! description addressOffset! size! volatile access reset field*",
    "reset": "value! mask",
    "field": "name! description bitOffset! bitWidth! volatile access",
    "model": "views ports",
    "views": "view*",
    "view": "name! displayName description envIdentifier! language modelName fileSetRef* parameters",
    "fileSetRef": "localName!",
    "ports": "port*",
    "port": "name! description wire!",
    "wire": "direction! vector wireTypeDefs driver",
    "vector": "left! right!",
    "wireTypeDefs": "wireTypeDef*",
    "wireTypeDef": "typeName! viewNameRef*",
    "fileSets": "fileSet*",
    "fileSet": "name! description file*",
    "file": "name! fileType* userFileType*",
    "parameters": "parameter*",
    "parameter": "name! description value!",
}
VALUES = {
    "direction": {"in", "out", "inout", "phantom"},
    "usage": {"memory", "register", "reserved"},
    "access": {"read-only", "write-only", "read-write", "writeOnce", "read-writeOnce"},
    "fileType": {"verilogSource", "systemVerilogSource", "vhdlSource", "tclSource", "unknown"},
}
NUMBERS = ("baseAddress", "range", "width", "addressOffset", "size", "bitOffset", "bitWidth", "left", "right")
VLNV = ("vendor", "library", "name", "version")

# AMBA: signals of a bus as its slave drives (out) or takes (in) them, those it must have marked !
BUSES = {
    "axis": {"TVALID!": "in", "TREADY": "out", "TDATA": "in", "TLAST": "in", "TKEEP": "in"},
    "aximm": {
        **dict.fromkeys(("AWADDR!", "AWVALID!", "WDATA!", "WSTRB", "WVALID!", "BREADY!"), "in"),
        **dict.fromkeys(("ARADDR!", "ARVALID!", "RREADY!"), "in"),
        **dict.fromkeys(("AWREADY!", "WREADY!", "BRESP!", "BVALID!", "ARREADY!", "RDATA!", "RRESP!", "RVALID!"), "out"),
    },
    "clock": {"CLK!": "in"},
    "reset": {"RST!": "in"},
}


def tag(element):
    return element.tag.removeprefix(f"{{{SPIRIT}}}")


def texts(root, path):
    """Text of every element at ``path``, whose steps are names of the standard."""
    return [found.text for found in root.findall("/".join(f"{{{SPIRIT}}}{step}" for step in path.split("/")))]


def elements(root, name):
    return list(root.iter(f"{{{SPIRIT}}}{name}"))


def problems(text, folder):
    """What is wrong with ``component.xml`` of content ``text`` in ``folder``."""
    root = ElementTree.fromstring(text)
    found = [] if tag(root) == "component" else [f"root is {root.tag}"]
    return [*found, *_structure(root), *_names(root), *_references(root), *_buses(root), *_registers(root)] + [
        f"file {name} does not exist"
        for name in texts(root, "fileSets/fileSet/file/name")
        if not (folder / name).is_file()
    ]


def _structure(element):
    name = tag(element)
    if name in VALUES and element.text not in VALUES[name]:
        yield f"{name} is '{element.text}'"
    if name in NUMBERS and not NUMBER.fullmatch(element.text or ""):
        yield f"{name} is '{element.text}', no number"
    if name not in ORDER:
        if name != "vendorExtensions" and len(element):
            yield f"{name} has children, of which no rule is known"
        return
    rules = ORDER[name].split()
    known = [rule.rstrip("!*") for rule in rules]
    children = [tag(child) for child in element]
    for child in set(children) - set(known):
        yield f"{name} may not hold {child}"
    for rule, child in zip(rules, known, strict=True):
        if rule.endswith("!") and child not in children:
            yield f"{name} lacks {child}"
        if not rule.endswith("*") and children.count(child) > 1:
            yield f"{name} holds {child} twice"
    places = [known.index(child) for child in children if child in known]
    if places != sorted(places):
        yield f"{name} holds {', '.join(children)} in this order"
    for child in element:
        yield from _structure(child)


def _names(root):
    """Names are names, and each is unique where it must be."""
    for holder, kind in (
        *(("busInterfaces", "busInterface"), ("memoryMaps", "memoryMap"), ("views", "view"), ("ports", "port")),
        *(("fileSets", "fileSet"), ("addressBlock", "register"), ("register", "field"), ("parameters", "parameter")),
    ):
        for parent in elements(root, holder):
            names = texts(parent, f"{kind}/name")
            yield from (f"{kind} '{name}' is no name" for name in names if not NAME.fullmatch(name or ""))
            yield from (f"{kind} '{name}' stands twice" for name in set(names) if names.count(name) > 1)
    for reference in (*elements(root, "busType"), *elements(root, "abstractionType")):
        missing = [key for key in VLNV if not reference.get(f"{{{SPIRIT}}}{key}")]
        yield from (f"{tag(reference)} lacks {key}" for key in missing)


def _references(root):
    """Everything that is referred to exists."""
    for path, kind, holder in (
        ("model/views/view/fileSetRef/localName", "fileSet", "fileSets/fileSet/name"),
        ("model/ports/port/wire/wireTypeDefs/wireTypeDef/viewNameRef", "view", "model/views/view/name"),
        ("busInterfaces/busInterface/portMaps/portMap/physicalPort/name", "port", "model/ports/port/name"),
    ):
        for name in set(texts(root, path)) - set(texts(root, holder)):
            yield f"no {kind} '{name}'"
    maps = texts(root, "memoryMaps/memoryMap/name")
    for reference in elements(root, "memoryMapRef"):
        if reference.get(f"{{{SPIRIT}}}memoryMapRef") not in maps:
            yield f"no memoryMap '{reference.get(f'{{{SPIRIT}}}memoryMapRef')}'"
    buses = texts(root, "busInterfaces/busInterface/name")
    for parameter in elements(root, "parameter"):
        (name,), (value,) = texts(parameter, "name"), texts(parameter, "value")
        if name in ("ASSOCIATED_BUSIF", "ASSOCIATED_RESET"):
            yield from (f"{name} names no bus interface '{bus}'" for bus in value.split(":") if bus not in buses)


def _buses(root):
    """Every signal that a bus must have is there, in its direction; every port belongs to exactly one bus."""
    directions = {
        name: direction
        for port in elements(root, "port")
        for name, direction in zip(texts(port, "name"), texts(port, "wire/direction"), strict=True)
    }
    mapped = texts(root, "busInterfaces/busInterface/portMaps/portMap/physicalPort/name")
    yield from (f"port {name} is on {mapped.count(name)} buses" for name in directions if mapped.count(name) != 1)
    for bus in elements(root, "busInterface"):
        (name,) = texts(bus, "name")
        signals = BUSES[bus.find(f"{{{SPIRIT}}}busType").get(f"{{{SPIRIT}}}name")]
        flipped = bus.find(f"{{{SPIRIT}}}master") is not None
        ports = dict(
            zip(
                texts(bus, "portMaps/portMap/logicalPort/name"),
                texts(bus, "portMaps/portMap/physicalPort/name"),
                strict=True,
            )
        )
        yield from (
            f"{name} lacks {signal[:-1]}" for signal in signals if signal[-1] == "!" and signal[:-1] not in ports
        )
        expected = {signal.rstrip("!"): (way == "in") != flipped for signal, way in signals.items()}
        for logical, physical in ports.items():
            if logical not in expected:
                yield f"{name} has no signal {logical}"
            elif expected[logical] != (directions.get(physical) == "in"):
                yield f"{name}: {logical} has the wrong direction"


def _registers(root):
    """Registers lie inside their block, on their size, without overlap; fields inside their register."""
    for block in elements(root, "addressBlock"):
        (window,) = (int(text, 0) for text in texts(block, "range"))
        offsets = [int(text, 0) for text in texts(block, "register/addressOffset")]
        sizes = [int(text, 0) // 8 for text in texts(block, "register/size")]
        if window & (window - 1) or window < 4096:
            yield f"range is {window}, must be a power of two from 4096"
        for offset, size in zip(offsets, sizes, strict=True):
            if offset % size or offset + size > window:
                yield f"a register of {size} bytes at {offset}"
        if len(set(offsets)) < len(offsets):
            yield "two registers at one offset"
    for register in elements(root, "register"):
        (bits,) = (int(text, 0) for text in texts(register, "size"))
        for field in elements(register, "field"):
            (low,), (width,) = texts(field, "bitOffset"), texts(field, "bitWidth")
            if int(low) + int(width) > bits:
                yield f"a field of {width} bits at {low}"
