// The thresholds pipeline between two streams: what a kernel does around it.
`default_nettype none
module thresholds_stream #(
    parameter int ROWS     = 2,
    parameter int LANES    = 1,
    parameter int ACC_BITS = 12,
    parameter int Y_BITS   = 4,
    parameter bit BLOCK    = 0,
    parameter logic [(ROWS<<Y_BITS)*ACC_BITS-1:0] TREES = '0
) (
    input  wire logic                      ap_clk,
    input  wire logic                      ap_rst_n,
    input  wire logic [LANES*ACC_BITS-1:0] s_axis_tdata,
    input  wire logic                      s_axis_tvalid,
    output      logic                      s_axis_tready,
    output      logic [LANES*Y_BITS-1:0]   m_axis_tdata,
    output      logic                      m_axis_tvalid,
    input  wire logic                      m_axis_tready
);
  localparam int GROUPS = (ROWS > 1) ? ROWS / LANES : 1;
  localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int LATENCY = Y_BITS + 1;

  logic [LATENCY-1:0] valid_q;
  logic [GB-1:0] group_q;
  wire logic en = !m_axis_tvalid || m_axis_tready;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      valid_q <= '0;
      group_q <= '0;
    end else if (en) begin
      valid_q <= {valid_q[LATENCY-2:0], s_axis_tvalid};
      if (s_axis_tvalid) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
    end
  end
  assign s_axis_tready = en;
  assign m_axis_tvalid = valid_q[LATENCY-1];

  thresholds #(
      .ROWS(ROWS), .LANES(LANES), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .BLOCK(BLOCK), .TREES(TREES)
  ) search (
      .clk(ap_clk), .en(en), .group(group_q), .acc(s_axis_tdata), .y(m_axis_tdata)
  );
endmodule
`default_nettype wire
