// Sum over TIMES beats of each channel: Y[c] = sum over t of X[t*CHANNELS + c], exact: the taps of a window, the pixels of
// a frame.
//
// Streams: TIMES*CHANNELS/PE beats, lane p of beat g of a time is channel g*PE+p at bits [p*X_BITS +: X_BITS], signed when
// X_SIGNED. What comes out is CHANNELS/PE beats, of Y_BITS a lane.
//
// Throughput: one input beat a cycle. Latency: 1 cycle after the last time. Limits: PE divides CHANNELS; Y_BITS hold every
// sum.
`default_nettype none
module channel_sum #(
  parameter int unsigned CHANNELS = 2,
  parameter int unsigned PE = 1,  // channels a beat
  parameter int unsigned TIMES = 9,
  parameter int unsigned X_BITS = 4,
  parameter bit          X_SIGNED = 0,
  parameter int unsigned Y_BITS = 8
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
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("channel_sum: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (Y_BITS < X_BITS) begin : g_check_bits
    $error("channel_sum: Y_BITS=%0d is narrower than the input", Y_BITS);
  end

  logic first;
  logic [PE*Y_BITS-1:0] so_far, sums;
  channel_fold #(
      .GROUPS(CHANNELS / PE),
      .TIMES (TIMES),
      .BITS  (PE * Y_BITS)
  ) fold (
      .folded(sums),
      .*
  );
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    wire logic [X_BITS-1:0] x = x_data[lane*X_BITS+:X_BITS];
    wire logic [Y_BITS-1:0] wide = X_SIGNED ? Y_BITS'($signed(x)) : Y_BITS'(x);
    assign sums[lane*Y_BITS+:Y_BITS] = wide + (first ? '0 : so_far[lane*Y_BITS+:Y_BITS]);
  end
endmodule
`default_nettype wire
