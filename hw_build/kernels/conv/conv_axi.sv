// AXI-Stream wrapper of conv: checks the parameters and buffers the output, so that s_axis_tready does not depend
// combinationally on m_axis_tready. Formula, stream order, throughput and limits: see conv.sv.
`default_nettype none
module conv_axi #(
    parameter int HEIGHT       = 8,
    parameter int WIDTH        = 8,
    parameter int IN_CHANNELS  = 2,
    parameter int OUT_CHANNELS = 2,
    parameter int K            = 3,
    parameter int SIMD         = 1,
    parameter int PE           = 2,
    parameter int LANES        = 1,
    parameter int X_BITS       = 4,
    parameter int W_BITS       = 4,
    parameter int SUM_BITS     = 12,
    parameter int ACC_BITS     = 12,
    parameter int NUM_T        = 15,
    parameter int Y_BITS       = 4,
    parameter     RAM_STYLE    = "auto",
    parameter bit RAW          = 0,
    parameter bit PARALLEL     = 0,
    parameter bit TABLES       = 0,
    parameter bit PACKED       = 1,
    parameter bit WEIGHT_BLOCK = 0,
    parameter bit SCALED       = 0,
    parameter int M_BITS       = 1,
    parameter int B_BITS       = 1,
    parameter int SHIFT        = 0,
    parameter logic [OUT_CHANNELS*K*K*IN_CHANNELS*W_BITS-1:0] WEIGHTS = '0,
    parameter logic [OUT_CHANNELS*NUM_T*ACC_BITS-1:0] THRESHOLDS = '0,
    parameter logic [OUT_CHANNELS*M_BITS-1:0] SCALES = '0,
    parameter logic [OUT_CHANNELS*B_BITS-1:0] OFFSETS = '0,
    parameter logic [OUT_CHANNELS*Y_BITS-1:0] BIAS = '0
) (
    input  wire logic                    ap_clk,
    input  wire logic                    ap_rst_n,
    input  wire logic [SIMD*X_BITS-1:0]  s_axis_tdata,
    input  wire logic                    s_axis_tvalid,
    output      logic                    s_axis_tready,
    output      logic [LANES*Y_BITS-1:0] m_axis_tdata,
    output      logic                    m_axis_tvalid,
    input  wire logic                    m_axis_tready
);
  if (K % 2 == 0) begin : gen_check_odd
    $error("conv_axi: K=%0d must be odd", K);
  end
  if (IN_CHANNELS % SIMD != 0 || OUT_CHANNELS % PE != 0 || PE % LANES != 0) begin : gen_check_folding
    $error("conv_axi: SIMD, PE and LANES must divide IN_CHANNELS, OUT_CHANNELS and PE");
  end
  if (PE / LANES > (PARALLEL ? 1 : K * K) * (IN_CHANNELS / SIMD)) begin : gen_check_lanes
    $error("conv_axi: LANES=%0d cannot read out PE=%0d sums in time", LANES, PE);
  end
  if (PACKED && !TABLES && SUM_BITS > 25 - W_BITS) begin : gen_check_packed
    $error("conv_axi: sums of %0d bits are too wide to share a multiplier", SUM_BITS);
  end
  if (!RAW && NUM_T >= 2 ** Y_BITS) begin : gen_check_count
    $error("conv_axi: Y_BITS=%0d cannot count NUM_T=%0d thresholds", Y_BITS, NUM_T);
  end

  logic [LANES*Y_BITS-1:0] y_data;
  logic y_valid, y_ready;

  conv #(
      .HEIGHT(HEIGHT), .WIDTH(WIDTH), .IN_CHANNELS(IN_CHANNELS), .OUT_CHANNELS(OUT_CHANNELS), .K(K), .SIMD(SIMD), .PE(PE),
      .LANES(LANES), .X_BITS(X_BITS), .W_BITS(W_BITS), .SUM_BITS(SUM_BITS), .ACC_BITS(ACC_BITS), .NUM_T(NUM_T),
      .Y_BITS(Y_BITS), .RAM_STYLE(RAM_STYLE), .RAW(RAW), .PARALLEL(PARALLEL), .TABLES(TABLES), .PACKED(PACKED),
      .WEIGHT_BLOCK(WEIGHT_BLOCK), .SCALED(SCALED), .M_BITS(M_BITS), .B_BITS(B_BITS), .SHIFT(SHIFT), .WEIGHTS(WEIGHTS),
      .THRESHOLDS(THRESHOLDS), .SCALES(SCALES), .OFFSETS(OFFSETS), .BIAS(BIAS)
  ) core (
      .clk(ap_clk), .rst_n(ap_rst_n), .x_data(s_axis_tdata), .x_valid(s_axis_tvalid), .x_ready(s_axis_tready),
      .y_data, .y_valid, .y_ready
  );

  stream_fifo2 #(
      .DATA_BITS(LANES * Y_BITS)
  ) out_buffer (
      .clk(ap_clk), .rst_n(ap_rst_n), .in_data(y_data), .in_valid(y_valid), .in_ready(y_ready),
      .out_data(m_axis_tdata), .out_valid(m_axis_tvalid), .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
