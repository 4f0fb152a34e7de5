// First-word-fall-through FIFO for long queues of narrow beats: BEATS of them a word of block RAM, so that no bit of a
// word lies idle (nine 4-bit beats in 36 bits).
//
// Order:       beats leave in the order in which they came, tdata unchanged.
// Capacity:    at least DEPTH beats.
// Latency:     2 cycles from an empty FIFO's input to its output: a word that is still being collected is read from
//              where it is collected, so no beat waits for its word to be complete.
// Throughput:  one beat a cycle, in and out at once, while the reader is a word behind the writer or more.
// Timing:      s_axis_tready comes from registers by one gate; m_axis_tready reaches the RAM's read enable and counters.
// Gauge:       with GAUGE = 1 level is the number of beats held and peak its greatest since reset, else both are 0.
`default_nettype none
module stream_fifo_packed #(
  parameter int unsigned WIDTH = 4,
  parameter int unsigned BEATS = 9,
  parameter int unsigned DEPTH = 4096,
  parameter bit          GAUGE = 1'b0,
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

  localparam logic [BEAT_BITS-1:0] LAST_BEAT = BEAT_BITS'(BEATS - 1);
  localparam logic [ADDR_BITS-1:0] LAST_WORD = ADDR_BITS'(WORDS - 1);

  function automatic logic [ADDR_BITS-1:0] after(logic [ADDR_BITS-1:0] address);
    return (address == LAST_WORD) ? '0 : address + 1'b1;
  endfunction

  (* ram_style = "block" *) logic [BEATS*WIDTH-1:0] ring[WORDS];

  logic [BEATS-2:0][WIDTH-1:0] tail_q;          // the word that is being collected, without its last beat
  logic [BEAT_BITS-1:0]        in_beat_q = '0;  // beats in it
  logic [ADDR_BITS-1:0]        write_q = '0;
  logic [WORDS_BITS-1:0]       words_q = '0;    // complete words whose last beat has not left the ring
  logic                        full_q = 1'b0;
  logic [BEATS-1:0][WIDTH-1:0] word_q;          // the word that is being read
  logic                        fetched_q = 1'b0;
  logic [ADDR_BITS-1:0]        read_q = '0;
  logic [BEAT_BITS-1:0]        out_beat_q = '0;
  logic [WIDTH-1:0]            data_q;
  logic                        valid_q = 1'b0;

  // writing
  assign s_axis_tready = !(full_q && in_beat_q == LAST_BEAT);
  wire logic push = s_axis_tvalid && s_axis_tready;
  wire logic store = push && in_beat_q == LAST_BEAT;

  // reading: a word of the ring, or, when there is none, the beats collected so far
  wire logic in_ring = words_q != '0;
  wire logic at_hand = in_ring ? fetched_q : out_beat_q < in_beat_q;
  wire logic load = at_hand && (!valid_q || m_axis_tready);
  wire logic leave = load && in_ring && out_beat_q == LAST_BEAT;  // the last beat is never in tail_q
  wire logic next_too = words_q > WORDS_BITS'(1);
  wire logic fetch = leave ? next_too : in_ring && !fetched_q;
  wire logic [ADDR_BITS-1:0] fetch_address = leave ? after(read_q) : read_q;

  logic [BEATS-1:0][WIDTH-1:0] source;
  assign source = in_ring ? word_q : {WIDTH'(0), tail_q};

  always_ff @(posedge ap_clk) begin
    if (store) ring[write_q] <= {s_axis_tdata, tail_q};
    if (fetch) word_q <= ring[fetch_address];
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
      in_beat_q  <= '0;
      write_q    <= '0;
      words_q    <= '0;
      full_q     <= 1'b0;
      fetched_q  <= 1'b0;
      read_q     <= '0;
      out_beat_q <= '0;
      valid_q    <= 1'b0;
    end else begin
      if (push) in_beat_q <= store ? '0 : in_beat_q + 1'b1;
      if (store) write_q <= after(write_q);
      if (store != leave) begin
        words_q <= store ? words_q + 1'b1 : words_q - 1'b1;
        full_q  <= store && words_q == WORDS_BITS'(WORDS - 1);
      end
      if (leave) read_q <= after(read_q);
      if (leave || fetch) fetched_q <= fetch;
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
