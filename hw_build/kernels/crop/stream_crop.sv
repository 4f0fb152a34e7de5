// A part of an image: the beats of every ROW_STEP-th row from ROW_FIRST to ROW_LAST, of these every COL_STEP-th pixel from
// COL_FIRST to COL_LAST, and of these the groups of channels from GROUP_FIRST to GROUP_LAST. The others are passed over.
//
// Streams: pixels in raster order, frames back to back; a pixel is GROUPS beats of BEAT bits, whatever they hold.
//
// Throughput: one input beat a cycle. Latency: 1 cycle. Limits: the last of each kind is the first plus whole steps.
`default_nettype none
module stream_crop #(
  parameter int unsigned HEIGHT = 4,
  parameter int unsigned WIDTH = 4,
  parameter int unsigned GROUPS = 1,  // beats a pixel
  parameter int unsigned BEAT = 4,    // bits
  parameter int unsigned ROW_FIRST = 0,
  parameter int unsigned ROW_LAST = 2,
  parameter int unsigned ROW_STEP = 2,
  parameter int unsigned COL_FIRST = 0,
  parameter int unsigned COL_LAST = 2,
  parameter int unsigned COL_STEP = 2,
  parameter int unsigned GROUP_FIRST = 0,
  parameter int unsigned GROUP_LAST = 0
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
  if ((ROW_LAST - ROW_FIRST) % ROW_STEP != 0 || (COL_LAST - COL_FIRST) % COL_STEP != 0) begin : g_check_steps
    $error("stream_crop: rows %0d to %0d, columns %0d to %0d must be whole steps of %0d and %0d apart", ROW_FIRST, ROW_LAST,
           COL_FIRST, COL_LAST, ROW_STEP, COL_STEP);
  end
  if (ROW_LAST >= HEIGHT || COL_LAST >= WIDTH || GROUP_LAST >= GROUPS) begin : g_check_size
    $error("stream_crop: row %0d, column %0d, group %0d must lie in %0d x %0d x %0d", ROW_LAST, COL_LAST, GROUP_LAST, HEIGHT,
           WIDTH, GROUPS);
  end

  localparam int unsigned RB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int unsigned CB = (WIDTH > 1) ? $clog2(WIDTH) : 1;
  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;

  // ---- position, and the next row and column that are kept ----------------------------------------------------------
  logic [RB-1:0] row_q, next_row_q;
  logic [CB-1:0] col_q, next_col_q;
  logic [GB-1:0] group_q;
  wire logic en = y_ready;
  wire logic step = en && x_valid;
  wire logic pixel_ends = group_q == GB'(GROUPS - 1);
  wire logic row_ends = pixel_ends && col_q == CB'(WIDTH - 1);
  wire logic frame_ends = row_ends && row_q == RB'(HEIGHT - 1);
  wire logic row_kept = row_q == next_row_q;
  wire logic col_kept = col_q == next_col_q;
  wire logic group_kept = 32'(group_q) + 1 > GROUP_FIRST && 32'(group_q) <= GROUP_LAST;
  assign x_ready = en;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      row_q      <= '0;
      col_q      <= '0;
      group_q    <= '0;
      next_row_q <= RB'(ROW_FIRST);
      next_col_q <= CB'(COL_FIRST);
    end else if (step) begin
      group_q <= pixel_ends ? '0 : group_q + 1'b1;
      if (pixel_ends) col_q <= row_ends ? '0 : col_q + 1'b1;
      if (row_ends) row_q <= frame_ends ? '0 : row_q + 1'b1;
      // behind the last one the first is the next, which does not come before the row or frame ends
      if (pixel_ends && col_kept) next_col_q <= (col_q == CB'(COL_LAST)) ? CB'(COL_FIRST) : col_q + CB'(COL_STEP);
      if (row_ends && row_kept) next_row_q <= (row_q == RB'(ROW_LAST)) ? RB'(ROW_FIRST) : row_q + RB'(ROW_STEP);
    end
  end

  always_ff @(posedge clk) begin
    if (step) y_data <= x_data;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step && row_kept && col_kept && group_kept;
  end
endmodule
`default_nettype wire
