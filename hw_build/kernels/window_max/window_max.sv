// Maximum over the taps of windows: Y[c] = max over t of X[t*CHANNELS + c], for each window of TAPS*CHANNELS values.
//
// Streams: windows one after the other; a window is TAPS*CHANNELS/PE beats, lane p of beat g of a tap is channel g*PE+p at
// bits [p*X_BITS +: X_BITS], signed when X_SIGNED. What comes out is CHANNELS/PE beats a window.
//
// Throughput: one input beat a cycle. Latency: 1 cycle after the last tap. Limits: PE divides CHANNELS, TAPS >= 2.
`default_nettype none
module window_max #(
  parameter int unsigned CHANNELS = 2,
  parameter int unsigned PE = 1,  // channels a beat
  parameter int unsigned TAPS = 9,
  parameter int unsigned X_BITS = 4,
  parameter bit          X_SIGNED = 0,
  localparam int unsigned BEAT = PE * X_BITS
) (
  input  wire logic            clk,
  input  wire logic            rst_n,
  input  wire logic [BEAT-1:0] x_data,
  input  wire logic            x_valid,
  output      logic            x_ready,
  output      logic [BEAT-1:0] y_data,
  output      logic            y_valid,
  input  wire logic            y_ready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("window_max: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (TAPS < 2) begin : g_check_taps
    $error("window_max: TAPS=%0d must be 2 or more", TAPS);
  end

  logic first;
  logic [BEAT-1:0] so_far, best;
  channel_fold #(
      .GROUPS(CHANNELS / PE),
      .TIMES (TAPS),
      .BITS  (BEAT)
  ) fold (
      .folded(best),
      .*
  );
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    wire logic [X_BITS-1:0] old = so_far[lane*X_BITS+:X_BITS];
    wire logic [X_BITS-1:0] come = x_data[lane*X_BITS+:X_BITS];
    wire logic greater = X_SIGNED ? $signed(old) > $signed(come) : old > come;
    assign best[lane*X_BITS+:X_BITS] = (greater && !first) ? old : come;
  end
endmodule
`default_nettype wire
