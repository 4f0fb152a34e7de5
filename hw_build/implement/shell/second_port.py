"""The processing system of a Zynq-7000 with a second memory port and interrupt, from the text of that with one.

HP1 is connected as HP0 is, line by line, so that there is one place that says how.
"""

from __future__ import annotations

import re

PROCESSOR, TWO_PORTS = "zynq7000_ps", "zynq7000_ps2"
_NOTE = "// Made from zynq7000_ps.sv: HP1 as HP0, behind s_mem2; irq[1] is IRQF2P[1], interrupt 62 of the GIC.\n"
_IRQ = (("input  wire logic              irq", "input  wire logic [1:0]        irq"), ("{19'd0, irq}", "{18'd0, irq}"))


def two_ports(text: str) -> str:
    """SystemVerilog of the module ``zynq7000_ps2`` from that of ``zynq7000_ps``."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        second = re.sub(r"\bs_mem(_reply)?\b", r"s_mem2\1", line).replace("SAXIHP0", "SAXIHP1")
        if second != line and not line.startswith("//"):
            if line.endswith(")"):  # the last of all pins
                lines[-1] += ","
            lines.append(second)
    made = "\n".join(lines) + "\n"
    for one, two in _IRQ:
        assert one in made, f"{PROCESSOR}.sv has no '{one}'"
        made = made.replace(one, two)
    return _NOTE + made.replace(f"module {PROCESSOR} (", f"module {TWO_PORTS} (")
