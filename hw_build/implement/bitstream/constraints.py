"""The constraints of the whole device: one clock, and the one path that has none.

The top has no ports: no pin and no I/O standard is to be set. All logic runs from the fabric clock that the processing
system makes. Its reset comes asynchronously and ends in the synchroniser of ``reset_sync.sv``, whose flip-flops may
see it at any moment: that path, and no other, is exempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family

if TYPE_CHECKING:
    from hw_build.implement.shell.around import Around

PROCESSOR = "ps/ps"  # the primitive in the instance of zynq7000_ps or zynqmp_ps
CLOCK = "fabric"


@dataclass(frozen=True)
class _Pins:
    clock: str
    reset: str


_PINS = {
    Family.ZYNQ_7000: _Pins("FCLKCLK[0]", "FCLKRESETN[0]"),
    Family.ZYNQ_ULTRASCALE: _Pins("PLCLK[0]", "EMIOGPIOO[95]"),
}


def period_ns(shell: Around) -> float:
    """The period of the fabric clock."""
    return 1000.0 / shell.fabric_mhz


def clock_pin(shell: Around) -> str:
    """The pin of the processing system that the fabric clock comes from."""
    return f"{PROCESSOR}/{_PINS[Family(shell.family)].clock}"


def reset_pin(shell: Around) -> str:
    """The pin of the processing system that the asynchronous reset comes from."""
    return f"{PROCESSOR}/{_PINS[Family(shell.family)].reset}"


def xdc_text(shell: Around) -> str:
    """Constraints as Vivado reads them."""
    return (
        f"# {shell.part}: the fabric clock at {shell.fabric_mhz:g} MHz. The design has no ports.\n"
        f"create_clock -name {CLOCK} -period {period_ns(shell):.3f} [get_pins {{{clock_pin(shell)}}}]\n"
        "# asynchronous by nature, taken over by the synchroniser in reset_sync.sv\n"
        f"set_false_path -through [get_pins {{{reset_pin(shell)}}}]\n"
    )
