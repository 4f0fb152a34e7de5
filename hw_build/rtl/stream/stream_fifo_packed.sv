// First-word-fall-through FIFO for long queues of narrow beats: BEATS of them a word of block RAM, so that no bit of a
// word lies idle (nine 4-bit beats in 36 bits).
//
// Order:       beats leave in the order in which they came, tdata unchanged.
// Capacity:    at least DEPTH beats.
// Latency:     2 cycles from an empty FIFO's input to its output: a word that is still being collected is read from
//              where it is collected, so no beat waits for its word to be complete. A word's last beat, which is never
//              read from there, takes 4.
// Throughput:  one beat a cycle, in and out at once, while the reader is a word behind the writer or more: the word
//              after the one that is being read is fetched ahead.
// Timing:      s_axis_tready comes from registers by one gate; m_axis_tready reaches the read word and counters. The RAM
//              is read by registers into registers: it is banks of as many words as four of its widths hold side by
//              side, and only the choice of a bank stands between its output and the read word.
// Gauge:       with GAUGE = 1 level is the number of beats held and peak its greatest since reset, else both are 0.
`default_nettype none
module stream_fifo_packed #(
  parameter int unsigned WIDTH = 4,
  parameter int unsigned BEATS = 9,
  parameter int unsigned DEPTH = 4096,
  parameter bit          GAUGE = 1'b0,
  parameter int unsigned FULL_BANK = 4096,  // words: smaller ones are for proofs alone
  localparam int unsigned WORDS = (DEPTH + BEATS - 1) / BEATS,
  localparam int unsigned ADDR_BITS = $clog2(WORDS),
  localparam int unsigned WORDS_BITS = $clog2(WORDS + 1),
  localparam int unsigned BEAT_BITS = $clog2(BEATS),
  localparam int unsigned LEVEL_BITS = $clog2(DEPTH + 1)
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire logic [WIDTH-1:0]      s_axis_tdata,
  input  wire logic                  s_axis_tvalid,
  output      logic                  s_axis_tready,
  output      logic [WIDTH-1:0]      m_axis_tdata,
  output      logic                  m_axis_tvalid,
  input  wire logic                  m_axis_tready,
  output      logic [LEVEL_BITS-1:0] level,
  output      logic [LEVEL_BITS-1:0] peak
);

  if (BEATS < 2 || WORDS < 2) begin : g_check
    $error("stream_fifo_packed: BEATS=%0d and DEPTH=%0d must make two words of two beats at least", BEATS, DEPTH);
  end

  // 4,096 words of a multiple of 9 bits fill RAMB36E1 of 4,096 x 9 exactly, which need no choice of a depth; other words
  // lie as synthesis thinks best
  localparam int unsigned BANK_WORDS = (BEATS * WIDTH % 9 == 0 && WORDS > FULL_BANK) ? FULL_BANK : WORDS;
  localparam int unsigned BANKS = (WORDS + BANK_WORDS - 1) / BANK_WORDS;
  localparam int unsigned PLACE_BITS = (BANKS > 1) ? $clog2(FULL_BANK) : ADDR_BITS;  // of an address: the place in a bank, then the bank

  localparam logic [BEAT_BITS-1:0] LAST_BEAT = BEAT_BITS'(BEATS - 1);
  localparam logic [ADDR_BITS-1:0] LAST_WORD = ADDR_BITS'(WORDS - 1);

  function automatic logic [ADDR_BITS-1:0] after(logic [ADDR_BITS-1:0] address);
    return (address == LAST_WORD) ? '0 : address + 1'b1;
  endfunction

  logic [BEATS-2:0][WIDTH-1:0] tail_q;          // the word that is being collected, without its last beat
  logic [BEAT_BITS-1:0]        in_beat_q = '0;  // beats in it
  logic [ADDR_BITS-1:0]        write_q = '0;
  logic [WORDS_BITS-1:0]       words_q = '0;    // words in the ring
  logic                        stored_q = 1'b0;  // the ring holds a word
  logic                        full_q = 1'b0;
  logic [ADDR_BITS-1:0]        read_q = '0;
  logic                        ahead_q = 1'b0;  // the RAM's output holds the word after the one that is being read
  logic [BEATS*WIDTH-1:0]      ahead;           // that word
  logic [BEATS-1:0][WIDTH-1:0] word_q;          // the word that is being read
  logic                        word_valid_q = 1'b0;
  logic [BEAT_BITS-1:0]        out_beat_q = '0;
  logic [WIDTH-1:0]            data_q;
  logic                        valid_q = 1'b0;

  // writing
  assign s_axis_tready = !(full_q && in_beat_q == LAST_BEAT);
  wire logic push = s_axis_tvalid && s_axis_tready;
  wire logic store = push && in_beat_q == LAST_BEAT;

  // reading: a complete word, or, when there is none, the beats collected so far
  wire logic collected = !stored_q && !ahead_q && out_beat_q < in_beat_q;
  wire logic at_hand = word_valid_q || collected;
  wire logic load = at_hand && (!valid_q || m_axis_tready);
  wire logic leave = load && word_valid_q && out_beat_q == LAST_BEAT;  // the last beat is never in tail_q
  wire logic fetch = stored_q && !ahead_q;
  wire logic advance = ahead_q && (!word_valid_q || leave);

  logic [BEATS-1:0][WIDTH-1:0] source;
  assign source = word_valid_q ? word_q : {WIDTH'(0), tail_q};

  if (BANKS > 1) begin : g_banks
    localparam int unsigned BANK_BITS = ADDR_BITS - PLACE_BITS;
    logic [BANKS-1:0][BEATS*WIDTH-1:0] out_q;
    logic [BANK_BITS-1:0]              bank_q;
    wire logic [BANK_BITS-1:0] write_bank = write_q[ADDR_BITS-1:PLACE_BITS];
    wire logic [BANK_BITS-1:0] read_bank = read_q[ADDR_BITS-1:PLACE_BITS];

    for (genvar bank = 0; bank < BANKS; bank++) begin : g_bank
      localparam int unsigned HELD = (bank == BANKS - 1) ? WORDS - bank * BANK_WORDS : BANK_WORDS;
      localparam int unsigned HELD_BITS = (HELD > 1) ? $clog2(HELD) : 1;
      (* ram_style = "block" *) logic [BEATS*WIDTH-1:0] ring[HELD];
      always_ff @(posedge ap_clk) begin
        if (store && write_bank == BANK_BITS'(bank)) ring[write_q[HELD_BITS-1:0]] <= {s_axis_tdata, tail_q};
        if (fetch && read_bank == BANK_BITS'(bank)) out_q[bank] <= ring[read_q[HELD_BITS-1:0]];
      end
    end
    always_ff @(posedge ap_clk) begin
      if (fetch) bank_q <= read_bank;
    end
    assign ahead = out_q[bank_q];
  end else begin : g_bank
    (* ram_style = "block" *) logic [BEATS*WIDTH-1:0] ring[WORDS];
    always_ff @(posedge ap_clk) begin
      if (store) ring[write_q] <= {s_axis_tdata, tail_q};
      if (fetch) ahead <= ring[read_q];
    end
  end

  always_ff @(posedge ap_clk) begin
    if (advance) word_q <= ahead;
  end

  for (genvar beat = 0; beat < BEATS - 1; beat++) begin : g_tail
    always_ff @(posedge ap_clk) begin
      if (push && in_beat_q == BEAT_BITS'(beat)) tail_q[beat] <= s_axis_tdata;
    end
  end

  always_ff @(posedge ap_clk) begin
    if (load) data_q <= source[out_beat_q];
  end

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      in_beat_q    <= '0;
      write_q      <= '0;
      words_q      <= '0;
      stored_q     <= 1'b0;
      full_q       <= 1'b0;
      read_q       <= '0;
      ahead_q      <= 1'b0;
      word_valid_q <= 1'b0;
      out_beat_q   <= '0;
      valid_q      <= 1'b0;
    end else begin
      if (push) in_beat_q <= store ? '0 : in_beat_q + 1'b1;
      if (store) write_q <= after(write_q);
      if (store != fetch) begin
        words_q  <= store ? words_q + 1'b1 : words_q - 1'b1;
        stored_q <= store || words_q != WORDS_BITS'(1);
        full_q   <= store && words_q == WORDS_BITS'(WORDS - 1);
      end
      if (fetch) read_q <= after(read_q);
      ahead_q <= fetch || (ahead_q && !advance);
      word_valid_q <= advance || (word_valid_q && !leave);
      if (load) out_beat_q <= (out_beat_q == LAST_BEAT) ? '0 : out_beat_q + 1'b1;
      valid_q <= load || (valid_q && !m_axis_tready);
    end
  end

  assign m_axis_tvalid = valid_q;
  assign m_axis_tdata = data_q;

  if (GAUGE) begin : g_gauge
    logic [LEVEL_BITS-1:0] level_q = '0, peak_q = '0;
    wire logic pop = valid_q && m_axis_tready;
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        level_q <= '0;
        peak_q  <= '0;
      end else begin
        if (push && !pop && level_q != LEVEL_BITS'(DEPTH)) level_q <= level_q + 1'b1;
        if (pop && !push) level_q <= level_q - 1'b1;
        if (level_q > peak_q) peak_q <= level_q;
      end
    end
    assign level = level_q;
    assign peak = peak_q;
  end else begin : g_no_gauge
    assign level = '0;
    assign peak = '0;
  end

endmodule
`default_nettype wire
