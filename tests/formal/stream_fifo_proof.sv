`default_nettype none
module proof #(parameter int unsigned WIDTH = 2, parameter int unsigned DEPTH = 5) (
  input wire logic clk, rst_n, input wire logic [WIDTH-1:0] data, input wire logic valid, ready, output logic bad
);
  logic in_ready, out_valid, sane;
  logic [WIDTH-1:0] out;
  logic [7:0] count;
  logic [DEPTH-1:0][WIDTH-1:0] held;
  logic [$clog2(DEPTH+1)-1:0] level, peak;
  stream_fifo #(.WIDTH(WIDTH), .DEPTH(DEPTH)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(ready), .level, .peak);
  if (DEPTH <= 4) begin : g_shift
    always_comb begin
      count = dut.g_shift.valid_q ? 8'(dut.g_shift.head_q) + 8'd1 : 8'd0;
      held = '0;
      for (int i = 0; i < DEPTH; i++)
        for (int h = 0; h < DEPTH; h++)
          if (i <= h && 8'(dut.g_shift.head_q) == 8'(h)) held[i] = dut.g_shift.data_q[h-i];
      sane = 8'(dut.g_shift.head_q) < 8'(DEPTH) && (dut.g_shift.valid_q || dut.g_shift.head_q == 0);
    end
  end else begin : g_ring
    logic [7:0] stored, first;
    logic [DEPTH-1:0][WIDTH-1:0] ring;
    always_comb begin
      count = 8'(dut.g_ring.level_q);
      stored = count - 8'(dut.g_ring.valid_q);
      first = 8'(dut.g_ring.read_q);
      for (int i = 0; i < DEPTH; i++)
        for (int r = 0; r < DEPTH; r++)
          if (8'(r) == first) ring[i] = dut.g_ring.ring[(r + i) % DEPTH];
      held = dut.g_ring.valid_q ? {ring[DEPTH-2:0], dut.g_ring.data_q} : ring;
      sane = count <= 8'(DEPTH) && first < 8'(DEPTH) && 8'(dut.g_ring.write_q) < 8'(DEPTH)
          && 8'(dut.g_ring.write_q) == (first + stored) % 8'(DEPTH) && dut.g_ring.stored_q == (stored != 0)
          && (count != 0 || !dut.g_ring.valid_q) && (!dut.g_ring.ready_q || count < 8'(DEPTH));
    end
  end
  // a full ring that gives a beat is ready a cycle later; out of reset, too
  queue_model #(.WIDTH(WIDTH), .ROOM(DEPTH), .EMPTY(2), .BUSY(2), .LEAST(DEPTH)) model (
    .clk, .rst_n, .in_data(data), .in_valid(valid), .in_ready, .out_data(out), .out_valid, .out_ready(ready),
    .held, .count, .sane(sane && 8'(level) == count), .bad);
endmodule
`default_nettype wire
