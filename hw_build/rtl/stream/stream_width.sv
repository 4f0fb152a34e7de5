// Changes the number of elements a beat carries; one count must be a multiple of the other.
//
// Order:       element k of the stream stays element k; within a beat element i is at bits [i*ELEMENT_BITS +: ...].
// Latency:     1 cycle after the last input beat that an output beat needs.
// Throughput:  one beat a cycle on the narrow side.
// Timing:      tready passes through combinationally: put it behind a FIFO (the stitcher does).
`default_nettype none
module stream_width #(
  parameter int unsigned ELEMENT_BITS = 4,
  parameter int unsigned IN_ELEMENTS = 1,
  parameter int unsigned OUT_ELEMENTS = 2,
  localparam int unsigned IN_BITS = IN_ELEMENTS * ELEMENT_BITS,
  localparam int unsigned OUT_BITS = OUT_ELEMENTS * ELEMENT_BITS
) (
  input  wire logic                ap_clk,
  input  wire logic                ap_rst_n,
  input  wire logic [IN_BITS-1:0]  s_axis_tdata,
  input  wire logic                s_axis_tvalid,
  output      logic                s_axis_tready,
  output      logic [OUT_BITS-1:0] m_axis_tdata,
  output      logic                m_axis_tvalid,
  input  wire logic                m_axis_tready
);

  if (OUT_ELEMENTS % IN_ELEMENTS != 0 && IN_ELEMENTS % OUT_ELEMENTS != 0) begin : g_check
    $error("stream_width: %0d and %0d elements, one must divide the other", IN_ELEMENTS, OUT_ELEMENTS);
  end

  if (OUT_ELEMENTS > IN_ELEMENTS) begin : g_widen
    localparam int unsigned RATIO = OUT_ELEMENTS / IN_ELEMENTS;
    logic [$clog2(RATIO)-1:0] count_q = '0;  // input beats collected for the next output beat
    logic                     valid_q = 1'b0;
    logic [OUT_BITS-1:0]      data_q;

    wire logic take = s_axis_tvalid && s_axis_tready;
    wire logic complete = take && count_q == $clog2(RATIO)'(RATIO - 1);

    always_ff @(posedge ap_clk) begin
      if (take) data_q <= {s_axis_tdata, data_q[OUT_BITS-1:IN_BITS]};
    end
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        count_q <= '0;
        valid_q <= 1'b0;
      end else begin
        if (take) count_q <= complete ? '0 : count_q + 1'b1;
        valid_q <= complete || (valid_q && !m_axis_tready);
      end
    end
    assign s_axis_tready = !valid_q || m_axis_tready;
    assign m_axis_tvalid = valid_q;
    assign m_axis_tdata = data_q;
  end else if (OUT_ELEMENTS < IN_ELEMENTS) begin : g_narrow
    localparam int unsigned RATIO = IN_ELEMENTS / OUT_ELEMENTS;
    localparam int unsigned LEFT_BITS = $clog2(RATIO + 1);
    logic [LEFT_BITS-1:0] left_q;          // output beats that the held input beat still holds
    logic                 valid_q = 1'b0;  // there are some
    logic                 last_q = 1'b0;   // there is one
    logic [IN_BITS-1:0]   data_q;

    wire logic take = s_axis_tvalid && s_axis_tready;
    wire logic give = m_axis_tvalid && m_axis_tready;

    always_ff @(posedge ap_clk) begin
      if (take) data_q <= s_axis_tdata;
      else if (give) data_q <= IN_BITS'(data_q[IN_BITS-1:OUT_BITS]);
    end
    always_ff @(posedge ap_clk) begin
      if (take) left_q <= LEFT_BITS'(RATIO);
      else if (give) left_q <= left_q - 1'b1;
    end
    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) begin
        valid_q <= 1'b0;
        last_q  <= 1'b0;
      end else if (take) begin
        valid_q <= 1'b1;
        last_q  <= 1'b0;
      end else if (give) begin
        valid_q <= !last_q;
        last_q  <= left_q == LEFT_BITS'(2);
      end
    end
    assign s_axis_tready = !valid_q || (last_q && m_axis_tready);
    assign m_axis_tvalid = valid_q;
    assign m_axis_tdata = data_q[OUT_BITS-1:0];
  end else begin : g_pass
    assign s_axis_tready = m_axis_tready;
    assign m_axis_tvalid = s_axis_tvalid;
    assign m_axis_tdata = s_axis_tdata;
  end

endmodule
`default_nettype wire
