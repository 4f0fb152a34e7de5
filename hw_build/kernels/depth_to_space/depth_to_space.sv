// Depth to space: a pixel of BLOCK*BLOCK*CHANNELS channels becomes BLOCK x BLOCK pixels of CHANNELS,
//
//   Y[BLOCK*y + i, BLOCK*x + j, c] = X[y, x, (i*BLOCK + j)*CHANNELS + c]        (ONNX' mode DCR)
//
// Streams: pixels in raster order, frames back to back; a beat is PE channels, lane p at bits [p*X_BITS +: X_BITS]. What
// belongs to the first row of a block leaves as it comes; the BLOCK-1 rows below it are stored and leave when the row of
// the input ends.
//
// Throughput: a beat of the input a cycle, then as many cycles as the stored rows have beats. Latency: 2 cycles. Limits:
// PE divides CHANNELS, BLOCK >= 2; the image's height, which the core need not know.
`default_nettype none
module depth_to_space #(
  parameter int unsigned WIDTH = 4,     // columns of the input
  parameter int unsigned CHANNELS = 2,  // of the output
  parameter int unsigned PE = 1,        // channels a beat
  parameter int unsigned X_BITS = 4,
  parameter int unsigned BLOCK = 2,
  parameter              RAM_STYLE = "auto",  // of the stored rows
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
    $error("depth_to_space: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (BLOCK < 2) begin : g_check_block
    $error("depth_to_space: BLOCK=%0d must be 2 or more", BLOCK);
  end

  localparam int unsigned PART = BLOCK * (CHANNELS / PE);  // beats of a pixel that lie in one row of the output
  localparam int unsigned ROW = WIDTH * PART;              // beats of a row of the output
  localparam int unsigned STORED = (BLOCK - 1) * ROW;
  localparam int unsigned PB = (PART > 1) ? $clog2(PART) : 1;
  localparam int unsigned BB = $clog2(BLOCK);
  localparam int unsigned AB = $clog2(STORED);
  localparam int unsigned CB = (WIDTH > 1) ? $clog2(WIDTH) : 1;

  // ---- position in the input, then in what is stored ----------------------------------------------------------------
  logic [PB-1:0] beat_q;    // in its part
  logic [BB-1:0] part_q;    // row of the block
  logic [CB-1:0] col_q;
  logic [AB-1:0] first_q;   // address of the pixel's first stored beat
  logic [AB-1:0] addr_q;    // to store at, or to read
  logic          giving_q;  // the stored rows leave

  logic en;
  wire logic step = en && (giving_q || s_axis_tvalid);
  wire logic part_ends = beat_q == PB'(PART - 1);
  wire logic pixel_ends = part_ends && part_q == BB'(BLOCK - 1);
  wire logic row_ends = pixel_ends && col_q == CB'(WIDTH - 1);
  wire logic passes = !giving_q && part_q == '0;
  assign s_axis_tready = en && !giving_q;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      beat_q   <= '0;
      part_q   <= '0;
      col_q    <= '0;
      first_q  <= '0;
      addr_q   <= '0;
      giving_q <= 1'b0;
    end else if (step && giving_q) begin
      addr_q <= (addr_q == AB'(STORED - 1)) ? '0 : addr_q + 1'b1;
      if (addr_q == AB'(STORED - 1)) giving_q <= 1'b0;
    end else if (step) begin
      beat_q <= part_ends ? '0 : beat_q + 1'b1;
      if (part_q != '0) addr_q <= addr_q + 1'b1;
      if (part_ends) begin
        part_q <= pixel_ends ? '0 : part_q + 1'b1;
        if (part_q != '0) addr_q <= addr_q + AB'(ROW - PART + 1);  // a row further
      end
      if (pixel_ends) begin
        col_q   <= row_ends ? '0 : col_q + 1'b1;
        first_q <= row_ends ? '0 : first_q + AB'(PART);
        addr_q  <= row_ends ? '0 : first_q + AB'(PART);
        giving_q <= row_ends;
      end
    end
  end

  // ---- the rows, and the beat that has come just now ----------------------------------------------------------------
  logic [BEAT-1:0] stored_q, come_q, y_data;
  logic y_valid_q, passes_q;

  row_memory #(
      .DEPTH(STORED), .WIDTH(BEAT), .RAM_STYLE(RAM_STYLE)
  ) row_mem (
      .clk(ap_clk), .write(step && !giving_q && !passes), .write_addr(addr_q), .write_data(s_axis_tdata),
      .read(step && giving_q), .read_addr(addr_q), .read_data(stored_q)
  );
  always_ff @(posedge ap_clk) begin
    if (step) begin
      come_q   <= s_axis_tdata;
      passes_q <= passes;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) y_valid_q <= 1'b0;
    else if (en) y_valid_q <= step && (giving_q || passes);
  end
  assign y_data = passes_q ? come_q : stored_q;

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
