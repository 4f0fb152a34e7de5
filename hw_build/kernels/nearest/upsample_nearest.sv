// Nearest upsampling by FACTOR: Y[y,x,c] = X[y / FACTOR, x / FACTOR, c].
//
// Streams: pixels in raster order, frames back to back; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p
// at bits [p*X_BITS +: X_BITS]. One row of the input is stored; a beat that comes leaves at once and is repeated from
// there.
//
// Throughput: one output beat a cycle. Latency: 2 cycles. Limits: PE divides CHANNELS, FACTOR >= 2; the image's height,
// which the core need not know.
`default_nettype none
module upsample_nearest #(
  parameter int unsigned WIDTH = 4,     // columns of the input
  parameter int unsigned CHANNELS = 2,
  parameter int unsigned PE = 1,        // channels a beat
  parameter int unsigned X_BITS = 4,
  parameter int unsigned FACTOR = 2,
  parameter              RAM_STYLE = "auto",  // of the row
  localparam int unsigned BEAT = PE * X_BITS
) (
  input  wire logic            ap_clk,
  input  wire logic            ap_rst_n,
  input  wire logic [BEAT-1:0] s_axis_tdata,
  input  wire logic            s_axis_tvalid,
  output      logic            s_axis_tready,
  output      logic [BEAT-1:0] m_axis_tdata,
  output      logic            m_axis_tvalid,
  input  wire logic            m_axis_tready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("upsample_nearest: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (FACTOR < 2) begin : g_check_factor
    $error("upsample_nearest: FACTOR=%0d must be 2 or more", FACTOR);
  end

  localparam int unsigned GROUPS = CHANNELS / PE;
  localparam int unsigned ROW = WIDTH * GROUPS;  // beats
  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int unsigned AB = (ROW > 1) ? $clog2(ROW) : 1;
  localparam int unsigned FB = $clog2(FACTOR);

  // ---- position in the output ---------------------------------------------------------------------------------------
  logic [GB-1:0] group_q;
  logic [AB-1:0] addr_q;   // (column of the input, group)
  logic [AB-1:0] pixel_q;  // address of its group 0
  logic [FB-1:0] across_q, down_q;  // repetition of the pixel, of the row

  logic en;
  wire logic fresh = across_q == '0 && down_q == '0;
  wire logic step = en && (!fresh || s_axis_tvalid);
  wire logic pixel_ends = group_q == GB'(GROUPS - 1);
  wire logic repeated = across_q == FB'(FACTOR - 1);
  wire logic row_ends = addr_q == AB'(ROW - 1);
  assign s_axis_tready = en && fresh;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      group_q  <= '0;
      addr_q   <= '0;
      pixel_q  <= '0;
      across_q <= '0;
      down_q   <= '0;
    end else if (step) begin
      group_q <= pixel_ends ? '0 : group_q + 1'b1;
      addr_q  <= addr_q + 1'b1;
      if (pixel_ends) begin
        across_q <= repeated ? '0 : across_q + 1'b1;
        addr_q   <= !repeated ? pixel_q : row_ends ? '0 : addr_q + 1'b1;
        if (repeated) pixel_q <= row_ends ? '0 : addr_q + 1'b1;
        if (repeated && row_ends) down_q <= (down_q == FB'(FACTOR - 1)) ? '0 : down_q + 1'b1;
      end
    end
  end

  // ---- the row, and the beat that has come just now -----------------------------------------------------------------
  logic [BEAT-1:0] stored_q, come_q, y_data;
  logic y_valid_q, fresh_q;

  row_memory #(
      .DEPTH(ROW), .WIDTH(BEAT), .RAM_STYLE(RAM_STYLE)
  ) row_mem (
      .clk(ap_clk), .write(step && fresh), .write_addr(addr_q), .write_data(s_axis_tdata),
      .read(step && !fresh), .read_addr(addr_q), .read_data(stored_q)
  );
  always_ff @(posedge ap_clk) begin
    if (step) begin
      come_q  <= s_axis_tdata;
      fresh_q <= fresh;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) y_valid_q <= 1'b0;
    else if (en) y_valid_q <= step;
  end
  assign y_data = fresh_q ? come_q : stored_q;

  stream_fifo2 #(
    .DATA_BITS(BEAT)
  ) out_buffer (
    .clk      (ap_clk),
    .rst_n    (ap_rst_n),
    .in_data  (y_data),
    .in_valid (y_valid_q),
    .in_ready (en),
    .out_data (m_axis_tdata),
    .out_valid(m_axis_tvalid),
    .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
