// Zeros around an image: TOP rows above, BOTTOM below, LEFT and RIGHT pixels beside, and groups of channels before and
// behind those of a pixel. No zero of a frame leaves before the frame's first beat is there.
//
// Streams: pixels in raster order, frames back to back; a pixel is GROUPS beats of BEAT bits, whatever they hold, of the
// input, and GROUPS_BEFORE + GROUPS + GROUPS_BEHIND of the output.
//
// Throughput: one output beat a cycle. Latency: 1 cycle. Limits: none.
`default_nettype none
module zero_pad #(
  parameter int unsigned HEIGHT = 4,
  parameter int unsigned WIDTH = 4,
  parameter int unsigned GROUPS = 1,  // beats a pixel
  parameter int unsigned BEAT = 4,    // bits
  parameter int unsigned TOP = 1,
  parameter int unsigned LEFT = 1,
  parameter int unsigned BOTTOM = 1,
  parameter int unsigned RIGHT = 1,
  parameter int unsigned GROUPS_BEFORE = 0,
  parameter int unsigned GROUPS_BEHIND = 0
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
  // ---- position in the output ---------------------------------------------------------------------------------------
  logic in_pixel, in_row, in_frame;  // of the three axes
  logic last_group, last_col, last_row;
  logic begun_q;  // a beat of this frame has left
  wire logic en = y_ready;
  wire logic of_image = in_pixel && in_row && in_frame;
  wire logic step = en && (x_valid || (begun_q && !of_image));
  wire logic row_ends = step && last_group && last_col;
  assign x_ready = en && of_image;

  pad_axis #(.BEFORE(GROUPS_BEFORE), .SIZE(GROUPS), .BEHIND(GROUPS_BEHIND)) groups (
    .clk, .rst_n, .step, .of_image(in_pixel), .last(last_group)
  );
  pad_axis #(.BEFORE(LEFT), .SIZE(WIDTH), .BEHIND(RIGHT)) columns (
    .clk, .rst_n, .step(step && last_group), .of_image(in_row), .last(last_col)
  );
  pad_axis #(.BEFORE(TOP), .SIZE(HEIGHT), .BEHIND(BOTTOM)) rows (
    .clk, .rst_n, .step(row_ends), .of_image(in_frame), .last(last_row)
  );

  always_ff @(posedge clk) begin
    if (!rst_n) begun_q <= 1'b0;
    else if (step) begun_q <= !(last_group && last_col && last_row);
  end

  always_ff @(posedge clk) begin
    if (step) y_data <= of_image ? x_data : '0;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step;
  end
endmodule
`default_nettype wire
