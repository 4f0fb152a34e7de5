// What the simulated board runs: edgeseg_system with the fields of its AXI structs as ports that C++ can bind.
`default_nettype none
module sim_top (
  input  wire logic        clk,
  input  wire logic        rst_n,
  output      logic        irq,
  output      logic        busy,
  // registers: a processor is the master
  input  wire logic        c_awvalid,
  output      logic        c_awready,
  input  wire logic [15:0] c_awid,
  input  wire logic [63:0] c_awaddr,
  input  wire logic [7:0]  c_awlen,
  input  wire logic [2:0]  c_awsize,
  input  wire logic [1:0]  c_awburst,
  input  wire logic        c_wvalid,
  output      logic        c_wready,
  input  wire logic [15:0] c_wid,
  input  wire logic [63:0] c_wdata,
  input  wire logic [7:0]  c_wstrb,
  input  wire logic        c_wlast,
  output      logic        c_bvalid,
  input  wire logic        c_bready,
  output      logic [15:0] c_bid,
  output      logic [1:0]  c_bresp,
  input  wire logic        c_arvalid,
  output      logic        c_arready,
  input  wire logic [15:0] c_arid,
  input  wire logic [63:0] c_araddr,
  input  wire logic [7:0]  c_arlen,
  input  wire logic [2:0]  c_arsize,
  input  wire logic [1:0]  c_arburst,
  output      logic        c_rvalid,
  input  wire logic        c_rready,
  output      logic [15:0] c_rid,
  output      logic [63:0] c_rdata,
  output      logic [1:0]  c_rresp,
  output      logic        c_rlast,
  // memory: the system is the master
  output      logic        m_awvalid,
  input  wire logic        m_awready,
  output      logic [15:0] m_awid,
  output      logic [63:0] m_awaddr,
  output      logic [7:0]  m_awlen,
  output      logic [2:0]  m_awsize,
  output      logic [1:0]  m_awburst,
  output      logic        m_wvalid,
  input  wire logic        m_wready,
  output      logic [15:0] m_wid,
  output      logic [63:0] m_wdata,
  output      logic [7:0]  m_wstrb,
  output      logic        m_wlast,
  input  wire logic        m_bvalid,
  output      logic        m_bready,
  input  wire logic [15:0] m_bid,
  input  wire logic [1:0]  m_bresp,
  output      logic        m_arvalid,
  input  wire logic        m_arready,
  output      logic [15:0] m_arid,
  output      logic [63:0] m_araddr,
  output      logic [7:0]  m_arlen,
  output      logic [2:0]  m_arsize,
  output      logic [1:0]  m_arburst,
  input  wire logic        m_rvalid,
  output      logic        m_rready,
  input  wire logic [15:0] m_rid,
  input  wire logic [63:0] m_rdata,
  input  wire logic [1:0]  m_rresp,
  input  wire logic        m_rlast
);

  axi_pkg::request_t control, memory;
  axi_pkg::reply_t   control_reply, memory_reply;

  edgeseg_system dut (
    .ap_clk      (clk),
    .ap_rst_n    (rst_n),
    .s_ctrl      (control),
    .s_ctrl_reply(control_reply),
    .m_mem       (memory),
    .m_mem_reply (memory_reply),
    .irq         (irq),
    .busy        (busy)
  );

  assign control.aw = {c_awvalid, c_awid, c_awaddr, c_awlen, c_awsize, c_awburst};
  assign control.w = {c_wvalid, c_wid, c_wdata, c_wstrb, c_wlast};
  assign control.b_ready = c_bready;
  assign control.ar = {c_arvalid, c_arid, c_araddr, c_arlen, c_arsize, c_arburst};
  assign control.r_ready = c_rready;
  assign c_awready = control_reply.aw_ready;
  assign c_wready = control_reply.w_ready;
  assign {c_bvalid, c_bid, c_bresp} = control_reply.b;
  assign c_arready = control_reply.ar_ready;
  assign {c_rvalid, c_rid, c_rdata, c_rresp, c_rlast} = control_reply.r;

  assign {m_awvalid, m_awid, m_awaddr, m_awlen, m_awsize, m_awburst} = memory.aw;
  assign {m_wvalid, m_wid, m_wdata, m_wstrb, m_wlast} = memory.w;
  assign m_bready = memory.b_ready;
  assign {m_arvalid, m_arid, m_araddr, m_arlen, m_arsize, m_arburst} = memory.ar;
  assign m_rready = memory.r_ready;
  assign memory_reply.aw_ready = m_awready;
  assign memory_reply.w_ready = m_wready;
  assign memory_reply.b = {m_bvalid, m_bid, m_bresp};
  assign memory_reply.ar_ready = m_arready;
  assign memory_reply.r = {m_rvalid, m_rid, m_rdata, m_rresp, m_rlast};

endmodule
`default_nettype wire
