// AXI-Stream wrapper of code_table for two streams of the same shape: the address is {a, b}.
//
// A beat is taken from both when both have one: each tready depends on the other input's tvalid, so put FIFOs before it
// (the stitcher does). Formula, order, latency and limits: see code_table.sv.
`default_nettype none
module code_table2_axi #(
    parameter int PE     = 1,
    parameter int ROWS   = 1,
    parameter int A_BITS = 4,
    parameter int B_BITS = 4,
    parameter int Y_BITS = 4,
    parameter bit BLOCK  = 0,
    parameter logic [(ROWS<<(A_BITS+B_BITS))*Y_BITS-1:0] CONTENTS = '0
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
  if (ROWS != 1 && ROWS % PE != 0) begin : g_check_pe
    $error("code_table2_axi: PE=%0d must divide ROWS=%0d", PE, ROWS);
  end

  localparam int X_BITS = A_BITS + B_BITS;
  logic [PE*X_BITS-1:0] pairs;
  logic ready;

  for (genvar p = 0; p < PE; p++) begin : g_lane
    assign pairs[p*X_BITS+:X_BITS] = {s0_axis_tdata[p*A_BITS+:A_BITS], s1_axis_tdata[p*B_BITS+:B_BITS]};
  end
  assign s0_axis_tready = ready && s1_axis_tvalid;
  assign s1_axis_tready = ready && s0_axis_tvalid;

  code_table #(
      .PE(PE), .ROWS(ROWS), .X_BITS(X_BITS), .Y_BITS(Y_BITS), .BLOCK(BLOCK), .CONTENTS(CONTENTS)
  ) core (
      .clk(ap_clk), .rst_n(ap_rst_n), .s_data(pairs), .s_valid(s0_axis_tvalid && s1_axis_tvalid), .s_ready(ready),
      .m_data(m_axis_tdata), .m_valid(m_axis_tvalid), .m_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
