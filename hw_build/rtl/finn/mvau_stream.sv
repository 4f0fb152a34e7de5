// FINN's matrix-vector unit (mvu_vvu_axi) with its weights in a ROM beside it.
//
// Formula:     Y[o] = sum over i of W[o][i] * X[i], per input vector of MW elements; MH sums out.
// Input:       MW/SIMD beats of SIMD activations; output: MH/PE beats of PE sums, ACCU_WIDTH bits each.
// Weights:     ROM word o/PE * MW/SIMD + i/SIMD holds W[o][i] at bits ((o%PE)*SIMD + i%SIMD)*WEIGHT_WIDTH.
// Throughput:  MW/SIMD * MH/PE cycles a vector; the weights never stall it.
// Limits:      those of mvu_vvu_axi: signed weights, at least 2 bits each; widths padded to bytes as FINN has it.
`default_nettype none
module mvau_stream #(
  parameter int unsigned VERSION = 1,
  parameter int unsigned MW = 1,
  parameter int unsigned MH = 1,
  parameter int unsigned PE = 1,
  parameter int unsigned SIMD = 1,
  parameter int unsigned ACTIVATION_WIDTH = 4,
  parameter int unsigned WEIGHT_WIDTH = 4,
  parameter int unsigned ACCU_WIDTH = 16,
  parameter bit          NARROW_WEIGHTS = 1'b0,
  parameter bit          SIGNED_ACTIVATIONS = 1'b0,
  parameter              WEIGHT_FILE = "",
  parameter              RAM_STYLE = "auto",
  localparam int unsigned IN_BITS = (SIMD * ACTIVATION_WIDTH + 7) / 8 * 8,
  localparam int unsigned OUT_BITS = (PE * ACCU_WIDTH + 7) / 8 * 8
) (
  input  wire logic                ap_clk,
  input  wire logic                ap_rst_n,
  input  wire logic [IN_BITS-1:0]  s_axis_tdata,
  input  wire logic                s_axis_tvalid,
  output      logic                s_axis_tready,
  output      logic [OUT_BITS-1:0] m_axis_tdata,
  output      logic                m_axis_tvalid,
  input  wire logic                m_axis_tready
);

  localparam int unsigned WORD_BITS = PE * SIMD * WEIGHT_WIDTH;
  localparam int unsigned WORDS = (MW / SIMD) * (MH / PE);

  logic [WORD_BITS-1:0] weights_tdata;
  logic                 weights_tvalid;
  logic                 weights_tready;

  weight_rom #(
    .WIDTH    (WORD_BITS),
    .DEPTH    (WORDS),
    .INIT_FILE(WEIGHT_FILE),
    .RAM_STYLE(RAM_STYLE)
  ) weights (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .m_axis_tdata (weights_tdata),
    .m_axis_tvalid(weights_tvalid),
    .m_axis_tready(weights_tready)
  );

  mvu_vvu_axi #(
    .IS_MVU            (1'b1),
    .VERSION           (VERSION),
    .MW                (MW),
    .MH                (MH),
    .PE                (PE),
    .SIMD              (SIMD),
    .ACTIVATION_WIDTH  (ACTIVATION_WIDTH),
    .WEIGHT_WIDTH      (WEIGHT_WIDTH),
    .ACCU_WIDTH        (ACCU_WIDTH),
    .NARROW_WEIGHTS    (NARROW_WEIGHTS),
    .SIGNED_ACTIVATIONS(SIGNED_ACTIVATIONS)
  ) unit (
    .ap_clk               (ap_clk),
    .ap_clk2x             (ap_clk),
    .ap_rst_n             (ap_rst_n),
    .s_axis_weights_tdata (((WORD_BITS + 7) / 8 * 8)'(weights_tdata)),
    .s_axis_weights_tvalid(weights_tvalid),
    .s_axis_weights_tready(weights_tready),
    .s_axis_input_tdata   (s_axis_tdata),
    .s_axis_input_tvalid  (s_axis_tvalid),
    .s_axis_input_tready  (s_axis_tready),
    .m_axis_output_tdata  (m_axis_tdata),
    .m_axis_output_tvalid (m_axis_tvalid),
    .m_axis_output_tready (m_axis_tready)
  );

endmodule
`default_nettype wire
