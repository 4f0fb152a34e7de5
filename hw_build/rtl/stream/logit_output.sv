// Output stage: one logit a beat in, 32-bit words with TLAST at the end of the frame out.
//
// Formula:     mask_mode = 0: word = logit, sign-extended (or zero-extended, SIGNED = 0).
//              mask_mode = 1: bit i of word w = (logit of pixel 32*w + i > 0), pixels in raster order.
// Latency:     1 cycle after the logit that completes a word.
// Throughput:  one logit a cycle.
// Limits:      PIXELS (of a frame) is a multiple of 32; mask_mode changes only between frames.
`default_nettype none
module logit_output #(
  parameter int unsigned LOGIT_BITS = 16,
  parameter bit          SIGNED = 1'b1,
  parameter int unsigned PIXELS = 256
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire logic                  mask_mode,
  input  wire logic [LOGIT_BITS-1:0] s_axis_tdata,
  input  wire logic                  s_axis_tvalid,
  output      logic                  s_axis_tready,
  output      logic [31:0]           m_axis_tdata,
  output      logic                  m_axis_tvalid,
  input  wire logic                  m_axis_tready,
  output      logic                  m_axis_tlast
);

  if (PIXELS % 32 != 0) begin : g_pixels_check
    $error("logit_output: PIXELS=%0d, must be a multiple of 32", PIXELS);
  end
  if (LOGIT_BITS > 32) begin : g_bits_check
    $error("logit_output: LOGIT_BITS=%0d, must be at most 32", LOGIT_BITS);
  end

  localparam int unsigned PIXEL_BITS = $clog2(PIXELS);

  logic [PIXEL_BITS-1:0] pixel_q = '0;
  logic                  valid_q = 1'b0;
  logic                  last_q = 1'b0;
  logic [31:0]           word_q = '0;
  logic [30:0]           bits_q = '0;  // mask bits of the word so far, the newest on top

  logic [31:0] logit;
  if (SIGNED) begin : g_signed
    assign logit = 32'($signed(s_axis_tdata));
  end else begin : g_unsigned
    assign logit = 32'(s_axis_tdata);
  end

  wire logic positive = (s_axis_tdata != '0) && !(SIGNED && s_axis_tdata[LOGIT_BITS-1]);
  wire logic [31:0] bits_d = {positive, bits_q};
  wire logic take = s_axis_tvalid && s_axis_tready;
  wire logic frame_end = pixel_q == PIXEL_BITS'(PIXELS - 1);
  wire logic give = take && (!mask_mode || pixel_q[4:0] == 5'd31);

  always_ff @(posedge ap_clk) begin
    if (take) bits_q <= bits_d[31:1];
    if (give) begin
      word_q <= mask_mode ? bits_d : logit;
      last_q <= frame_end;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      pixel_q <= '0;
      valid_q <= 1'b0;
    end else begin
      if (take) pixel_q <= frame_end ? '0 : pixel_q + 1'b1;
      valid_q <= give || (valid_q && !m_axis_tready);
    end
  end

  assign s_axis_tready = !valid_q || m_axis_tready;
  assign m_axis_tdata = word_q;
  assign m_axis_tvalid = valid_q;
  assign m_axis_tlast = last_q;

endmodule
`default_nettype wire
