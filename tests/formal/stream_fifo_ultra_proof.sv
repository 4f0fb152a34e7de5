`default_nettype none
module proof #(parameter int unsigned WIDTH = 1, parameter int unsigned BEATS = 2, parameter int unsigned DEPTH = 2) (
  input wire logic clk, rst_n, input wire logic [WIDTH-1:0] data, input wire logic valid, ready, output logic bad
);
  localparam int unsigned WORDS = (DEPTH + BEATS - 1) / BEATS + 1;
  localparam int unsigned ROOM = (WORDS + 2) * BEATS + 1;
  logic in_ready, out_valid, sane;
  logic [WIDTH-1:0] out;
  logic [7:0] count;
  logic [ROOM-1:0][WIDTH-1:0] held;
  stream_fifo_ultra #(.WIDTH(WIDTH), .BEATS(BEATS), .DEPTH(DEPTH)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(ready));

  // the oldest first: data_q, word_q, the RAM's output, complete words of the ring, the word that beats join
  logic [7:0] stored, next, ahead_first, first, last, place, come;
  logic [WORDS-1:0][BEATS-1:0][WIDTH-1:0] ring;
  logic [BEATS-1:0][WIDTH-1:0] word, ahead, joined;
  for (genvar i = 0; i < WORDS; i++) assign ring[i] = dut.ring[i];
  assign ahead = dut.ahead;

  always_comb begin
    stored = 8'(dut.words_q) - 8'(dut.put_last_q);
    held = '0;
    held[0] = dut.data_q;
    count = 8'(dut.valid_q);
    for (int b = 0; b < BEATS; b++)
      if (dut.word_valid_q && 8'(b) >= 8'(dut.out_beat_q) && 8'(b) < 8'(dut.word_count_q)) begin
        for (int i = 0; i < ROOM; i++) if (8'(i) == count) held[i] = dut.word_q[b];
        count = count + 8'd1;
      end
    next = dut.word_valid_q ? (8'(dut.word_count_q) == 8'(BEATS) ? 8'd0 : 8'(dut.word_count_q)) : 8'(dut.out_beat_q);
    ahead_first = next;
    for (int b = 0; b < BEATS; b++)
      if (dut.ahead_q && 8'(b) >= ahead_first && 8'(b) < 8'(dut.ahead_count_q)) begin
        for (int i = 0; i < ROOM; i++) if (8'(i) == count) held[i] = ahead[b];
        count = count + 8'd1;
      end
    if (dut.ahead_q) next = 8'(dut.ahead_count_q) == 8'(BEATS) ? 8'd0 : 8'(dut.ahead_count_q);
    for (int w = 0; w < WORDS; w++) begin
      place = (8'(dut.read_q) + 8'(w)) % 8'(WORDS);
      word = '0;
      for (int p = 0; p < WORDS; p++) if (8'(p) == place) word = ring[p];
      for (int b = 0; b < BEATS; b++)
        if (8'(w) < stored && (w != 0 || 8'(b) >= 8'(dut.seen_q))) begin
          for (int i = 0; i < ROOM; i++) if (8'(i) == count) held[i] = word[b];
          count = count + 8'd1;
        end
    end
    first = stored == 0 ? 8'(dut.seen_q) : 8'd0;
    last = dut.put_last_q ? 8'(BEATS) : 8'(dut.in_beat_q);
    for (int b = 0; b < BEATS; b++)
      if (8'(b) >= first && 8'(b) < last) begin
        for (int i = 0; i < ROOM; i++) if (8'(i) == count) held[i] = dut.collect_q[b];
        count = count + 8'd1;
      end

    joined = '0;
    for (int p = 0; p < WORDS; p++) if (8'(p) == 8'(dut.write_q)) joined = ring[p];
    come = dut.put_last_q ? 8'(BEATS) : 8'(dut.in_beat_q);
    sane = 8'(dut.in_beat_q) < 8'(BEATS) && 8'(dut.words_q) <= 8'(WORDS) && 8'(dut.words_q) >= 8'(dut.put_last_q)
        && 8'(dut.read_q) < 8'(WORDS) && 8'(dut.write_q) == (8'(dut.read_q) + stored) % 8'(WORDS)
        && dut.full_q == (8'(dut.words_q) == 8'(WORDS)) && (!dut.full_q || dut.in_beat_q == 0)
        && (!dut.put_last_q || (dut.put_q && dut.in_beat_q == 0)) && 8'(dut.in_ring_q) + 8'(dut.put_q) == come
        && 8'(dut.seen_q) < 8'(BEATS) && (stored != 0 || dut.seen_q <= dut.in_ring_q)
        && 8'(dut.out_beat_q) < 8'(BEATS) && next == 8'(dut.seen_q)
        && (!dut.word_valid_q || (dut.out_beat_q < dut.word_count_q && 8'(dut.word_count_q) <= 8'(BEATS)))
        && (!dut.ahead_q || (8'(dut.ahead_count_q) > ahead_first && 8'(dut.ahead_count_q) <= 8'(BEATS)));
    for (int b = 0; b < BEATS; b++)
      if (8'(b) < 8'(dut.in_ring_q) && joined[b] != dut.collect_q[b]) sane = 1'b0;
  end
  queue_model #(.WIDTH(WIDTH), .ROOM(ROOM), .EMPTY(5), .BUSY(1), .LEAST(DEPTH)) model (
    .clk, .rst_n, .in_data(data), .in_valid(valid), .in_ready, .out_data(out), .out_valid, .out_ready(ready),
    .held, .count, .sane, .bad);
endmodule
`default_nettype wire
