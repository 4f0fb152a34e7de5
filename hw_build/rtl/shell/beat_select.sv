// Gives the elements of a wide beat one after the other, the lowest first, straight from the producer's register.
//
// The wide beat is taken with its last element, so the producer must hold it meanwhile (stream_width does). A shift
// register of its own would cost a LUT and a flip-flop for every bit; this is one multiplexer of COUNT inputs.
`default_nettype none
module beat_select #(
  parameter int unsigned ELEMENT_BITS = 24,
  parameter int unsigned COUNT = 8
) (
  input  wire logic                          ap_clk,
  input  wire logic                          ap_rst_n,
  input  wire logic [COUNT*ELEMENT_BITS-1:0] s_axis_tdata,
  input  wire logic                          s_axis_tvalid,
  output      logic                          s_axis_tready,
  output      logic [ELEMENT_BITS-1:0]       m_axis_tdata,
  output      logic                          m_axis_tvalid,
  input  wire logic                          m_axis_tready
);

  localparam int unsigned INDEX_BITS = $clog2(COUNT);
  logic [INDEX_BITS-1:0] index_q = '0;

  wire logic last = index_q == INDEX_BITS'(COUNT - 1);

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) index_q <= '0;
    else if (m_axis_tvalid && m_axis_tready) index_q <= last ? '0 : index_q + 1'b1;
  end

  assign m_axis_tdata = s_axis_tdata[index_q*ELEMENT_BITS +: ELEMENT_BITS];
  assign m_axis_tvalid = s_axis_tvalid;
  assign s_axis_tready = m_axis_tready && last;

endmodule
`default_nettype wire
