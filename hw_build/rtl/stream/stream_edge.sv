// One edge of the dataflow graph: a FIFO (packed where BEATS_PER_WORD is not 1) and, for measuring only, counters that
// a debug bus reads.
//
// With GAUGE = 0 this is the FIFO alone. With GAUGE = 1:
// - isolate high cuts the edge: the producer may always write (beats are dropped) and the consumer always finds a
//   beat, so that every node runs at its own speed and its cycles per frame can be counted, whatever the data.
// - gauge_out is gauge_in, or word gauge_addr[2:0] of this edge when gauge_addr[15:3] is INDEX, after a tick of
//   gauge_clk, a clock of its own so that reading costs nothing while the design runs:
//     0 peak level   1 level   2 beats written   3 frames begun   4 cycle of the first beat of the frame begun last
//     5 cycle of the first beat of the frame before   6 cycles in which the producer waited
`default_nettype none
module stream_edge #(
  parameter int unsigned WIDTH = 8,
  parameter int unsigned DEPTH = 32,
  parameter int unsigned BEATS_PER_WORD = 1,
  parameter int unsigned BEATS_PER_FRAME = 2,
  parameter int unsigned INDEX = 0,
  parameter bit          GAUGE = 1'b0
) (
  input  wire logic             ap_clk,
  input  wire logic             ap_rst_n,
  input  wire logic [WIDTH-1:0] s_axis_tdata,
  input  wire logic             s_axis_tvalid,
  output      logic             s_axis_tready,
  output      logic [WIDTH-1:0] m_axis_tdata,
  output      logic             m_axis_tvalid,
  input  wire logic             m_axis_tready,
  input  wire logic             isolate,
  input  wire logic [31:0]      now,
  input  wire logic             gauge_clk,
  input  wire logic [15:0]      gauge_addr,
  input  wire logic [31:0]      gauge_in,
  output      logic [31:0]      gauge_out
);

  localparam int unsigned LEVEL_BITS = $clog2(DEPTH + 1);

  logic fifo_s_tvalid, fifo_s_tready, fifo_m_tvalid;
  /* verilator lint_off UNUSEDSIGNAL */ // without GAUGE nobody reads the levels
  logic [LEVEL_BITS-1:0] level, peak;
  /* verilator lint_on UNUSEDSIGNAL */

  if (BEATS_PER_WORD > 1) begin : g_packed
    stream_fifo_packed #(
      .WIDTH(WIDTH),
      .BEATS(BEATS_PER_WORD),
      .DEPTH(DEPTH),
      .GAUGE(GAUGE)
    ) fifo (
      .ap_clk       (ap_clk),
      .ap_rst_n     (ap_rst_n),
      .s_axis_tdata (s_axis_tdata),
      .s_axis_tvalid(fifo_s_tvalid),
      .s_axis_tready(fifo_s_tready),
      .m_axis_tdata (m_axis_tdata),
      .m_axis_tvalid(fifo_m_tvalid),
      .m_axis_tready(m_axis_tready),
      .level        (level),
      .peak         (peak)
    );
  end else begin : g_fifo
    stream_fifo #(
      .WIDTH(WIDTH),
      .DEPTH(DEPTH),
      .GAUGE(GAUGE)
    ) fifo (
      .ap_clk       (ap_clk),
      .ap_rst_n     (ap_rst_n),
      .s_axis_tdata (s_axis_tdata),
      .s_axis_tvalid(fifo_s_tvalid),
      .s_axis_tready(fifo_s_tready),
      .m_axis_tdata (m_axis_tdata),
      .m_axis_tvalid(fifo_m_tvalid),
      .m_axis_tready(m_axis_tready),
      .level        (level),
      .peak         (peak)
    );
  end

  if (GAUGE) begin : g_gauge
    localparam int unsigned BEAT_BITS = BEATS_PER_FRAME > 1 ? $clog2(BEATS_PER_FRAME) : 1;
    logic [BEAT_BITS-1:0] beat_q = '0;
    logic [31:0] beats_q = '0, frames_q = '0, waited_q = '0;
    logic [31:0] begin_q = '0, previous_q = '0, word_q = '0;

    assign fifo_s_tvalid = s_axis_tvalid && !isolate;
    assign s_axis_tready = fifo_s_tready || isolate;
    assign m_axis_tvalid = fifo_m_tvalid || isolate;

    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        beat_q   <= '0;
        beats_q  <= '0;
        frames_q <= '0;
        waited_q <= '0;
      end else if (s_axis_tvalid) begin
        if (s_axis_tready) begin
          beats_q <= beats_q + 1'b1;
          beat_q  <= (beat_q == BEAT_BITS'(BEATS_PER_FRAME - 1)) ? '0 : beat_q + 1'b1;
          if (beat_q == '0) begin
            frames_q   <= frames_q + 1'b1;
            begin_q    <= now;
            previous_q <= begin_q;
          end
        end else begin
          waited_q <= waited_q + 1'b1;
        end
      end
    end

    always_ff @(posedge gauge_clk) begin
      word_q <= '0;
      if (gauge_addr[15:3] == 13'(INDEX)) begin
        case (gauge_addr[2:0])
          3'd0: word_q <= 32'(peak);
          3'd1: word_q <= 32'(level);
          3'd2: word_q <= beats_q;
          3'd3: word_q <= frames_q;
          3'd4: word_q <= begin_q;
          3'd5: word_q <= previous_q;
          3'd6: word_q <= waited_q;
          default: word_q <= '0;
        endcase
      end
    end
    assign gauge_out = gauge_in | word_q;
  end else begin : g_plain
    assign fifo_s_tvalid = s_axis_tvalid;
    assign s_axis_tready = fifo_s_tready;
    assign m_axis_tvalid = fifo_m_tvalid;
    assign gauge_out = '0;
    /* verilator lint_off UNUSEDSIGNAL */ // the debug bus ends here
    wire logic unused = &{1'b0, isolate, now, gauge_clk, gauge_addr, gauge_in};
    /* verilator lint_on UNUSEDSIGNAL */
  end

endmodule
`default_nettype wire
