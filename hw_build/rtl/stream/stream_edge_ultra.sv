// One edge of the dataflow graph whose FIFO lies in UltraRAM: a stream_edge of two beats, which registers what goes to
// the UltraRAM and has the counters, and stream_fifo_ultra behind it. Ports and gauge words are those of stream_edge.sv;
// level and peak (words 1 and 0) count the beats of both FIFOs.
`default_nettype none
module stream_edge_ultra #(
  parameter int unsigned WIDTH = 8,
  parameter int unsigned DEPTH = 32,
  parameter int unsigned BEATS_PER_WORD = 1,
  parameter int unsigned BEATS_PER_FRAME = 2,
  parameter int unsigned INDEX = 0,
  parameter bit          GAUGE = 1'b0,
  parameter              RAM_STYLE = "ultra"
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

  logic [WIDTH-1:0] near_tdata;
  logic             near_tvalid, near_tready, far_tvalid;
  logic [31:0]      near_gauge;

  stream_edge #(
    .WIDTH(WIDTH),
    .DEPTH(2),
    .BEATS_PER_FRAME(BEATS_PER_FRAME),
    .INDEX(INDEX),
    .GAUGE(GAUGE)
  ) near (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata (near_tdata),
    .m_axis_tvalid(near_tvalid),
    .m_axis_tready(near_tready),
    .isolate      (isolate),
    .now          (now),
    .gauge_clk    (gauge_clk),
    .gauge_addr   (gauge_addr),
    .gauge_in     (32'd0),
    .gauge_out    (near_gauge)
  );

  stream_fifo_ultra #(
    .WIDTH(WIDTH),
    .BEATS(BEATS_PER_WORD),
    .DEPTH(DEPTH),
    .RAM_STYLE(RAM_STYLE)
  ) far (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .s_axis_tdata (near_tdata),
    .s_axis_tvalid(near_tvalid),
    .s_axis_tready(near_tready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(far_tvalid),
    .m_axis_tready(m_axis_tready)
  );

  if (GAUGE) begin : g_gauge
    logic [31:0] level_q = '0, peak_q = '0, word_q = '0;
    logic        own_q = 1'b0;
    wire logic push = s_axis_tvalid && s_axis_tready && !isolate;
    wire logic pop = far_tvalid && m_axis_tready && !isolate;

    assign m_axis_tvalid = far_tvalid || isolate;

    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        level_q <= '0;
        peak_q  <= '0;
      end else begin
        if (push != pop) level_q <= push ? level_q + 1'b1 : level_q - 1'b1;
        if (level_q > peak_q) peak_q <= level_q;
      end
    end

    always_ff @(posedge gauge_clk) begin
      own_q  <= gauge_addr[15:1] == {13'(INDEX), 2'b00};
      word_q <= gauge_addr[0] ? level_q : peak_q;
    end
    assign gauge_out = gauge_in | (own_q ? word_q : near_gauge);
  end else begin : g_plain
    assign m_axis_tvalid = far_tvalid;
    assign gauge_out = '0;
    /* verilator lint_off UNUSEDSIGNAL */ // the debug bus ends here
    wire logic unused = &{1'b0, gauge_in, near_gauge};
    /* verilator lint_on UNUSEDSIGNAL */
  end

endmodule
`default_nettype wire
