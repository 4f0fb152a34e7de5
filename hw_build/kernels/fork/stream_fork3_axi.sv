// AXI-Stream wrapper of stream_fork with 3 outputs: buffers the input, so that s_axis_tready comes from a register.
// Every beat of s_axis appears once on each output, DATA_BITS unchanged, in order. Latency 1 cycle, one beat a cycle.
module stream_fork3_axi #(
    parameter int DATA_BITS = 8
) (
    input  logic                 ap_clk,
    input  logic                 ap_rst_n,
    input  logic [DATA_BITS-1:0] s_axis_tdata,
    input  logic                 s_axis_tvalid,
    output logic                 s_axis_tready,
    output logic [DATA_BITS-1:0] m0_axis_tdata,
    output logic                 m0_axis_tvalid,
    input  logic                 m0_axis_tready,
    output logic [DATA_BITS-1:0] m1_axis_tdata,
    output logic                 m1_axis_tvalid,
    input  logic                 m1_axis_tready,
    output logic [DATA_BITS-1:0] m2_axis_tdata,
    output logic                 m2_axis_tvalid,
    input  logic                 m2_axis_tready
);
  if (DATA_BITS < 1) begin : gen_check_bits
    $error("stream_fork3_axi: DATA_BITS=%0d must be at least 1", DATA_BITS);
  end

  logic [DATA_BITS-1:0] head_data;
  logic head_valid, head_ready;

  assign m0_axis_tdata = head_data;
  assign m1_axis_tdata = head_data;
  assign m2_axis_tdata = head_data;

  stream_fifo2 #(
      .DATA_BITS(DATA_BITS)
  ) in_buffer (
      .clk(ap_clk),
      .rst_n(ap_rst_n),
      .in_data(s_axis_tdata),
      .in_valid(s_axis_tvalid),
      .in_ready(s_axis_tready),
      .out_data(head_data),
      .out_valid(head_valid),
      .out_ready(head_ready)
  );

  stream_fork #(
      .NUM_OUTPUTS(3)
  ) core (
      .clk(ap_clk),
      .rst_n(ap_rst_n),
      .in_valid(head_valid),
      .in_ready(head_ready),
      .out_valid({m2_axis_tvalid, m1_axis_tvalid, m0_axis_tvalid}),
      .out_ready({m2_axis_tready, m1_axis_tready, m0_axis_tready})
  );
endmodule
