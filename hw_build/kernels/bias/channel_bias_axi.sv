// AXI-Stream wrapper of channel_bias: checks the parameters and buffers the output, so that no tready depends
// combinationally on m_axis_tready. Formula, stream order, lanes, throughput and limits: see channel_bias.sv.
module channel_bias_axi #(
    parameter int CHANNELS = 2,
    parameter int PE = 1,
    parameter int X_BITS = 12,
    parameter bit X_SIGNED = 1,
    parameter int BIAS_BITS = 8,
    parameter int Y_BITS = 13,
    parameter logic [CHANNELS*BIAS_BITS-1:0] BIAS = '0
) (
    input  logic ap_clk,
    input  logic ap_rst_n,
    input  logic [PE*X_BITS-1:0] s_axis_tdata,
    input  logic s_axis_tvalid,
    output logic s_axis_tready,
    output logic [PE*Y_BITS-1:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input  logic m_axis_tready
);
  if (CHANNELS % PE != 0) begin : gen_check_pe
    $error("channel_bias_axi: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end

  logic [PE*Y_BITS-1:0] y_data;
  logic y_valid, y_ready;

  channel_bias #(
      .CHANNELS(CHANNELS),
      .PE(PE),
      .X_BITS(X_BITS),
      .X_SIGNED(X_SIGNED),
      .BIAS_BITS(BIAS_BITS),
      .Y_BITS(Y_BITS),
      .BIAS(BIAS)
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
      .DATA_BITS(PE*Y_BITS)
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
