"""The text of ``edgeseg_system.sv``: shell and accelerator, everything but the processing system."""

from __future__ import annotations

from board.io_spec import FrameLayout
from hw_build.base.errors import ConfigError
from hw_build.base.records import record

SYSTEM_MODULE = "edgeseg_system"

_TEMPLATE = """\
// The accelerator in its shell: registers behind s_ctrl, frames over m_mem. Generated for one network and one board.
`default_nettype none
module {module} (
  input  wire logic              ap_clk,
  input  wire logic              ap_rst_n,
  input  wire axi_pkg::request_t s_ctrl,
  output      axi_pkg::reply_t   s_ctrl_reply,
  output      axi_pkg::request_t m_mem,
  input  wire axi_pkg::reply_t   m_mem_reply,
  output      logic              irq,
  output      logic              busy
);

  logic        core_rst_n, mask_mode;
  logic [{pixel_high}:0] in_tdata;
  logic        in_tvalid, in_tready;
  logic [31:0] out_tdata;
  logic        out_tvalid, out_tready, out_tlast;

  shell #(
    .HEIGHT      ({height}),
    .WIDTH       ({width}),
    .OUT_HEIGHT  ({out_height}),
    .OUT_WIDTH   ({out_width}),
    .CHANNELS    ({channels}),
    .CLASSES     ({classes}),
    .NETWORK_HASH(64'h{network_hash:016x}),
    .CONTROL_BASE(64'h{control_base:016x}),
    .ADDRESS_BITS({address_bits}),
    .MAX_BURST   ({max_burst})
  ) shell_of_core (
    .ap_clk         (ap_clk),
    .ap_rst_n       (ap_rst_n),
    .s_ctrl         (s_ctrl),
    .s_ctrl_reply   (s_ctrl_reply),
    .m_mem          (m_mem),
    .m_mem_reply    (m_mem_reply),
    .irq            (irq),
    .busy           (busy),
    .core_rst_n     (core_rst_n),
    .core_mask_mode (mask_mode),
    .core_in_tdata  (in_tdata),
    .core_in_tvalid (in_tvalid),
    .core_in_tready (in_tready),
    .core_out_tdata (out_tdata),
    .core_out_tvalid(out_tvalid),
    .core_out_tready(out_tready),
    .core_out_tlast (out_tlast)
  );

  /* verilator lint_off PINCONNECTEMPTY */ // the gauges serve simulations of the accelerator alone
  {core} core (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .s_axis_tdata (in_tdata),
    .s_axis_tvalid(in_tvalid),
    .s_axis_tready(in_tready),
    .m_axis_tdata (out_tdata),
    .m_axis_tvalid(out_tvalid),
    .m_axis_tready(out_tready),
    .m_axis_tlast (out_tlast),
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


@record
class System:
    """What one system is made for: the frame, the result, the network's hash, and the processor's ports.

    ``core`` is the module of the accelerator; ``control_base`` the address of the registers' 4 KiB; ``address_bits``
    those of the memory port; ``max_burst`` beats of 8 bytes, a power of two (AXI3: at most 16).
    """

    core: str
    height: int
    width: int
    channels: int
    classes: int
    network_hash: int
    control_base: int
    address_bits: int
    max_burst: int
    out_height: int
    out_width: int

    def __post_init__(self) -> None:
        if self.max_burst not in (2, 4, 8, 16, 32, 64, 128, 256):
            raise ConfigError(f"max_burst_beats must be a power of two from 2 to 256, got {self.max_burst}")
        if self.control_base % 4096:
            raise ConfigError(f"control_base must be a multiple of 4096, got 0x{self.control_base:x}")

    @property
    def layout(self) -> FrameLayout:
        """How frames lie in memory."""
        return FrameLayout(self.height, self.width, self.channels, self.classes, self.out_height, self.out_width)

    def text(self, module: str = SYSTEM_MODULE) -> str:
        """SystemVerilog of the system, as the module ``module``."""
        return _TEMPLATE.format(module=module, pixel_high=8 * self.channels - 1, **vars(self))
