// Stream multiply: Y = A * B, element by element, exact.
//
// Both inputs carry the same shape, lane p at bits [p*BITS +: BITS]; A_SIGNED and B_SIGNED say how each is extended. A beat is
// taken from both when both have one: each tready depends on the other input's tvalid, so put FIFOs before it (the stitcher
// does). Throughput: one beat a cycle. Latency: 2 cycles. Limits: Y_BITS holds every product.
`default_nettype none
module stream_multiply #(
    parameter int PE       = 1,  // elements a beat
    parameter int A_BITS   = 8,
    parameter bit A_SIGNED = 0,
    parameter int B_BITS   = 8,
    parameter bit B_SIGNED = 0,
    parameter int Y_BITS   = 16
) (
    input  wire logic                 ap_clk,
    input  wire logic                 ap_rst_n,
    input  wire logic [PE*A_BITS-1:0] s0_axis_tdata,
    input  wire logic                 s0_axis_tvalid,
    output      logic                 s0_axis_tready,
    input  wire logic [PE*B_BITS-1:0] s1_axis_tdata,
    input  wire logic                 s1_axis_tvalid,
    output      logic                 s1_axis_tready,
    output      logic [PE*Y_BITS-1:0] m_axis_tdata,
    output      logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);
  logic en, y_valid_q;
  logic [PE*Y_BITS-1:0] y_q;
  wire logic step = en && s0_axis_tvalid && s1_axis_tvalid;
  assign s0_axis_tready = en && s1_axis_tvalid;
  assign s1_axis_tready = en && s0_axis_tvalid;

  for (genvar p = 0; p < PE; p++) begin : g_lane
    wire logic signed [A_BITS:0] a = {A_SIGNED && s0_axis_tdata[(p+1)*A_BITS-1], s0_axis_tdata[p*A_BITS+:A_BITS]};
    wire logic signed [B_BITS:0] b = {B_SIGNED && s1_axis_tdata[(p+1)*B_BITS-1], s1_axis_tdata[p*B_BITS+:B_BITS]};
    wire logic signed [Y_BITS-1:0] product = Y_BITS'(a) * Y_BITS'(b);
    always_ff @(posedge ap_clk) if (step) y_q[p*Y_BITS+:Y_BITS] <= product;
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) y_valid_q <= 1'b0;
    else if (en) y_valid_q <= step;
  end

  stream_fifo2 #(
      .DATA_BITS(PE * Y_BITS)
  ) out_buffer (
      .clk(ap_clk), .rst_n(ap_rst_n), .in_data(y_q), .in_valid(y_valid_q), .in_ready(en),
      .out_data(m_axis_tdata), .out_valid(m_axis_tvalid), .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
