// Stream add with thresholds: Y = LOWEST + number of t < NUM_T with THRESHOLDS[row][t] <= A_TIMES*A + B_TIMES*B.
//
// A and B unsigned or, A_SIGNED and B_SIGNED, signed and then 2**(BITS-1) greater in their sum; Y signed where LOWEST is below
// 0. The same shape, lane p at bits [p*BITS +: BITS]; a beat is taken from both when both have one.
// THRESHOLDS: see lib/sum_thresholds.sv. Latency 2 cycles, throughput one beat a cycle. Timing: each tready depends on
// the other input's tvalid: put FIFOs before it (the stitcher does). Limits: SUM_BITS holds every sum.
`default_nettype none
module stream_add_threshold #(
    parameter int PE       = 1,
    parameter int A_BITS   = 4,
    parameter bit A_SIGNED = 0,
    parameter int B_BITS   = 4,
    parameter bit B_SIGNED = 0,
    parameter int SUM_BITS = 5,
    parameter int NUM_T    = 15,
    parameter int ROWS     = 1,  // 1: all channels share the thresholds
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,  // code of a sum that passes no threshold
    parameter bit SCALED   = 0,  // added to and shifted: lib/sum_requantizer.sv
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter int A_TIMES  = 1,
    parameter int B_TIMES  = 1,
    parameter logic [ROWS*NUM_T*SUM_BITS-1:0] THRESHOLDS = '0
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
  localparam logic [A_BITS-1:0] A_SIGN = A_BITS'(A_SIGNED) << (A_BITS - 1);
  localparam logic [B_BITS-1:0] B_SIGN = B_BITS'(B_SIGNED) << (B_BITS - 1);
  logic [PE*SUM_BITS-1:0] sums;
  logic sums_valid, sums_ready;

  stream_add #(
      .PE(PE), .A_BITS(A_BITS), .B_BITS(B_BITS), .Y_BITS(SUM_BITS), .A_TIMES(A_TIMES), .B_TIMES(B_TIMES)
  ) adder (
      .a_data(s0_axis_tdata ^ {PE{A_SIGN}}), .a_valid(s0_axis_tvalid), .a_ready(s0_axis_tready),
      .b_data(s1_axis_tdata ^ {PE{B_SIGN}}), .b_valid(s1_axis_tvalid), .b_ready(s1_axis_tready),
      .y_data(sums), .y_valid(sums_valid), .y_ready(sums_ready)
  );
  sum_thresholds #(
      .ROWS(ROWS), .LANES(PE), .NUM_T(NUM_T), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST), .SCALED(SCALED),
      .SHIFT(SHIFT), .OFFSET(OFFSET), .CONTENTS(THRESHOLDS)
  ) table_of_sums (
      .clk(ap_clk), .rst_n(ap_rst_n), .s_data(sums), .s_valid(sums_valid), .s_ready(sums_ready),
      .m_data(m_axis_tdata), .m_valid(m_axis_tvalid), .m_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
