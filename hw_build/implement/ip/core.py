"""The text of ``edgeseg_stream.v``, the core's top, and its ports as IP-XACT and the Verilog both have them.

Plain Verilog, because a block design takes no SystemVerilog module as the top of a core; below it lie the accelerator
and ``stream_control``, its AXI4-Lite registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from board.io_spec import FrameLayout

CORE_MODULE = "edgeseg_stream"
CLOCK, RESET_N = "ap_clk", "ap_rst_n"
CONTROL, PIXELS, WORDS = "s_axi", "s_axis", "m_axis"  # prefixes of the buses' ports


@dataclass(frozen=True, kw_only=True)
class Port:
    """One port of the core; ``bus`` is the prefix of the bus it belongs to, empty for clock and reset."""

    name: str
    direction: str  # "in" or "out"
    bits: int = 1
    bus: str = ""

    @property
    def logical(self) -> str:
        """Its name in the definition of the bus."""
        return self.name.removeprefix(f"{self.bus}_").upper()


# AXI4-Lite without the optional protection signals: (name, direction at the slave, bits)
_CONTROL_PORTS = (
    *(("awaddr", "in", 12), ("awvalid", "in", 1), ("awready", "out", 1)),
    *(("wdata", "in", 32), ("wstrb", "in", 4), ("wvalid", "in", 1), ("wready", "out", 1)),
    *(("bresp", "out", 2), ("bvalid", "out", 1), ("bready", "in", 1)),
    *(("araddr", "in", 12), ("arvalid", "in", 1), ("arready", "out", 1)),
    *(("rdata", "out", 32), ("rresp", "out", 2), ("rvalid", "out", 1), ("rready", "in", 1)),
)

_TEMPLATE = """\
// The accelerator as a stream core, for block designs: pixels in, words out, registers over AXI4-Lite. Generated.
//
// s_axis: one pixel a beat, channel 0 in the lowest byte, {height} x {width} pixels a frame in raster order, no TLAST.
// m_axis: 32-bit words, TLAST with the last of a frame; one logit a word, {classes} a pixel, or what they decide
// (OUTPUT_MODE), for {out_height} x {out_width} pixels. A frame is an even number of words, filled up with zeros.
// While the core is reset (stream_control.sv) neither stream moves; whoever feeds them begins a frame afresh after it.
`default_nettype none
module {module} (
{ports}
);

  wire running, mask_mode, in_ready, out_valid;
  assign s_axis_tready = in_ready && running;
  assign m_axis_tvalid = out_valid && running;

  stream_control #(
    .HEIGHT      ({height}),
    .WIDTH       ({width}),
    .OUT_HEIGHT  ({out_height}),
    .OUT_WIDTH   ({out_width}),
    .CHANNELS    ({channels}),
    .CLASSES     ({classes}),
    .NETWORK_HASH(64'h{network_hash:016x})
  ) control (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
{control}
    .running      (running),
    .mask_mode    (mask_mode),
    .frame_end    (m_axis_tvalid && m_axis_tready && m_axis_tlast)
  );

  /* verilator lint_off PINCONNECTEMPTY */ // the gauges serve simulations of the accelerator alone
  {core} core (
    .ap_clk       (ap_clk),
    .ap_rst_n     (running),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid && running),
    .s_axis_tready(in_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(out_valid),
    .m_axis_tready(m_axis_tready && running),
    .m_axis_tlast (m_axis_tlast),
    .mask_mode    (mask_mode),
    .isolate      (1'b0),
    .gauge_clk    (1'b0),
    .gauge_addr   (16'd0),
    .gauge_data   ()
  );
  /* verilator lint_on PINCONNECTEMPTY */

endmodule
`default_nettype wire
"""


def core_ports(channels: int) -> tuple[Port, ...]:
    """All ports, for pixels of ``channels`` bytes."""
    streams = [
        (PIXELS, (("tdata", "in", 8 * channels), ("tvalid", "in", 1), ("tready", "out", 1))),
        (WORDS, (("tdata", "out", 32), ("tvalid", "out", 1), ("tready", "in", 1), ("tlast", "out", 1))),
    ]
    return (
        Port(name=CLOCK, direction="in"),
        Port(name=RESET_N, direction="in"),
        *(
            Port(name=f"{bus}_{name}", direction=direction, bits=bits, bus=bus)
            for bus, signals in ((CONTROL, _CONTROL_PORTS), *streams)
            for name, direction, bits in signals
        ),
    )


def core_text(core: str, layout: FrameLayout, network_hash: int) -> str:
    """Verilog of the core around the accelerator's module ``core`` for frames of ``layout``."""
    ports = core_ports(layout.channels)
    declared = ",\n".join(
        f"  {f'{port.direction}put':6} wire {f'[{port.bits - 1}:0]' if port.bits > 1 else '':6} {port.name}"
        for port in ports
    )
    control = "\n".join(f"    .{port.name:13}({port.name})," for port in ports if port.bus == CONTROL)
    return _TEMPLATE.format(
        module=CORE_MODULE, core=core, **vars(layout), network_hash=network_hash, ports=declared, control=control
    )  # fmt: skip
