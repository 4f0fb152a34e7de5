`default_nettype none
module proof #(
  parameter int unsigned WIDTH = 1, parameter int unsigned BEATS = 2, parameter int unsigned DEPTH = 4,
  parameter int unsigned FULL_BANK = 4096
) (
  input wire logic clk, rst_n, input wire logic [WIDTH-1:0] data, input wire logic valid, ready, output logic bad
);
  localparam int unsigned WORDS = (DEPTH + BEATS - 1) / BEATS;
  localparam int unsigned ROOM = (WORDS + 3) * BEATS;
  logic in_ready, out_valid, sane, complete;
  logic [WIDTH-1:0] out;
  logic [7:0] count, first;
  logic [ROOM-1:0][WIDTH-1:0] held;
  logic [WORDS-1:0][BEATS-1:0][WIDTH-1:0] ring;
  logic [$clog2(DEPTH+1)-1:0] level, peak;
  stream_fifo_packed #(.WIDTH(WIDTH), .BEATS(BEATS), .DEPTH(DEPTH), .FULL_BANK(FULL_BANK)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid), .s_axis_tready(in_ready),
    .m_axis_tdata(out), .m_axis_tvalid(out_valid), .m_axis_tready(ready), .level, .peak);
  for (genvar word = 0; word < WORDS; word++) begin : g_word
    if (WORDS > FULL_BANK) assign ring[word] = dut.g_banks.g_bank[word / FULL_BANK].ring[word % FULL_BANK];
    else assign ring[word] = dut.g_bank.ring[word];
  end

  // where a word lies, the oldest first: one in word_q, one at the RAM's output, those of the ring, the tail
  logic [WORDS+2:0][BEATS-1:0][WIDTH-1:0] words;
  logic [7:0] places, taken;
  always_comb begin
    words = '0;
    places = 8'd0;
    if (dut.word_valid_q) begin
      words[0] = dut.word_q;
      places = 8'd1;
    end
    for (int p = 0; p < 2; p++) if (dut.ahead_q && places == 8'(p)) words[p] = dut.ahead;
    places = places + 8'(dut.ahead_q);
    first = 8'(dut.read_q);
    for (int i = 0; i < WORDS; i++)
      for (int r = 0; r < WORDS; r++)
        for (int p = 0; p < 3; p++)
          if (8'(r) == first && places == 8'(p) && 8'(i) < 8'(dut.words_q)) words[p+i] = ring[(r + i) % WORDS];
    places = places + 8'(dut.words_q);
    complete = places != 0;
    for (int p = 0; p < WORDS + 3; p++) if (places == 8'(p)) words[p] = {WIDTH'(0), dut.tail_q};
    // the reader is out_beat_q beats into the first of them; the output register holds a beat more
    taken = 8'(dut.out_beat_q);
    count = places * 8'(BEATS) + 8'(dut.in_beat_q) - taken + 8'(dut.valid_q);
    held = '0;
    for (int i = 0; i < ROOM; i++)
      for (int b = 0; b < BEATS; b++)
        if (taken == 8'(b)) held[i] = (dut.valid_q && i == 0) ? dut.data_q
            : (i + b - 32'(dut.valid_q)) < ROOM ? words[(i + b - 32'(dut.valid_q)) / BEATS][(i + b - 32'(dut.valid_q)) % BEATS] : '0;
    sane = 8'(dut.in_beat_q) < 8'(BEATS) && taken < 8'(BEATS) && (complete || taken <= 8'(dut.in_beat_q))
        && first < 8'(WORDS) && 8'(dut.words_q) <= 8'(WORDS)
        && 8'(dut.write_q) == (first + 8'(dut.words_q)) % 8'(WORDS)
        && dut.stored_q == (dut.words_q != 0) && dut.full_q == (8'(dut.words_q) == 8'(WORDS));
  end
  queue_model #(.WIDTH(WIDTH), .ROOM(ROOM), .EMPTY(4), .BUSY(1), .LEAST(DEPTH)) model (
    .clk, .rst_n, .in_data(data), .in_valid(valid), .in_ready, .out_data(out), .out_valid, .out_ready(ready),
    .held, .count, .sane, .bad);
endmodule
`default_nettype wire
