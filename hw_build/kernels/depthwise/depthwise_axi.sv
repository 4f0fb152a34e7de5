// AXI-Stream wrapper of depthwise: checks the parameters and buffers the output, so that s_axis_tready does not
// depend combinationally on m_axis_tready. Formula, stream order, lanes, throughput and limits: see depthwise.sv.
module depthwise_axi #(
    parameter int HEIGHT    = 8,
    parameter int WIDTH     = 8,
    parameter int CHANNELS  = 2,
    parameter int K         = 3,
    parameter int PE        = 1,
    parameter int SIMD      = 1,
    parameter int X_BITS    = 4,
    parameter int W_BITS    = 4,
    parameter int ACC_BITS  = 12,
    parameter int NUM_T     = 15,
    parameter int R_BITS    = 4,
    parameter bit RESIDUAL  = 1,
    parameter int NUM_T_SUM = 15,
    parameter int SUM_BITS  = 5,
    parameter int SUM_ROWS  = 1,
    parameter int Y_BITS    = 4,
    parameter     RAM_STYLE = "auto",
    parameter bit SCALED    = 0,
    parameter int M_BITS    = 1,
    parameter int B_BITS    = 1,
    parameter int SHIFT     = 0,
    parameter bit SUM_SCALED = 0,
    parameter int SUM_SHIFT  = 0,
    parameter int SUM_OFFSET = 0,
    parameter logic [CHANNELS*K*K*W_BITS-1:0]         WEIGHTS        = '0,
    parameter logic [CHANNELS*NUM_T*ACC_BITS-1:0]     THRESHOLDS     = '0,
    parameter logic [CHANNELS*M_BITS-1:0]            SCALES         = '0,
    parameter logic [CHANNELS*B_BITS-1:0]            OFFSETS        = '0,
    parameter logic [SUM_ROWS*NUM_T_SUM*SUM_BITS-1:0] SUM_THRESHOLDS = '0
) (
    input  logic                 ap_clk,
    input  logic                 ap_rst_n,
    input  logic [PE*X_BITS-1:0] s_axis_tdata,
    input  logic                 s_axis_tvalid,
    output logic                 s_axis_tready,
    output logic [PE*Y_BITS-1:0] m_axis_tdata,
    output logic                 m_axis_tvalid,
    input  logic                 m_axis_tready
);
  if (K % 2 == 0) begin : gen_check_odd
    $error("depthwise_axi: K=%0d must be odd", K);
  end
  if (CHANNELS % PE != 0) begin : gen_check_pe
    $error("depthwise_axi: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if ((K * K) % SIMD != 0) begin : gen_check_simd
    $error("depthwise_axi: SIMD=%0d must divide K*K=%0d", SIMD, K * K);
  end
  if (HEIGHT < 1 || WIDTH < 1) begin : gen_check_size
    $error("depthwise_axi: the image must be at least 1 x 1");
  end
  if (NUM_T >= 2 ** R_BITS) begin : gen_check_count
    $error("depthwise_axi: R_BITS=%0d cannot count NUM_T=%0d thresholds", R_BITS, NUM_T);
  end
  if (!RESIDUAL && R_BITS != Y_BITS) begin : gen_check_plain
    $error("depthwise_axi: without residual R_BITS must equal Y_BITS");
  end
  if (RESIDUAL && NUM_T_SUM >= 2 ** Y_BITS) begin : gen_check_sum
    $error("depthwise_axi: Y_BITS=%0d is too narrow", Y_BITS);
  end
  if (SUM_ROWS != 1 && SUM_ROWS != CHANNELS) begin : gen_check_rows
    $error("depthwise_axi: SUM_ROWS must be 1 or CHANNELS");
  end

  logic [PE*Y_BITS-1:0] y_data;
  logic y_valid, y_ready;

  depthwise #(
      .HEIGHT(HEIGHT),
      .WIDTH(WIDTH),
      .CHANNELS(CHANNELS),
      .K(K),
      .PE(PE),
      .SIMD(SIMD),
      .X_BITS(X_BITS),
      .W_BITS(W_BITS),
      .ACC_BITS(ACC_BITS),
      .NUM_T(NUM_T),
      .R_BITS(R_BITS),
      .RESIDUAL(RESIDUAL),
      .NUM_T_SUM(NUM_T_SUM),
      .SUM_BITS(SUM_BITS),
      .SUM_ROWS(SUM_ROWS),
      .Y_BITS(Y_BITS),
      .RAM_STYLE(RAM_STYLE),
      .SCALED(SCALED),
      .M_BITS(M_BITS),
      .B_BITS(B_BITS),
      .SHIFT(SHIFT),
      .SUM_SCALED(SUM_SCALED),
      .SUM_SHIFT(SUM_SHIFT),
      .SUM_OFFSET(SUM_OFFSET),
      .WEIGHTS(WEIGHTS),
      .THRESHOLDS(THRESHOLDS),
      .SCALES(SCALES),
      .OFFSETS(OFFSETS),
      .SUM_THRESHOLDS(SUM_THRESHOLDS)
  ) core (
      .clk(ap_clk),
      .rst_n(ap_rst_n),
      .x_data(s_axis_tdata),
      .x_valid(s_axis_tvalid),
      .x_ready(s_axis_tready),
      .y_data,
      .y_valid,
      .y_ready
  );

  stream_fifo2 #(
      .DATA_BITS(PE * Y_BITS)
  ) out_buffer (
      .clk(ap_clk),
      .rst_n(ap_rst_n),
      .in_data(y_data),
      .in_valid(y_valid),
      .in_ready(y_ready),
      .out_data(m_axis_tdata),
      .out_valid(m_axis_tvalid),
      .out_ready(m_axis_tready)
  );
endmodule
