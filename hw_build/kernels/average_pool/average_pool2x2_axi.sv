// AXI-Stream wrapper of average_pool2x2: checks the parameters and buffers the output, so that no tready depends
// combinationally on m_axis_tready. Formula, stream order, lanes, throughput and limits: see average_pool2x2.sv.
`default_nettype none

module average_pool2x2_axi #(
    parameter int HEIGHT = 4,
    parameter int WIDTH = 6,
    parameter int CHANNELS = 2,
    parameter int PE = 1,
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter RAM_STYLE = "auto"
) (
    input  wire logic ap_clk,
    input  wire logic ap_rst_n,
    input  wire logic [PE*X_BITS-1:0] s_axis_tdata,
    input  wire logic s_axis_tvalid,
    output      logic s_axis_tready,
    output      logic [PE*(X_BITS+2)-1:0] m_axis_tdata,
    output      logic m_axis_tvalid,
    input  wire logic m_axis_tready
);
  if (CHANNELS % PE != 0) begin : gen_check_pe
    $error("average_pool2x2_axi: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (HEIGHT % 2 != 0 || WIDTH % 2 != 0) begin : gen_check_even
    $error("average_pool2x2_axi: the image %0d x %0d must have even sides", HEIGHT, WIDTH);
  end

  logic [PE*(X_BITS+2)-1:0] y_data;
  logic y_valid, y_ready;

  average_pool2x2 #(
      .WIDTH(WIDTH),
      .CHANNELS(CHANNELS),
      .PE(PE),
      .X_BITS(X_BITS),
      .X_SIGNED(X_SIGNED),
      .RAM_STYLE(RAM_STYLE)
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
      .DATA_BITS(PE*(X_BITS+2))
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

`default_nettype wire
