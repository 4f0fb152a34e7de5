// First-word-fall-through FIFO in UltraRAM: BEATS beats a word of a ring of 4,096 x 72 blocks, as many side by side and
// one after another as it takes.
//
// Order:       beats leave in the order in which they came, tdata unchanged. Beat i of a word lies at [i*WIDTH +: WIDTH].
// Capacity:    at least DEPTH beats.
// Latency:     5 cycles from an empty FIFO's input to its output: a word is written anew with each beat that joins it,
//              and read anew for those that have joined since, so no beat waits for its word to be complete.
// Throughput:  one beat a cycle, in and out at once.
// Timing:      s_axis_tready comes from a register; m_axis_tready reaches the RAM's read enable. The RAM is written from
//              registers and read into registers. Where a word is read and written in the same cycle, the beats that
//              count are the same before and after.
`default_nettype none
module stream_fifo_ultra #(
  parameter int unsigned WIDTH = 4,
  parameter int unsigned BEATS = 18,
  parameter int unsigned DEPTH = 65536,
  parameter              RAM_STYLE = "ultra",  // another where the device has no UltraRAM
  // a word more than the beats fill: the oldest is held until its last beat is read
  localparam int unsigned WORDS = (DEPTH + BEATS - 1) / BEATS + 1,
  localparam int unsigned ADDR_BITS = $clog2(WORDS),
  localparam int unsigned WORDS_BITS = $clog2(WORDS + 1),
  localparam int unsigned BEAT_BITS = (BEATS > 1) ? $clog2(BEATS) : 1,
  localparam int unsigned COUNT_BITS = $clog2(BEATS + 1)
) (
  input  wire logic             ap_clk,
  input  wire logic             ap_rst_n,
  input  wire logic [WIDTH-1:0] s_axis_tdata,
  input  wire logic             s_axis_tvalid,
  output      logic             s_axis_tready,
  output      logic [WIDTH-1:0] m_axis_tdata,
  output      logic             m_axis_tvalid,
  input  wire logic             m_axis_tready
);

  if (BEATS < 1 || DEPTH < 2) begin : g_check
    $error("stream_fifo_ultra: BEATS=%0d must be at least 1, DEPTH=%0d at least 2", BEATS, DEPTH);
  end

  localparam logic [BEAT_BITS-1:0] LAST_BEAT = BEAT_BITS'(BEATS - 1);
  localparam logic [ADDR_BITS-1:0] LAST_WORD = ADDR_BITS'(WORDS - 1);

  function automatic logic [ADDR_BITS-1:0] after(logic [ADDR_BITS-1:0] address);
    return (address == LAST_WORD) ? '0 : address + 1'b1;
  endfunction

  (* ram_style = RAM_STYLE *) logic [BEATS*WIDTH-1:0] ring[WORDS];

  logic [BEATS-1:0][WIDTH-1:0] collect_q;           // the word that beats join
  logic [BEAT_BITS-1:0]        in_beat_q = '0;      // beats of it that have come
  logic [BEAT_BITS-1:0]        in_ring_q = '0;      // beats of the word at write_q that the ring holds
  logic                        put_q = 1'b0;        // collect_q is written
  logic                        put_last_q = 1'b0;   // and is complete
  logic [ADDR_BITS-1:0]        write_q = '0;
  logic [WORDS_BITS-1:0]       words_q = '0;        // complete words that were not read whole
  logic                        full_q = 1'b0;
  logic [ADDR_BITS-1:0]        read_q = '0;
  logic [BEAT_BITS-1:0]        seen_q = '0;         // beats of the word at read_q that were read
  logic                        ahead_q = 1'b0;      // the RAM's output holds beats that word_q does not
  logic [COUNT_BITS-1:0]       ahead_count_q;       // beats in it
  logic [BEATS*WIDTH-1:0]      ahead;
  logic                        word_valid_q = 1'b0;
  logic [COUNT_BITS-1:0]       word_count_q;        // beats in word_q
  logic [BEATS-1:0][WIDTH-1:0] word_q;
  logic [BEAT_BITS-1:0]        out_beat_q = '0;     // the next to leave
  logic [WIDTH-1:0]            data_q;
  logic                        valid_q = 1'b0;

  // writing
  assign s_axis_tready = !full_q;
  wire logic push = s_axis_tvalid && s_axis_tready;
  wire logic complete = push && in_beat_q == LAST_BEAT;

  // reading: a complete word, or, when there is none, the beats that have joined the next one
  wire logic whole = words_q != WORDS_BITS'(put_last_q);
  wire logic load = word_valid_q && (!valid_q || m_axis_tready);
  wire logic spent = load && COUNT_BITS'(out_beat_q) + 1'b1 == word_count_q;
  wire logic advance = ahead_q && (!word_valid_q || spent);
  wire logic fetch = (whole || in_ring_q != seen_q) && (!ahead_q || advance);
  wire logic fetch_whole = fetch && whole;

  for (genvar beat = 0; beat < BEATS; beat++) begin : g_collect
    always_ff @(posedge ap_clk) begin
      if (push && in_beat_q == BEAT_BITS'(beat)) collect_q[beat] <= s_axis_tdata;
    end
  end

  always_ff @(posedge ap_clk) begin
    if (put_q) ring[write_q] <= collect_q;
    if (fetch) ahead <= ring[read_q];
  end

  always_ff @(posedge ap_clk) begin
    if (fetch) ahead_count_q <= whole ? COUNT_BITS'(BEATS) : COUNT_BITS'(in_ring_q);
    if (advance) begin
      word_q       <= ahead;
      word_count_q <= ahead_count_q;
    end
    if (load) data_q <= word_q[out_beat_q];
  end

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      in_beat_q    <= '0;
      in_ring_q    <= '0;
      put_q        <= 1'b0;
      put_last_q   <= 1'b0;
      write_q      <= '0;
      words_q      <= '0;
      full_q       <= 1'b0;
      read_q       <= '0;
      seen_q       <= '0;
      ahead_q      <= 1'b0;
      word_valid_q <= 1'b0;
      out_beat_q   <= '0;
      valid_q      <= 1'b0;
    end else begin
      if (push) in_beat_q <= complete ? '0 : in_beat_q + 1'b1;
      in_ring_q  <= in_beat_q;
      put_q      <= push;
      put_last_q <= complete;
      if (put_last_q) write_q <= after(write_q);
      if (complete != fetch_whole) begin
        words_q <= complete ? words_q + 1'b1 : words_q - 1'b1;
        full_q  <= complete && words_q == WORDS_BITS'(WORDS - 1);
      end
      if (fetch_whole) read_q <= after(read_q);
      if (fetch) seen_q <= whole ? '0 : in_ring_q;
      ahead_q      <= fetch || (ahead_q && !advance);
      word_valid_q <= advance || (word_valid_q && !spent);
      if (load) out_beat_q <= (out_beat_q == LAST_BEAT) ? '0 : out_beat_q + 1'b1;
      valid_q      <= load || (valid_q && !m_axis_tready);
    end
  end

  assign m_axis_tvalid = valid_q;
  assign m_axis_tdata = data_q;

endmodule
`default_nettype wire
