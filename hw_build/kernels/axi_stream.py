"""The AXI-Stream wrapper of a kernel's core, written from the header of the core's SystemVerilog.

A core takes one stream ``x``, or two, ``a`` and ``b``, and gives one, ``y``: each is NAME_data, NAME_valid, NAME_ready.
Where it gives the same data to several readers, y_valid and y_ready have a bit for each. It has clk and rst_n where it
has registers.

The wrapper has the same parameters, ports s_axis (s0_axis, s1_axis) and m_axis (m0_axis, m1_axis, ...) as wide as the
core's, and a buffer of two beats: behind the core, so that it may take y_ready, a register's output, as its enable, or
before it where there are several readers. No tready follows an m_axis_tready combinationally. A core that is buffered
inside has the AXI-Stream ports itself, and needs no wrapper.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

BUFFER = "stream/stream_fifo2.sv"  # below hw_build/rtl
_HEADER = re.compile(
    r"^module (?P<name>\w+)(?: #\(\n(?P<parameters>.*?)^\))? \(\n(?P<ports>.*?)^\);", re.MULTILINE | re.DOTALL
)
_PARAMETER = re.compile(r"^ *parameter\b[^=\n]*?(\w+) *=", re.MULTILINE)
_PORT = re.compile(r"^ *(?:input|output) +(?:wire +)?logic +(\[[^\n]*\])? *(\w+) *(?:,|//|$)", re.MULTILINE)
_INPUTS = (("x",), ("a", "b"))
_WIRES = ("data", "valid", "ready")
Wires = tuple[str, str, str]  # names of data, valid and ready


@dataclass(frozen=True, kw_only=True)
class Core:
    """What the header of a module says: the text of its parameters, their names, its ports' ranges ('' for a bit)."""

    module: str
    parameters: str
    names: tuple[str, ...]
    ports: dict[str, str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Its streams in; none where it is no core of a kernel."""
        return next((streams for streams in _INPUTS if self._has(*streams, "y")), ())

    @property
    def needs_wrapper(self) -> bool:
        """Whether it has no AXI-Stream ports itself."""
        return "m_axis_tdata" not in self.ports

    @property
    def forks(self) -> bool:
        """Whether it has several readers."""
        return bool(self.ports["y_valid"])

    def _has(self, *streams: str) -> bool:
        return all(f"{stream}_{wire}" in self.ports for stream in streams for wire in _WIRES)


def read_core(path: Path) -> Core:
    """The header of the module in ``path``.

    Raises:
        BuildError: there is no module of the file's name, in the form that all RTL here has.
    """
    found = _HEADER.search(path.read_text())
    if found is None or found["name"] != path.stem:
        raise BuildError(f"{path}: the header of module {path.stem} cannot be read; write it as the other kernels' are")
    parameters = found["parameters"] or ""
    return Core(
        module=path.stem,
        parameters=parameters,
        names=tuple(_PARAMETER.findall(parameters)),
        ports={name: bits for bits, name in _PORT.findall(found["ports"])},
    )


def input_prefixes(count: int) -> list[str]:
    """Prefixes of the AXI-Stream ports of ``count`` streams in."""
    return _numbered("s", count)


def output_prefixes(count: int) -> list[str]:
    """Prefixes of the AXI-Stream ports of ``count`` readers."""
    return _numbered("m", count)


def wrapper(core: Core, readers: int = 1) -> tuple[str, str]:
    """(name, text) of the module around ``core``.

    Raises:
        BuildError: it is no core.
    """
    if not core.inputs:
        raise BuildError(
            f"{core.module}.sv: {core.module} has no streams x, or a and b, and y, so that it has no wrapper"
        )
    sinks = {
        stream: _axis(prefix) for stream, prefix in zip(core.inputs, input_prefixes(len(core.inputs)), strict=True)
    }
    sources = [_axis(prefix) for prefix in output_prefixes(readers)]
    ports = ["    input  wire logic ap_clk", "    input  wire logic ap_rst_n"]
    for stream, axis in sinks.items():
        ports += _ports(axis, core.ports[f"{stream}_data"], forth="input  wire", back="output     ")
    for axis in sources:
        ports += _ports(axis, core.ports["y_data"], forth="output     ", back="input  wire")

    joined = dict(sinks)  # the core's streams -> what they are connected to
    if not core.forks:
        body, buffers = _declared("y", core), [_buffer("y", source=_signals("y"), sink=sources[0])]
        joined["y"] = _signals("y")
    else:
        body, buffers = [f"  logic {core.ports['y_data']} y_data;"], []
        body += [f"  assign {axis[0]} = y_data;" for axis in sources]
        joined["y"] = ("y_data", _together(axis[1] for axis in sources), _together(axis[2] for axis in sources))
        for stream, axis in sinks.items():
            body += _declared(stream, core)
            buffers.append(_buffer(stream, source=axis, sink=_signals(stream)))
            joined[stream] = _signals(stream)
    clocking = {name: f"ap_{name}" for name in ("clk", "rst_n") if name in core.ports}
    streams = {f"{name}_{wire}": to for name in joined for wire, to in zip(_WIRES, joined[name], strict=True)}
    module = f"{core.module}{readers if readers > 1 else ''}_axi"
    parts = [
        f"// {core.module} with AXI-Stream ports and a buffer, written from the header of {core.module}.sv.",
        "`default_nettype none",
        f"module {module} #(\n{core.parameters}) (" if core.names else f"module {module} (",
        ",\n".join(ports),
        ");",
        *body,
        _instance(core.module, "core", {name: name for name in core.names}, clocking | streams),
        *buffers,
        "endmodule",
        "`default_nettype wire",
    ]
    return module, "\n".join(parts) + "\n"


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}_axis"] if count == 1 else [f"{letter}{i}_axis" for i in range(count)]


def _axis(prefix: str) -> Wires:
    return f"{prefix}_tdata", f"{prefix}_tvalid", f"{prefix}_tready"


def _signals(stream: str) -> Wires:
    return f"{stream}_data", f"{stream}_valid", f"{stream}_ready"


def _together(wires: Iterable[str]) -> str:
    """The first at bit 0."""
    return f"{{{', '.join(reversed(list(wires)))}}}"


def _ports(axis: Wires, bits: str, *, forth: str, back: str) -> list[str]:
    data, valid, ready = axis
    return [f"    {forth} logic {bits} {data}", f"    {forth} logic {valid}", f"    {back} logic {ready}"]


def _declared(stream: str, core: Core) -> list[str]:
    """The signals of ``stream`` on the core's side."""
    data, valid, ready = _signals(stream)
    return [f"  logic {core.ports[data]} {data};", f"  logic {valid}, {ready};"]


def _buffer(stream: str, *, source: Wires, sink: Wires) -> str:
    """A buffer of two beats on the way of ``stream``."""
    sides = [f"{side}_{wire}" for side in ("in", "out") for wire in _WIRES]
    connections = {"clk": "ap_clk", "rst_n": "ap_rst_n"} | dict(zip(sides, source + sink, strict=True))
    return _instance(Path(BUFFER).stem, f"{stream}_buffer", {"DATA_BITS": f"$bits({stream}_data)"}, connections)


def _instance(module: str, name: str, parameters: dict[str, str], connections: dict[str, str]) -> str:
    overrides = f" #(\n{_bound(parameters)}\n  )" if parameters else ""
    return f"  {module}{overrides} {name} (\n{_bound(connections)}\n  );"


def _bound(pairs: dict[str, str]) -> str:
    return ",\n".join(f"      .{name}({value})" for name, value in pairs.items())
