// Bilinear x2 upsampling with thresholds: Y = number of t < NUM_T with THRESHOLDS[row][t] <= 16 * interpolated value.
//
// X unsigned; streams, throughput and limits: see bilinear2x.sv; THRESHOLDS: see lib/sum_thresholds.sv. Two cycles more
// of latency. Timing: tready and tvalid come from registers.
`default_nettype none
module bilinear2x_threshold #(
    parameter int HEIGHT   = 4,
    parameter int WIDTH    = 6,
    parameter int CHANNELS = 2,
    parameter int PE       = 1,
    parameter int X_BITS   = 4,
    parameter     RAM_STYLE = "auto",
    parameter int NUM_T    = 15,
    parameter int ROWS     = 1,  // 1: all channels share the thresholds
    parameter int Y_BITS   = 4,
    parameter bit SCALED   = 0,  // added to and shifted: lib/sum_requantizer.sv
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter logic [ROWS*NUM_T*(X_BITS+4)-1:0] THRESHOLDS = '0
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  localparam int SUM_BITS = X_BITS + 4;
  logic [PE*SUM_BITS-1:0] sums;
  logic sums_valid, sums_ready;

  bilinear2x #(
      .HEIGHT(HEIGHT), .WIDTH(WIDTH), .CHANNELS(CHANNELS), .PE(PE), .X_BITS(X_BITS), .RAM_STYLE(RAM_STYLE)
  ) upsampling (
      .clk(clk), .rst_n(rst_n), .x_data(x_data), .x_valid(x_valid), .x_ready(x_ready),
      .y_data(sums), .y_valid(sums_valid), .y_ready(sums_ready)
  );
  sum_thresholds #(
      .ROWS(ROWS), .LANES(PE), .NUM_T(NUM_T), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .SCALED(SCALED), .SHIFT(SHIFT),
      .OFFSET(OFFSET), .CONTENTS(THRESHOLDS)
  ) table_of_sums (
      .clk(clk), .rst_n(rst_n), .x_data(sums), .x_valid(sums_valid), .x_ready(sums_ready),
      .y_data(y_data), .y_valid(y_valid), .y_ready(y_ready)
  );
endmodule
`default_nettype wire
