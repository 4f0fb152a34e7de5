// The processing system of a Zynq-7000: clock and reset from FCLK0, registers on GP0, memory on HP0, one interrupt.
//
// GP0 and HP0 are AXI3. The shell's IDs and addresses are wider than the ports: the bits above are zero on both sides.
// The DDR and MIO pads stay unconnected here: they are dedicated, and configured by the boot loader, not by the bitstream.
// irq is IRQF2P[0], interrupt 61 of the GIC. HP0 must be in 64-bit mode (AFI0's 32-bit enables clear): the driver checks.
`default_nettype none
module zynq7000_ps (
  output      logic              clk,
  output      logic              rst_n,
  output      axi_pkg::request_t m_ctrl,
  /* verilator lint_off UNUSEDSIGNAL */ // the bits that the ports lack
  input  wire axi_pkg::reply_t   m_ctrl_reply,
  input  wire axi_pkg::request_t s_mem,
  /* verilator lint_on UNUSEDSIGNAL */
  output      axi_pkg::reply_t   s_mem_reply,
  input  wire logic              irq
);

  localparam logic [3:0] CACHE = 4'b0011;  // modifiable, bufferable: the ports are not coherent

  /* verilator lint_off UNUSEDSIGNAL */ // three more clocks
  logic [3:0] fclk, fclk_reset_n;
  /* verilator lint_on UNUSEDSIGNAL */

  BUFG clk_buffer (.I(fclk[0]), .O(clk));

  reset_sync reset (.clk(clk), .async_rst_n(fclk_reset_n[0]), .rst_n(rst_n));

  assign m_ctrl.aw.id[15:12] = '0;
  assign m_ctrl.aw.addr[63:32] = '0;
  assign m_ctrl.aw.len[7:4] = '0;
  assign m_ctrl.aw.size[2] = 1'b0;
  assign m_ctrl.w.id[15:12] = '0;
  assign m_ctrl.w.data[63:32] = '0;
  assign m_ctrl.w.strb[7:4] = '0;
  assign m_ctrl.ar.id[15:12] = '0;
  assign m_ctrl.ar.addr[63:32] = '0;
  assign m_ctrl.ar.len[7:4] = '0;
  assign m_ctrl.ar.size[2] = 1'b0;
  assign s_mem_reply.b.id[15:6] = '0;
  assign s_mem_reply.r.id[15:6] = '0;

  /* verilator lint_off PINMISSING */ // everything else of the processing system is not used
  (* DONT_TOUCH = "true", keep *)
  PS7 ps (
    .FCLKCLK              (fclk),
    .FCLKRESETN           (fclk_reset_n),
    .FCLKCLKTRIGN         (4'd0),
    .FPGAIDLEN            (1'b1),
    .IRQF2P               ({19'd0, irq}),
    .DDRARB               (4'd0),
    .EMIOSRAMINTIN        (1'b0),
    .MAXIGP0ACLK          (clk),
    .MAXIGP0AWVALID       (m_ctrl.aw.valid),
    .MAXIGP0AWREADY       (m_ctrl_reply.aw_ready),
    .MAXIGP0AWID          (m_ctrl.aw.id[11:0]),
    .MAXIGP0AWADDR        (m_ctrl.aw.addr[31:0]),
    .MAXIGP0AWLEN         (m_ctrl.aw.len[3:0]),
    .MAXIGP0AWSIZE        (m_ctrl.aw.size[1:0]),
    .MAXIGP0AWBURST       (m_ctrl.aw.burst),
    .MAXIGP0WVALID        (m_ctrl.w.valid),
    .MAXIGP0WREADY        (m_ctrl_reply.w_ready),
    .MAXIGP0WID           (m_ctrl.w.id[11:0]),
    .MAXIGP0WDATA         (m_ctrl.w.data[31:0]),
    .MAXIGP0WSTRB         (m_ctrl.w.strb[3:0]),
    .MAXIGP0WLAST         (m_ctrl.w.last),
    .MAXIGP0BVALID        (m_ctrl_reply.b.valid),
    .MAXIGP0BREADY        (m_ctrl.b_ready),
    .MAXIGP0BID           (m_ctrl_reply.b.id[11:0]),
    .MAXIGP0BRESP         (m_ctrl_reply.b.resp),
    .MAXIGP0ARVALID       (m_ctrl.ar.valid),
    .MAXIGP0ARREADY       (m_ctrl_reply.ar_ready),
    .MAXIGP0ARID          (m_ctrl.ar.id[11:0]),
    .MAXIGP0ARADDR        (m_ctrl.ar.addr[31:0]),
    .MAXIGP0ARLEN         (m_ctrl.ar.len[3:0]),
    .MAXIGP0ARSIZE        (m_ctrl.ar.size[1:0]),
    .MAXIGP0ARBURST       (m_ctrl.ar.burst),
    .MAXIGP0RVALID        (m_ctrl_reply.r.valid),
    .MAXIGP0RREADY        (m_ctrl.r_ready),
    .MAXIGP0RID           (m_ctrl_reply.r.id[11:0]),
    .MAXIGP0RDATA         (m_ctrl_reply.r.data[31:0]),
    .MAXIGP0RRESP         (m_ctrl_reply.r.resp),
    .MAXIGP0RLAST         (m_ctrl_reply.r.last),
    .SAXIHP0ACLK          (clk),
    .SAXIHP0AWVALID       (s_mem.aw.valid),
    .SAXIHP0AWREADY       (s_mem_reply.aw_ready),
    .SAXIHP0AWID          (s_mem.aw.id[5:0]),
    .SAXIHP0AWADDR        (s_mem.aw.addr[31:0]),
    .SAXIHP0AWLEN         (s_mem.aw.len[3:0]),
    .SAXIHP0AWSIZE        (s_mem.aw.size[1:0]),
    .SAXIHP0AWBURST       (s_mem.aw.burst),
    .SAXIHP0AWCACHE       (CACHE),
    .SAXIHP0AWPROT        (3'd0),
    .SAXIHP0AWLOCK        (2'd0),
    .SAXIHP0AWQOS         (4'd0),
    .SAXIHP0WVALID        (s_mem.w.valid),
    .SAXIHP0WREADY        (s_mem_reply.w_ready),
    .SAXIHP0WID           (s_mem.w.id[5:0]),
    .SAXIHP0WDATA         (s_mem.w.data),
    .SAXIHP0WSTRB         (s_mem.w.strb),
    .SAXIHP0WLAST         (s_mem.w.last),
    .SAXIHP0BVALID        (s_mem_reply.b.valid),
    .SAXIHP0BREADY        (s_mem.b_ready),
    .SAXIHP0BID           (s_mem_reply.b.id[5:0]),
    .SAXIHP0BRESP         (s_mem_reply.b.resp),
    .SAXIHP0ARVALID       (s_mem.ar.valid),
    .SAXIHP0ARREADY       (s_mem_reply.ar_ready),
    .SAXIHP0ARID          (s_mem.ar.id[5:0]),
    .SAXIHP0ARADDR        (s_mem.ar.addr[31:0]),
    .SAXIHP0ARLEN         (s_mem.ar.len[3:0]),
    .SAXIHP0ARSIZE        (s_mem.ar.size[1:0]),
    .SAXIHP0ARBURST       (s_mem.ar.burst),
    .SAXIHP0ARCACHE       (CACHE),
    .SAXIHP0ARPROT        (3'd0),
    .SAXIHP0ARLOCK        (2'd0),
    .SAXIHP0ARQOS         (4'd0),
    .SAXIHP0RVALID        (s_mem_reply.r.valid),
    .SAXIHP0RREADY        (s_mem.r_ready),
    .SAXIHP0RID           (s_mem_reply.r.id[5:0]),
    .SAXIHP0RDATA         (s_mem_reply.r.data),
    .SAXIHP0RRESP         (s_mem_reply.r.resp),
    .SAXIHP0RLAST         (s_mem_reply.r.last),
    .SAXIHP0RDISSUECAP1EN (1'b0),
    .SAXIHP0WRISSUECAP1EN (1'b0)
  );
  /* verilator lint_on PINMISSING */

endmodule
`default_nettype wire
