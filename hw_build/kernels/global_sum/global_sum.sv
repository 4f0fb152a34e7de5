// Sum of all pixels of a frame: Y[c] = sum over its PIXELS pixels of X[c], exact.
//
// Streams: frames back to back; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p at bits [p*X_BITS +: X_BITS],
// signed when X_SIGNED. What comes out is CHANNELS/PE beats a frame, of Y_BITS a lane.
//
// Throughput: one input beat a cycle. Latency: 1 cycle after the last pixel. Limits: PE divides CHANNELS; Y_BITS holds every
// sum.
`default_nettype none
module global_sum #(
  parameter int unsigned CHANNELS = 2,
  parameter int unsigned PE = 1,  // channels a beat
  parameter int unsigned PIXELS = 16,
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
    $error("global_sum: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (Y_BITS < X_BITS) begin : g_check_bits
    $error("global_sum: Y_BITS=%0d is narrower than the input", Y_BITS);
  end

  localparam int unsigned GROUPS = CHANNELS / PE;
  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int unsigned NB = (PIXELS > 1) ? $clog2(PIXELS) : 1;

  logic [GB-1:0] group_q;
  logic [NB-1:0] pixel_q;
  logic first_q;  // the frame's first pixel
  wire logic en = y_ready;
  wire logic step = en && x_valid;
  wire logic pixel_ends = group_q == GB'(GROUPS - 1);
  wire logic last_pixel = pixel_q == NB'(PIXELS - 1);
  assign x_ready = en;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      pixel_q <= '0;
      first_q <= 1'b1;
    end else if (step) begin
      group_q <= pixel_ends ? '0 : group_q + 1'b1;
      if (pixel_ends) begin
        pixel_q <= last_pixel ? '0 : pixel_q + 1'b1;
        first_q <= last_pixel;
      end
    end
  end

  // ---- the sums so far, of each channel -------------------------------------------------------------------------------
  logic [PE*Y_BITS-1:0] so_far, sums;
  if (GROUPS == 1) begin : g_register
    logic [PE*Y_BITS-1:0] so_far_q;
    assign so_far = so_far_q;
    always_ff @(posedge clk) if (step) so_far_q <= sums;
  end else begin : g_memory
    (* ram_style = "distributed" *) logic [PE*Y_BITS-1:0] memory[GROUPS];
    assign so_far = memory[group_q];
    always_ff @(posedge clk) if (step) memory[group_q] <= sums;
  end
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    wire logic [X_BITS-1:0] x = x_data[lane*X_BITS+:X_BITS];
    wire logic [Y_BITS-1:0] wide = X_SIGNED ? Y_BITS'($signed(x)) : Y_BITS'(x);
    assign sums[lane*Y_BITS+:Y_BITS] = wide + (first_q ? '0 : so_far[lane*Y_BITS+:Y_BITS]);
  end

  always_ff @(posedge clk) begin
    if (step) y_data <= sums;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step && last_pixel;
  end
endmodule
`default_nettype wire
