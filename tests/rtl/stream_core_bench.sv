// The stream core with its AXI4-Lite channels as streams, and gates that put an order into what a test does.
//
// Writes go once `writes_after` words have come out, reads once `reads_after` have. `first_pixels` pixels go at once,
// the others when `pixels_after` writes are answered.
`default_nettype none
module stream_core_bench (
  input  wire logic        ap_clk,
  input  wire logic        ap_rst_n,
  input  wire logic [15:0] writes_after,
  input  wire logic [15:0] reads_after,
  input  wire logic [15:0] first_pixels,
  input  wire logic [15:0] pixels_after,
  input  wire logic [11:0] aw_tdata,
  input  wire logic        aw_tvalid,
  output      logic        aw_tready,
  input  wire logic [35:0] w_tdata,    // strobes, data
  input  wire logic        w_tvalid,
  output      logic        w_tready,
  output      logic [1:0]  b_tdata,
  output      logic        b_tvalid,
  input  wire logic        b_tready,
  input  wire logic [11:0] ar_tdata,
  input  wire logic        ar_tvalid,
  output      logic        ar_tready,
  output      logic [33:0] r_tdata,    // response, data
  output      logic        r_tvalid,
  input  wire logic        r_tready,
  input  wire logic [23:0] s_axis_tdata,
  input  wire logic        s_axis_tvalid,
  output      logic        s_axis_tready,
  output      logic [31:0] m_axis_tdata,
  output      logic        m_axis_tvalid,
  input  wire logic        m_axis_tready,
  output      logic        m_axis_tlast
);
  logic [15:0] words_q, pixels_q, answers_q;
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      {words_q, pixels_q, answers_q} <= '0;
    end else begin
      words_q   <= words_q + 16'(m_axis_tvalid && m_axis_tready);
      pixels_q  <= pixels_q + 16'(s_axis_tvalid && s_axis_tready);
      answers_q <= answers_q + 16'(b_tvalid && b_tready);
    end
  end
  wire logic write = words_q >= writes_after;
  wire logic read = words_q >= reads_after;
  wire logic feed = pixels_q < first_pixels || answers_q >= pixels_after;
  logic aw_ready, ar_ready, pixel_ready;
  assign aw_tready = aw_ready && write;
  assign ar_tready = ar_ready && read;
  assign s_axis_tready = pixel_ready && feed;

  edgeseg_stream core (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .s_axi_awaddr (aw_tdata),
    .s_axi_awvalid(aw_tvalid && write),
    .s_axi_awready(aw_ready),
    .s_axi_wdata  (w_tdata[31:0]),
    .s_axi_wstrb  (w_tdata[35:32]),
    .s_axi_wvalid (w_tvalid),
    .s_axi_wready (w_tready),
    .s_axi_bresp  (b_tdata),
    .s_axi_bvalid (b_tvalid),
    .s_axi_bready (b_tready),
    .s_axi_araddr (ar_tdata),
    .s_axi_arvalid(ar_tvalid && read),
    .s_axi_arready(ar_ready),
    .s_axi_rdata  (r_tdata[31:0]),
    .s_axi_rresp  (r_tdata[33:32]),
    .s_axi_rvalid (r_tvalid),
    .s_axi_rready (r_tready),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid && feed),
    .s_axis_tready(pixel_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready),
    .m_axis_tlast (m_axis_tlast)
  );
endmodule
`default_nettype wire
