// Gives the elements of a wide beat one after the other, the lowest first, straight from the producer's register.
//
// The wide beat is taken with its last element, so the producer must hold it meanwhile (stream_width does). A shift
// register of its own would cost a LUT and a flip-flop for every bit; this is one multiplexer of COUNT inputs.
// Where FRAME, the elements of a frame, is no multiple of COUNT, the rest of each frame's last wide beat is dropped.
`default_nettype none
module beat_select #(
  parameter int unsigned ELEMENT_BITS = 24,
  parameter int unsigned COUNT = 8,
  parameter int unsigned FRAME = 8
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

  localparam int unsigned INDEX_BITS = (COUNT > 1) ? $clog2(COUNT) : 1;
  logic [INDEX_BITS-1:0] index_q = '0;

  logic last;  // of the wide beat
  if (FRAME % COUNT == 0) begin : g_whole
    assign last = index_q == INDEX_BITS'(COUNT - 1);
  end else begin : g_cut
    localparam int unsigned LEFT_BITS = $clog2(FRAME + 1);
    logic [LEFT_BITS-1:0] left_q = LEFT_BITS'(FRAME);  // of the frame, not yet given
    wire logic frame_end = left_q == LEFT_BITS'(1);
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) left_q <= LEFT_BITS'(FRAME);
      else if (m_axis_tvalid && m_axis_tready) left_q <= frame_end ? LEFT_BITS'(FRAME) : left_q - 1'b1;
    end
    assign last = index_q == INDEX_BITS'(COUNT - 1) || frame_end;
  end

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) index_q <= '0;
    else if (m_axis_tvalid && m_axis_tready) index_q <= last ? '0 : index_q + 1'b1;
  end

  assign m_axis_tdata = s_axis_tdata[index_q*ELEMENT_BITS +: ELEMENT_BITS];
  assign m_axis_tvalid = s_axis_tvalid;
  assign s_axis_tready = m_axis_tready && last;

endmodule
`default_nettype wire
