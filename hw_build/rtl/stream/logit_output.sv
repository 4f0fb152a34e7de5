// Output stage: logits in, one a beat, the classes of a pixel in turn; 32-bit words with TLAST at the frame's end out.
//
// Formula:     mask_mode = 0: word = logit, sign-extended (or zero-extended, SIGNED = 0).
//              mask_mode = 1, CLASSES = 1: bit i of word w = (logit of pixel 32*w + i > 0), pixels in raster order.
//              mask_mode = 1, CLASSES > 1: byte i of word w = index of the largest logit of pixel 4*w + i (argmax.sv).
// Padding:     zeros fill the last word, and a word of zeros follows where a frame has an odd number of words: frames
//              are whole beats of 8 bytes.
// Latency:     1 cycle after the logit that completes a word.
// Throughput:  one logit a cycle; the word of padding takes a cycle of its own.
// Limits:      CLASSES is 1 to 256; mask_mode changes only between frames.
`default_nettype none
module logit_output #(
  parameter int unsigned LOGIT_BITS = 16,
  parameter bit          SIGNED = 1'b1,
  parameter int unsigned PIXELS = 256,
  parameter int unsigned CLASSES = 1
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

  if (CLASSES < 1 || CLASSES > 256) begin : g_classes_check
    $error("logit_output: CLASSES=%0d, must be 1 to 256", CLASSES);
  end
  if (LOGIT_BITS > 32) begin : g_bits_check
    $error("logit_output: LOGIT_BITS=%0d, must be at most 32", LOGIT_BITS);
  end

  localparam int unsigned PIXEL_BITS = (PIXELS > 1) ? $clog2(PIXELS) : 1;
  localparam int unsigned DECISION_BITS = (CLASSES == 1) ? 1 : 8;
  localparam int unsigned PER_WORD = 32 / DECISION_BITS;
  localparam int unsigned PLACE_BITS = $clog2(PER_WORD);
  localparam int unsigned MASK_WORDS = (PIXELS + PER_WORD - 1) / PER_WORD;
  localparam int unsigned EMPTY_BITS = 32 * MASK_WORDS - DECISION_BITS * PIXELS;  // of the last word of a mask

  logic [PIXEL_BITS-1:0] pixel_q = '0;
  logic                  valid_q = 1'b0;
  logic                  last_q = 1'b0;
  logic                  padding;  // a word of zeros follows the one on offer
  logic [31:0]           word_q = '0;
  logic [31-DECISION_BITS:0] decisions_q = '0;  // of the mask's word so far, the newest on top

  logic [31:0] logit;
  if (SIGNED) begin : g_signed
    assign logit = 32'($signed(s_axis_tdata));
  end else begin : g_unsigned
    assign logit = 32'(s_axis_tdata);
  end

  wire logic take = s_axis_tvalid && s_axis_tready;
  logic [DECISION_BITS-1:0] decision;
  logic pixel_end;  // with the last class of a pixel
  if (CLASSES == 1) begin : g_positive
    assign decision = (s_axis_tdata != '0) && !(SIGNED && s_axis_tdata[LOGIT_BITS-1]);
    assign pixel_end = 1'b1;
  end else begin : g_largest
    logic [$clog2(CLASSES)-1:0] index;
    argmax #(
      .LOGIT_BITS(LOGIT_BITS),
      .SIGNED    (SIGNED),
      .CLASSES   (CLASSES)
    ) largest (
      .ap_clk  (ap_clk),
      .ap_rst_n(ap_rst_n),
      .take    (take),
      .logit   (s_axis_tdata),
      .last    (pixel_end),
      .index   (index)
    );
    assign decision = DECISION_BITS'(index);
  end

  wire logic [31:0] decisions_d = {decision, decisions_q};
  wire logic frame_end = pixel_end && pixel_q == PIXEL_BITS'(PIXELS - 1);
  wire logic ends_short = EMPTY_BITS != 0 && frame_end;  // in a word of a mask that is not full
  wire logic mask_word = pixel_end && (PLACE_BITS'(pixel_q) == '1 || ends_short);
  wire logic give = take && (!mask_mode || mask_word);
  wire logic is_odd = mask_mode ? MASK_WORDS % 2 == 1 : PIXELS * CLASSES % 2 == 1;  // in words
  wire logic pad = padding && m_axis_tready;

  if (MASK_WORDS % 2 == 1 || PIXELS * CLASSES % 2 == 1) begin : g_padding
    logic padding_q = 1'b0;
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) padding_q <= 1'b0;
      else padding_q <= (give && frame_end && is_odd) || (padding_q && !m_axis_tready);
    end
    assign padding = padding_q;
  end else begin : g_even
    assign padding = 1'b0;
  end

  always_ff @(posedge ap_clk) begin
    if (take && pixel_end) decisions_q <= decisions_d[31:DECISION_BITS];
    if (give) begin
      word_q <= !mask_mode ? logit : ends_short ? decisions_d >> EMPTY_BITS : decisions_d;
      last_q <= frame_end && !is_odd;
    end else if (pad) begin
      word_q <= '0;
      last_q <= 1'b1;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      pixel_q <= '0;
      valid_q <= 1'b0;
    end else begin
      if (take && pixel_end) pixel_q <= frame_end ? '0 : pixel_q + 1'b1;
      valid_q <= give || pad || (valid_q && !m_axis_tready);
    end
  end

  assign s_axis_tready = (!valid_q || m_axis_tready) && !padding;
  assign m_axis_tdata = word_q;
  assign m_axis_tvalid = valid_q;
  assign m_axis_tlast = last_q;

endmodule
`default_nettype wire
