// Sum over the taps of windows: Y[c] = sum over t of X[t*CHANNELS + c], for each window of TAPS*CHANNELS values.
//
// Streams: windows one after the other; a window is TAPS*CHANNELS/PE beats, lane p of beat g of a tap is channel g*PE+p at
// bits [p*X_BITS +: X_BITS], signed when X_SIGNED. What comes out is CHANNELS/PE beats a window, of lanes of Y_BITS.
//
// Throughput: one input beat a cycle. Latency: 2 cycles after the last tap. Limits: PE divides CHANNELS, TAPS >= 2,
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
  input  wire logic                 ap_clk,
  input  wire logic                 ap_rst_n,
  input  wire logic [PE*X_BITS-1:0] s_axis_tdata,
  input  wire logic                 s_axis_tvalid,
  output      logic                 s_axis_tready,
  output      logic [     SUMS-1:0] m_axis_tdata,
  output      logic                 m_axis_tvalid,
  input  wire logic                 m_axis_tready
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
  logic en;
  wire logic step = en && s_axis_tvalid;
  wire logic tap_ends = group_q == GB'(GROUPS - 1);
  wire logic last_tap = tap_q == TB'(TAPS - 1);
  assign s_axis_tready = en;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      group_q <= '0;
      tap_q   <= '0;
    end else if (step) begin
      group_q <= tap_ends ? '0 : group_q + 1'b1;
      if (tap_ends) tap_q <= last_tap ? '0 : tap_q + 1'b1;
    end
  end

  // ---- the sum so far, of each channel ---------------------------------------------------------------------------
  logic [SUMS-1:0] so_far, sums, y_q;
  if (GROUPS == 1) begin : g_register
    logic [SUMS-1:0] so_far_q;
    assign so_far = so_far_q;
    always_ff @(posedge ap_clk) if (step) so_far_q <= sums;
  end else begin : g_memory
    (* ram_style = "distributed" *) logic [SUMS-1:0] memory[GROUPS];
    assign so_far = memory[group_q];
    always_ff @(posedge ap_clk) if (step) memory[group_q] <= sums;
  end
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    wire logic [Y_BITS-1:0] old = (tap_q == '0) ? '0 : so_far[lane*Y_BITS+:Y_BITS];
    wire logic [X_BITS-1:0] come = s_axis_tdata[lane*X_BITS+:X_BITS];
    assign sums[lane*Y_BITS+:Y_BITS] = old + (X_SIGNED ? Y_BITS'($signed(come)) : Y_BITS'(come));
  end

  logic y_valid_q;
  always_ff @(posedge ap_clk) begin
    if (step) y_q <= sums;
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) y_valid_q <= 1'b0;
    else if (en) y_valid_q <= step && last_tap;
  end

  stream_fifo2 #(
    .DATA_BITS(SUMS)
  ) out_buffer (
    .clk      (ap_clk),
    .rst_n    (ap_rst_n),
    .in_data  (y_q),
    .in_valid (y_valid_q),
    .in_ready (en),
    .out_data (m_axis_tdata),
    .out_valid(m_axis_tvalid),
    .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
