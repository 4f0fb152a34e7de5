// Stands in for edgeseg_accelerator in tests of the shell: the same ports, a network of one pixel, faults on demand.
//
// logit = R + 2 G - 2 B of each pixel (channels that are missing are 0); of class k of several, (R >> k) - k. The first pixel of a frame whose code 0 is F1 to F5 (hex), code 1 being A5, is an
// order that holds until reset: F1 TLAST at every word, F2 TLAST never, F3 no words any more, F4 takes no pixel any more,
// F5 neither, but offers words without end.
`default_nettype none
module standin_core #(
  parameter int unsigned PIXELS = 256,
  parameter int unsigned CHANNELS = 3,
  parameter int unsigned CLASSES = 1,
  parameter int unsigned STEP = 1,  // a result for every STEP-th pixel
  parameter int unsigned SLOWNESS = 0  // cycles between two pixels taken
) (
  input  wire logic        ap_clk,
  input  wire logic        ap_rst_n,
  input  wire logic [8*CHANNELS-1:0] s_axis_tdata,
  input  wire logic        s_axis_tvalid,
  output      logic        s_axis_tready,
  output      logic [31:0] m_axis_tdata,
  output      logic        m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output      logic        m_axis_tlast,
  input  wire logic        mask_mode,
  input  wire logic        isolate,
  input  wire logic        gauge_clk,
  input  wire logic [15:0] gauge_addr,
  output      logic [31:0] gauge_data
);

  typedef enum logic [2:0] {GOOD, EARLY, LATE, SILENT, STUCK, EAGER} order_t;
  order_t      order_q;
  logic [31:0] pixel_q, wait_q;
  logic        stage_valid_q;
  logic [23:0] stage_q;
  logic [7:0]  class_q;
  logic        stage_ready, words_ready, out_valid, out_last;

  wire logic [23:0] code = 24'(s_axis_tdata);
  wire logic take = s_axis_tvalid && s_axis_tready;
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      order_q       <= GOOD;
      pixel_q       <= '0;
      wait_q        <= '0;
      class_q       <= '0;
      stage_valid_q <= 1'b0;
    end else begin
      if (take) pixel_q <= pixel_q == PIXELS - 1 ? '0 : pixel_q + 1'b1;
      if (take) wait_q <= SLOWNESS;
      else if (wait_q != '0) wait_q <= wait_q - 1'b1;
      if (take && pixel_q == '0 && code[15:8] == 8'hA5) begin
        case (code[7:0])
          8'hF1: order_q <= EARLY;
          8'hF2: order_q <= LATE;
          8'hF3: order_q <= SILENT;
          8'hF4: order_q <= STUCK;
          8'hF5: order_q <= EAGER;
          default: ;
        endcase
      end
      if (stage_valid_q && words_ready) class_q <= stage_ready ? '0 : class_q + 1'b1;
      stage_valid_q <= (take && pixel_q % STEP == 0) || (stage_valid_q && !stage_ready);
    end
    if (take && pixel_q % STEP == 0) stage_q <= code;
  end
  assign s_axis_tready = (!stage_valid_q || stage_ready) && wait_q == '0 && order_q != STUCK && order_q != EAGER;

  wire logic [11:0] weighed = 12'(stage_q[7:0]) + 12'({stage_q[15:8], 1'b0}) - 12'({stage_q[23:16], 1'b0});
  wire logic [11:0] logit = CLASSES == 1 ? weighed : 12'(stage_q[7:0] >> class_q) - 12'(class_q);
  assign stage_ready = words_ready && 32'(class_q) == CLASSES - 1;

  logit_output #(
    .LOGIT_BITS(12),
    .PIXELS    (PIXELS / STEP),
    .CLASSES   (CLASSES)
  ) words (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .mask_mode    (mask_mode),
    .s_axis_tdata (logit),
    .s_axis_tvalid(stage_valid_q),
    .s_axis_tready(words_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(out_valid),
    .m_axis_tready(m_axis_tready),
    .m_axis_tlast (out_last)
  );

  assign m_axis_tvalid = (out_valid && order_q != SILENT) || order_q == EAGER;
  assign m_axis_tlast = order_q == EARLY || (out_last && order_q != LATE);
  assign gauge_data = {30'd0, isolate, gauge_clk} ^ 32'(gauge_addr);

endmodule
`default_nettype wire
