"""The generated sources around a design: `sim_top` in SystemVerilog and `ports.inc` in C++.

`sim_top` gives the ports fixed names (``s0_tdata``, ``m0_tvalid``, ``pin0`` ...), so that parameters may be any
SystemVerilog literal and the C++ driver knows no design.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw_build.kernels.base import StreamPort


@dataclass(frozen=True, kw_only=True)
class LastStreamPort(StreamPort):
    """A stream output port that also has TLAST."""

    tlast: str


@dataclass(frozen=True, kw_only=True)
class ProbePort:
    """A read port for counters: after a run ``clock`` ticks once per read and ``data`` follows ``address``.

    The counters' multiplexer hangs on a clock of its own, so it costs nothing while the design runs.
    """

    clock: str = "gauge_clk"
    address: str = "gauge_addr"
    data: str = "gauge_data"
    address_bits: int = 16
    data_bits: int = 32


def sim_top(
    module: str,
    *,
    parameters: dict[str, str],
    inputs: list[StreamPort],
    outputs: list[StreamPort],
    pins: dict[str, int],
    probe: ProbePort | None,
    clock: str,
    reset_n: str,
) -> str:
    """SystemVerilog text of the wrapper."""
    ports = ["input logic clk", "input logic rst_n"]
    connections = [f".{clock}(clk)", f".{reset_n}(rst_n)"]
    for prefix, streams, forward, backward in (("s", inputs, "input", "output"), ("m", outputs, "output", "input")):
        for i, port in enumerate(streams):
            name = f"{prefix}{i}"
            ports += [
                f"{forward} logic [{port.width_bits - 1}:0] {name}_tdata",
                f"{forward} logic {name}_tvalid",
                f"{backward} logic {name}_tready",
            ]
            connections += [
                f".{port.tdata}({name}_tdata)",
                f".{port.tvalid}({name}_tvalid)",
                f".{port.tready}({name}_tready)",
            ]
            if isinstance(port, LastStreamPort):
                ports.append(f"{forward} logic {name}_tlast")
                connections.append(f".{port.tlast}({name}_tlast)")
    for i, (pin, width) in enumerate(pins.items()):
        ports.append(f"input logic [{width - 1}:0] pin{i}")
        connections.append(f".{pin}(pin{i})")
    if probe:
        ports += [
            "input logic probe_clk",
            f"input logic [{probe.address_bits - 1}:0] probe_addr",
            f"output logic [{probe.data_bits - 1}:0] probe_data",
        ]
        connections += [f".{probe.clock}(probe_clk)", f".{probe.address}(probe_addr)", f".{probe.data}(probe_data)"]
    overrides = ",\n    ".join(f".{name}({value})" for name, value in parameters.items())
    header = ",\n  ".join(ports)
    body = ",\n    ".join(connections)
    instance = f"{module} #(\n    {overrides}\n  ) dut" if parameters else f"{module} dut"
    return f"module sim_top (\n  {header}\n);\n  {instance} (\n    {body}\n  );\nendmodule\n"


def ports_inc(
    inputs: list[StreamPort], outputs: list[StreamPort], pins: dict[str, int], probe: ProbePort | None
) -> str:
    """C++ text that binds the wrapper's ports to the driver."""
    lines = [f"constexpr int INPUTS = {len(inputs)};", f"constexpr int OUTPUTS = {len(outputs)};"]
    for direction, prefix, streams in (("inputs", "s", inputs), ("outputs", "m", outputs)):
        kind = "Source" if prefix == "s" else "Sink"
        lines.append(f"inline void bind_{direction}([[maybe_unused]] Vsim* top, [[maybe_unused]] {kind}* streams) {{")
        for i, port in enumerate(streams):
            name = f"{prefix}{i}"
            last = f"&top->{name}_tlast" if isinstance(port, LastStreamPort) else "nullptr"
            lines.append(
                f"    streams[{i}].port = {{&top->{name}_tdata, {bytes_of(port)}, &top->{name}_tvalid, "
                f"&top->{name}_tready, {last}}};"
            )
        lines.append("}")
    lines.append(
        "inline void set_pin([[maybe_unused]] Vsim* top, [[maybe_unused]] int index, [[maybe_unused]] uint64_t value) {"
    )
    lines += [
        f"    if (index == {i}) top->pin{i} = value & {(1 << width) - 1}ULL;" for i, width in enumerate(pins.values())
    ]
    lines += ["}", "inline uint64_t read_probe_port([[maybe_unused]] Vsim* top, [[maybe_unused]] uint64_t address) {"]
    if probe:
        lines += [
            "    top->probe_addr = address;",
            "    top->probe_clk = 0;",
            "    top->eval();",
            "    top->probe_clk = 1;",
            "    top->eval();",
            "    return top->probe_data;",
        ]
    else:
        lines.append("    return 0;")
    lines.append("}")
    return "\n".join(lines) + "\n"


def bytes_of(port: StreamPort) -> int:
    """Bytes that one beat of the port occupies at the simulator's boundary."""
    return (port.width_bits + 7) // 8
