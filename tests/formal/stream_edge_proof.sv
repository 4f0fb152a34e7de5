// An edge is its FIFO, with gauges and without; isolated, its input is always ready and its output always valid.
`default_nettype none
module proof #(
  parameter int unsigned WIDTH = 2, parameter int unsigned DEPTH = 3, parameter bit GAUGE = 1'b1
) (
  input wire logic clk, rst_n, input wire logic [WIDTH-1:0] data, input wire logic valid, ready, isolate, gauge_clk,
  input wire logic [31:0] now, gauge_in, input wire logic [15:0] gauge_addr, output logic bad
);
  logic edge_ready, edge_valid, fifo_ready, fifo_valid;
  logic [WIDTH-1:0] edge_data, fifo_data;
  logic [31:0] gauge_out;
  logic [$clog2(DEPTH+1)-1:0] level, peak;
  wire logic apart = GAUGE && isolate;
  stream_edge #(.WIDTH(WIDTH), .DEPTH(DEPTH), .GAUGE(GAUGE)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(edge_ready),
    .m_axis_tdata(edge_data), .m_axis_tvalid(edge_valid), .m_axis_tready(ready), .isolate, .now, .gauge_clk,
    .gauge_addr, .gauge_in, .gauge_out);
  stream_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH)) fifo (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid && !apart), .s_axis_tready(fifo_ready),
    .m_axis_tdata(fifo_data), .m_axis_tvalid(fifo_valid), .m_axis_tready(ready), .level, .peak);

  logic begun_q = 1'b0;
  logic [7:0] most_q;  // beats held at once since reset
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      begun_q <= 1'b1;
      most_q <= '0;
    end else if (8'(level) > most_q) most_q <= 8'(level);
  end
  logic same;
  always_comb begin
    same = dut.g_fifo.fifo.g_shift.head_q == fifo.g_shift.head_q && dut.g_fifo.fifo.g_shift.valid_q == fifo.g_shift.valid_q
        && 8'(fifo.g_shift.head_q) < 8'(DEPTH) && (fifo.g_shift.valid_q || fifo.g_shift.head_q == 0);
    for (int i = 0; i < DEPTH; i++)
      if (8'(i) < 8'(level) && dut.g_fifo.fifo.g_shift.data_q[i] != fifo.g_shift.data_q[i]) same = 1'b0;
  end
  wire logic gauged = dut.level == level && (!GAUGE || 8'(dut.peak) == most_q);
  assign bad = begun_q && (!same || !gauged || edge_ready != (fifo_ready || apart) || edge_valid != (fifo_valid || apart)
      || (fifo_valid && edge_data != fifo_data) || (!GAUGE && gauge_out != '0));
endmodule
`default_nettype wire
