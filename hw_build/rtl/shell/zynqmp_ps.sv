// The processing system of a Zynq UltraScale+: clock from PL0, registers on HPM0_FPD, memory on HP0_FPD, one interrupt.
//
// Both ports are AXI4. HPM0_FPD must be set to 32 data bits and HP0_FPD to 64 (the driver's overlay does, from the .hwh);
// they use the low lanes of their 128. The shell's IDs and addresses: bits that a port lacks are zero.
// The reset is EMIO GPIO 95 (pl_resetn0). irq is PLPSIRQ0[0], interrupt 121 of the GIC.
`default_nettype none
module zynqmp_ps (
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

  /* verilator lint_off UNUSEDSIGNAL */ // three more clocks, 95 more GPIOs, the upper lanes
  logic [3:0]   pl_clk;
  logic [95:0]  gpio;
  logic [127:0] ctrl_wdata, mem_rdata;
  logic [15:0]  ctrl_wstrb;
  /* verilator lint_on UNUSEDSIGNAL */

  BUFG_PS clk_buffer (.I(pl_clk[0]), .O(clk));

  reset_sync reset (.clk(clk), .async_rst_n(gpio[95]), .rst_n(rst_n));

  assign m_ctrl.aw.addr[63:40] = '0;
  assign m_ctrl.w.id = '0;
  assign m_ctrl.w.data = {32'd0, ctrl_wdata[31:0]};
  assign m_ctrl.w.strb = {4'd0, ctrl_wstrb[3:0]};
  assign m_ctrl.ar.addr[63:40] = '0;
  assign s_mem_reply.b.id[15:6] = '0;
  assign s_mem_reply.r.id[15:6] = '0;
  assign s_mem_reply.r.data = mem_rdata[63:0];

  /* verilator lint_off PINMISSING */ // everything else of the processing system is not used
  (* DONT_TOUCH = "true", keep *)
  PS8 ps (
    .PLCLK          (pl_clk),
    .EMIOGPIOO      (gpio),
    .PLPSIRQ0       ({7'd0, irq}),
    .MAXIGP0ACLK    (clk),
    .MAXIGP0AWVALID (m_ctrl.aw.valid),
    .MAXIGP0AWREADY (m_ctrl_reply.aw_ready),
    .MAXIGP0AWID    (m_ctrl.aw.id),
    .MAXIGP0AWADDR  (m_ctrl.aw.addr[39:0]),
    .MAXIGP0AWLEN   (m_ctrl.aw.len),
    .MAXIGP0AWSIZE  (m_ctrl.aw.size),
    .MAXIGP0AWBURST (m_ctrl.aw.burst),
    .MAXIGP0WVALID  (m_ctrl.w.valid),
    .MAXIGP0WREADY  (m_ctrl_reply.w_ready),
    .MAXIGP0WDATA   (ctrl_wdata),
    .MAXIGP0WSTRB   (ctrl_wstrb),
    .MAXIGP0WLAST   (m_ctrl.w.last),
    .MAXIGP0BVALID  (m_ctrl_reply.b.valid),
    .MAXIGP0BREADY  (m_ctrl.b_ready),
    .MAXIGP0BID     (m_ctrl_reply.b.id),
    .MAXIGP0BRESP   (m_ctrl_reply.b.resp),
    .MAXIGP0ARVALID (m_ctrl.ar.valid),
    .MAXIGP0ARREADY (m_ctrl_reply.ar_ready),
    .MAXIGP0ARID    (m_ctrl.ar.id),
    .MAXIGP0ARADDR  (m_ctrl.ar.addr[39:0]),
    .MAXIGP0ARLEN   (m_ctrl.ar.len),
    .MAXIGP0ARSIZE  (m_ctrl.ar.size),
    .MAXIGP0ARBURST (m_ctrl.ar.burst),
    .MAXIGP0RVALID  (m_ctrl_reply.r.valid),
    .MAXIGP0RREADY  (m_ctrl.r_ready),
    .MAXIGP0RID     (m_ctrl_reply.r.id),
    .MAXIGP0RDATA   ({96'd0, m_ctrl_reply.r.data[31:0]}),
    .MAXIGP0RRESP   (m_ctrl_reply.r.resp),
    .MAXIGP0RLAST   (m_ctrl_reply.r.last),
    .SAXIGP2RCLK    (clk),
    .SAXIGP2WCLK    (clk),
    .SAXIGP2AWVALID (s_mem.aw.valid),
    .SAXIGP2AWREADY (s_mem_reply.aw_ready),
    .SAXIGP2AWID    (s_mem.aw.id[5:0]),
    .SAXIGP2AWADDR  (s_mem.aw.addr[48:0]),
    .SAXIGP2AWLEN   (s_mem.aw.len),
    .SAXIGP2AWSIZE  (s_mem.aw.size),
    .SAXIGP2AWBURST (s_mem.aw.burst),
    .SAXIGP2AWCACHE (CACHE),
    .SAXIGP2AWPROT  (3'd0),
    .SAXIGP2AWLOCK  (1'b0),
    .SAXIGP2AWUSER  (1'b0),
    .SAXIGP2AWQOS   (4'd0),
    .SAXIGP2WVALID  (s_mem.w.valid),
    .SAXIGP2WREADY  (s_mem_reply.w_ready),
    .SAXIGP2WDATA   ({64'd0, s_mem.w.data}),
    .SAXIGP2WSTRB   ({8'd0, s_mem.w.strb}),
    .SAXIGP2WLAST   (s_mem.w.last),
    .SAXIGP2BVALID  (s_mem_reply.b.valid),
    .SAXIGP2BREADY  (s_mem.b_ready),
    .SAXIGP2BID     (s_mem_reply.b.id[5:0]),
    .SAXIGP2BRESP   (s_mem_reply.b.resp),
    .SAXIGP2ARVALID (s_mem.ar.valid),
    .SAXIGP2ARREADY (s_mem_reply.ar_ready),
    .SAXIGP2ARID    (s_mem.ar.id[5:0]),
    .SAXIGP2ARADDR  (s_mem.ar.addr[48:0]),
    .SAXIGP2ARLEN   (s_mem.ar.len),
    .SAXIGP2ARSIZE  (s_mem.ar.size),
    .SAXIGP2ARBURST (s_mem.ar.burst),
    .SAXIGP2ARCACHE (CACHE),
    .SAXIGP2ARPROT  (3'd0),
    .SAXIGP2ARLOCK  (1'b0),
    .SAXIGP2ARUSER  (1'b0),
    .SAXIGP2ARQOS   (4'd0),
    .SAXIGP2RVALID  (s_mem_reply.r.valid),
    .SAXIGP2RREADY  (s_mem.r_ready),
    .SAXIGP2RID     (s_mem_reply.r.id[5:0]),
    .SAXIGP2RDATA   (mem_rdata),
    .SAXIGP2RRESP   (s_mem_reply.r.resp),
    .SAXIGP2RLAST   (s_mem_reply.r.last)
  );
  /* verilator lint_on PINMISSING */

endmodule
`default_nettype wire
