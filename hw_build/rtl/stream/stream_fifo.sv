// First-word-fall-through FIFO on one AXI-Stream: up to 4 beats a shift register, whose head a LUT a bit selects; more
// of them a RAM ring buffer with an output register.
//
// Order:       beats leave in the order in which they came, tdata unchanged.
// Capacity:    DEPTH beats in all (the output register holds one of them), DEPTH >= 2.
// Latency:     2 cycles from an empty FIFO's input to its output, 1 where DEPTH <= 4.
// Throughput:  one beat a cycle, in and out at once.
// Timing:      s_axis_tready comes from registers; m_axis_tready reaches only the RAM's read enable.
// Gauge:       level is the number of beats held; with GAUGE = 1 peak is the greatest level since reset, else 0.
`default_nettype none
module stream_fifo #(
  parameter int unsigned WIDTH = 8,
  parameter int unsigned DEPTH = 32,
  parameter bit          GAUGE = 1'b0,
  parameter              RAM_STYLE = "auto",
  localparam int unsigned PTR_BITS = $clog2(DEPTH),
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

  if (DEPTH < 2) begin : g_depth_check
    $error("stream_fifo: DEPTH=%0d, must be at least 2", DEPTH);
  end

  if (DEPTH <= 4) begin : g_shift
    logic [PTR_BITS-1:0]         head_q = '0;  // place of the oldest beat; the newest is at 0
    logic                        valid_q = 1'b0;
    logic [DEPTH-1:0][WIDTH-1:0] data_q;

    wire logic push = s_axis_tvalid && s_axis_tready;
    wire logic pop = valid_q && m_axis_tready;

    always_ff @(posedge ap_clk) begin
      if (push) data_q <= {data_q[DEPTH-2:0], s_axis_tdata};
    end
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        head_q  <= '0;
        valid_q <= 1'b0;
      end else if (push != pop) begin
        valid_q <= push || head_q != '0;
        if (push && valid_q) head_q <= head_q + 1'b1;
        if (pop && head_q != '0) head_q <= head_q - 1'b1;
      end
    end
    assign level = valid_q ? LEVEL_BITS'(head_q) + 1'b1 : '0;
    assign s_axis_tready = !(valid_q && head_q == PTR_BITS'(DEPTH - 1));
    assign m_axis_tvalid = valid_q;
    assign m_axis_tdata = data_q[head_q];
  end else begin : g_ring
    (* ram_style = RAM_STYLE *) logic [WIDTH-1:0] ring[DEPTH];

    logic [PTR_BITS-1:0]   write_q = '0;
    logic [PTR_BITS-1:0]   read_q = '0;
    logic [LEVEL_BITS-1:0] level_q = '0;     // ring and output register together
    logic                  stored_q = 1'b0;  // the ring holds a beat
    logic                  ready_q = 1'b0;
    logic                  valid_q = 1'b0;
    logic [WIDTH-1:0]      data_q;

    wire logic push = s_axis_tvalid && ready_q;
    wire logic pop = valid_q && m_axis_tready;
    wire logic load = stored_q && (!valid_q || m_axis_tready);

    // what the level says is compared before push, pop and load are known: they come late
    wire logic full = level_q == LEVEL_BITS'(DEPTH);
    wire logic one_free = level_q == LEVEL_BITS'(DEPTH - 1);
    wire logic one_stored = level_q == (valid_q ? LEVEL_BITS'(2) : LEVEL_BITS'(1));

    always_ff @(posedge ap_clk) begin
      if (push) ring[write_q] <= s_axis_tdata;
      if (load) data_q <= ring[read_q];
    end

    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        write_q  <= '0;
        read_q   <= '0;
        level_q  <= '0;
        stored_q <= 1'b0;
        ready_q  <= 1'b0;
        valid_q  <= 1'b0;
      end else begin
        if (push) write_q <= (write_q == PTR_BITS'(DEPTH - 1)) ? '0 : write_q + 1'b1;
        if (load) read_q <= (read_q == PTR_BITS'(DEPTH - 1)) ? '0 : read_q + 1'b1;
        if (push != pop) level_q <= push ? level_q + 1'b1 : level_q - 1'b1;
        stored_q <= (push != load) ? push || !one_stored : stored_q;
        ready_q  <= (push != pop) ? pop || !one_free : !full;
        valid_q  <= load || (valid_q && !m_axis_tready);
      end
    end

    assign level = level_q;
    assign s_axis_tready = ready_q;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tdata = data_q;
  end

  if (GAUGE) begin : g_gauge
    logic [LEVEL_BITS-1:0] peak_q = '0;
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) peak_q <= '0;
      else if (level > peak_q) peak_q <= level;
    end
    assign peak = peak_q;
  end else begin : g_no_gauge
    assign peak = '0;
  end

endmodule
`default_nettype wire
