// Bilinear x2 upsampling with thresholds: Y = LOWEST + number of t < NUM_T with THRESHOLDS[row][t] <= 16 * the value.
//
// X unsigned or, X_SIGNED, signed and then 2**(X_BITS-1) greater in that value; Y signed where LOWEST is below 0. Streams,
// throughput and limits: see bilinear.sv; THRESHOLDS: see lib/sum_thresholds.sv. Two cycles more of latency. Timing: tready
// and tvalid come from registers.
`default_nettype none
module bilinear2x_threshold #(
    parameter int HEIGHT   = 4,
    parameter int WIDTH    = 6,
    parameter int CHANNELS = 2,
    parameter int PE       = 1,
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter     RAM_STYLE = "auto",
    parameter int NUM_T    = 15,
    parameter int ROWS     = 1,  // 1: all channels share the thresholds
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,  // code of a sum that passes no threshold
    parameter bit SCALED   = 0,  // added to and shifted: lib/sum_requantizer.sv
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter logic [ROWS*NUM_T*(X_BITS+4)-1:0] THRESHOLDS = '0
) (
    input  wire logic                 ap_clk,
    input  wire logic                 ap_rst_n,
    input  wire logic [PE*X_BITS-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output      logic                 s_axis_tready,
    output      logic [PE*Y_BITS-1:0] m_axis_tdata,
    output      logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);
  localparam int SUM_BITS = X_BITS + 4;
  localparam logic [X_BITS-1:0] SIGN = X_BITS'(X_SIGNED) << (X_BITS - 1);
  logic [PE*SUM_BITS-1:0] sums;
  logic sums_valid, sums_ready;

  bilinear #(
      .HEIGHT(HEIGHT), .WIDTH(WIDTH), .CHANNELS(CHANNELS), .PE(PE), .X_BITS(X_BITS), .RAM_STYLE(RAM_STYLE)
  ) upsampling (
      .clk(ap_clk), .rst_n(ap_rst_n), .x_data(s_axis_tdata ^ {PE{SIGN}}), .x_valid(s_axis_tvalid), .x_ready(s_axis_tready),
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
