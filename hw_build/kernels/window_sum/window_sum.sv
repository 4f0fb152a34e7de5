// Sum over the taps of windows: Y[c] = sum over t of X[t*CHANNELS + c], for each window of TAPS*CHANNELS values.
//
// Streams: windows one after the other; a window is TAPS*CHANNELS/PE beats, lane p of beat g of a tap is channel g*PE+p at
// bits [p*X_BITS +: X_BITS], signed when X_SIGNED. What comes out is CHANNELS/PE beats a window, of lanes of Y_BITS.
//
// Throughput: one input beat a cycle. Latency: 1 cycle after the last tap. Limits: PE divides CHANNELS, TAPS >= 2,
// Y_BITS hold every sum.
`default_nettype none
module window_sum #(
  parameter int unsigned CHANNELS = 2,
  parameter int unsigned PE = 1,  // channels a beat
  parameter int unsigned TAPS = 9,
  parameter int unsigned X_BITS = 4,
  parameter bit          X_SIGNED = 0,
  parameter int unsigned Y_BITS = 8,
  localparam int unsigned SUMS = PE * Y_BITS
) (
  input  wire logic                 clk,
  input  wire logic                 rst_n,
  input  wire logic [PE*X_BITS-1:0] x_data,
  input  wire logic                 x_valid,
  output      logic                 x_ready,
  output      logic [     SUMS-1:0] y_data,
  output      logic                 y_valid,
  input  wire logic                 y_ready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("window_sum: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (TAPS < 2) begin : g_check_taps
    $error("window_sum: TAPS=%0d must be 2 or more", TAPS);
  end

  localparam int unsigned GROUPS = CHANNELS / PE;
  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int unsigned TB = $clog2(TAPS);

  logic [GB-1:0] group_q;
  logic [TB-1:0] tap_q;
  wire logic en = y_ready;
  wire logic step = en && x_valid;
  wire logic tap_ends = group_q == GB'(GROUPS - 1);
  wire logic last_tap = tap_q == TB'(TAPS - 1);
  assign x_ready = en;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      tap_q   <= '0;
    end else if (step) begin
      group_q <= tap_ends ? '0 : group_q + 1'b1;
      if (tap_ends) tap_q <= last_tap ? '0 : tap_q + 1'b1;
    end
  end

  // ---- the sum so far, of each channel ---------------------------------------------------------------------------
  logic [SUMS-1:0] so_far, sums;
  if (GROUPS == 1) begin : g_register
    logic [SUMS-1:0] so_far_q;
    assign so_far = so_far_q;
    always_ff @(posedge clk) if (step) so_far_q <= sums;
  end else begin : g_memory
    (* ram_style = "distributed" *) logic [SUMS-1:0] memory[GROUPS];
    assign so_far = memory[group_q];
    always_ff @(posedge clk) if (step) memory[group_q] <= sums;
  end
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    wire logic [Y_BITS-1:0] old = (tap_q == '0) ? '0 : so_far[lane*Y_BITS+:Y_BITS];
    wire logic [X_BITS-1:0] come = x_data[lane*X_BITS+:X_BITS];
    assign sums[lane*Y_BITS+:Y_BITS] = old + (X_SIGNED ? Y_BITS'($signed(come)) : Y_BITS'(come));
  end

  always_ff @(posedge clk) begin
    if (step) y_data <= sums;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step && last_tap;
  end
endmodule
`default_nettype wire
