// AXI-Stream wrapper of stream_add: checks the parameters and buffers the output, so that no tready depends
// combinationally on m_axis_tready. Formula, stream order, lanes, throughput and limits: see stream_add.sv.
module stream_add_axi #(
    parameter int PE = 1,
    parameter int A_BITS = 4,
    parameter bit A_SIGNED = 0,
    parameter int B_BITS = 4,
    parameter bit B_SIGNED = 0,
    parameter int Y_BITS = 5,
    parameter int A_TIMES = 1,
    parameter int B_TIMES = 1
) (
    input  logic ap_clk,
    input  logic ap_rst_n,
    input  logic [PE*A_BITS-1:0] s0_axis_tdata,
    input  logic s0_axis_tvalid,
    output logic s0_axis_tready,
    input  logic [PE*B_BITS-1:0] s1_axis_tdata,
    input  logic s1_axis_tvalid,
    output logic s1_axis_tready,
    output logic [PE*Y_BITS-1:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input  logic m_axis_tready
);
  if (PE < 1) begin : gen_check_pe
    $error("stream_add_axi: PE=%0d must be at least 1", PE);
  end
  if (Y_BITS < A_BITS || Y_BITS < B_BITS) begin : gen_check_bits
    $error("stream_add_axi: Y_BITS=%0d is narrower than an input", Y_BITS);
  end

  logic [PE*Y_BITS-1:0] y_data;
  logic y_valid, y_ready;

  stream_add #(
      .PE(PE),
      .A_BITS(A_BITS),
      .A_SIGNED(A_SIGNED),
      .B_BITS(B_BITS),
      .B_SIGNED(B_SIGNED),
      .Y_BITS(Y_BITS),
      .A_TIMES(A_TIMES),
      .B_TIMES(B_TIMES)
  ) core (
      .a_data(s0_axis_tdata),
      .a_valid(s0_axis_tvalid),
      .a_ready(s0_axis_tready),
      .b_data(s1_axis_tdata),
      .b_valid(s1_axis_tvalid),
      .b_ready(s1_axis_tready),
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
