// The queue is one of elements: a beat of several enters or leaves it at once.
`default_nettype none
module proof #(
  parameter int unsigned BITS = 1, parameter int unsigned IN = 1, parameter int unsigned OUT = 2
) (
  input wire logic clk, rst_n, input wire logic [IN*BITS-1:0] data, input wire logic valid, ready, output logic bad
);
  localparam int unsigned ROOM = (IN > OUT) ? IN : OUT;
  logic in_ready, out_valid;
  logic [OUT*BITS-1:0] out;
  stream_width #(.ELEMENT_BITS(BITS), .IN_ELEMENTS(IN), .OUT_ELEMENTS(OUT)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(ready));

  logic [2*ROOM-1:0][BITS-1:0] queue_q, after_pop, after_push;
  logic [7:0] count_q, left, waited_q, refused_q;
  logic begun_q = 1'b0, stalled_q, sane, same;
  logic [OUT*BITS-1:0] stalled_data_q;
  wire logic push = valid && in_ready;
  wire logic pop = out_valid && ready;
  assign left = count_q - (pop ? 8'(OUT) : 8'd0);
  always_comb begin
    after_pop = pop ? queue_q >> (OUT * BITS) : queue_q;
    after_push = after_pop;
    for (int i = 0; i < 2 * ROOM; i++)
      for (int e = 0; e < IN; e++)
        if (push && 8'(i) == left + 8'(e)) after_push[i] = data[e*BITS +: BITS];
  end
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      count_q <= '0;
      waited_q <= '0;
      refused_q <= '0;
      stalled_q <= 1'b0;
      begun_q <= 1'b1;
    end else begin
      queue_q <= after_push;
      count_q <= left + (push ? 8'(IN) : 8'd0);
      waited_q <= (count_q >= 8'(OUT) && !out_valid) ? waited_q + 8'd1 : 8'd0;
      refused_q <= (count_q == 0 && !in_ready) ? refused_q + 8'd1 : 8'd0;
      stalled_q <= out_valid && !ready;
      stalled_data_q <= out;
    end
  end

  if (OUT > IN) begin : g_widen
    // what has come stands at the top of data_q, the newest last
    wire logic [7:0] beats = dut.g_widen.valid_q ? 8'(OUT / IN) : 8'(dut.g_widen.count_q);
    always_comb begin
      sane = 8'(dut.g_widen.count_q) < 8'(OUT / IN) && (!dut.g_widen.valid_q || dut.g_widen.count_q == 0);
      same = count_q == beats * 8'(IN);
      for (int i = 0; i < OUT; i++)
        for (int n = 1; n <= OUT / IN; n++)
          if (beats == 8'(n) && i < n * IN && queue_q[i] != dut.g_widen.data_q[(OUT-n*IN+i)*BITS +: BITS]) same = 1'b0;
    end
  end else if (OUT < IN) begin : g_narrow
    wire logic [7:0] beats = dut.g_narrow.valid_q ? 8'(dut.g_narrow.left_q) : 8'd0;
    always_comb begin
      sane = !dut.g_narrow.valid_q || (beats >= 1 && beats <= 8'(IN / OUT) && dut.g_narrow.last_q == (beats == 1));
      same = count_q == beats * 8'(OUT);
      for (int i = 0; i < IN; i++)
        if (8'(i) < count_q && queue_q[i] != dut.g_narrow.data_q[i*BITS +: BITS]) same = 1'b0;
    end
  end else begin : g_pass
    assign sane = 1'b1;
    assign same = count_q == 0;
  end

  wire logic passing = IN == OUT;
  assign bad = begun_q && (!sane || !same
      || (out_valid && !passing && (count_q < 8'(OUT) || out != queue_q[OUT-1:0]))
      || (passing && (out_valid != valid || in_ready != ready || out != (OUT * BITS)'(data)))
      || (stalled_q && !passing && (!out_valid || out != stalled_data_q))
      || waited_q >= 8'd1 || (!passing && refused_q >= 8'd1));
endmodule
`default_nettype wire
