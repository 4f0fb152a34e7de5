// One AXI master in front of two slaves: bit BIT of an address says which of them a burst is for (0: first, 1: second).
//
// Order:      one read and one write burst at a time, from its address to its last answer. So answers come in the order of
//             the addresses, whatever the slaves do, and no data of one burst reach the slave of another.
// Latency:    none: what passes, passes in the same cycle. The address after a burst is taken a cycle after its last answer.
// Reads and writes know nothing of each other. Bits of the address pass unchanged: each slave knows its own window, and
// answers for what lies beside it.
`default_nettype none
module control_split #(
  parameter int unsigned BIT = 16
) (
  input  wire logic              ap_clk,
  input  wire logic              ap_rst_n,
  input  wire axi_pkg::request_t s_axi,
  output      axi_pkg::reply_t   s_axi_reply,
  output      axi_pkg::request_t m_first,
  input  wire axi_pkg::reply_t   m_first_reply,
  output      axi_pkg::request_t m_second,
  input  wire axi_pkg::reply_t   m_second_reply
);

  // a burst is under way, and whose it is
  logic writing_q = 1'b0, reading_q = 1'b0;
  logic write_second_q = 1'b0, read_second_q = 1'b0;

  wire logic aw_second = s_axi.aw.addr[BIT];
  wire logic ar_second = s_axi.ar.addr[BIT];

  always_comb begin
    m_first = s_axi;
    m_first.aw.valid = s_axi.aw.valid && !writing_q && !aw_second;
    m_first.w.valid = s_axi.w.valid && writing_q && !write_second_q;
    m_first.b_ready = s_axi.b_ready && writing_q && !write_second_q;
    m_first.ar.valid = s_axi.ar.valid && !reading_q && !ar_second;
    m_first.r_ready = s_axi.r_ready && reading_q && !read_second_q;
    m_second = s_axi;
    m_second.aw.valid = s_axi.aw.valid && !writing_q && aw_second;
    m_second.w.valid = s_axi.w.valid && writing_q && write_second_q;
    m_second.b_ready = s_axi.b_ready && writing_q && write_second_q;
    m_second.ar.valid = s_axi.ar.valid && !reading_q && ar_second;
    m_second.r_ready = s_axi.r_ready && reading_q && read_second_q;
  end

  always_comb begin
    s_axi_reply.aw_ready = !writing_q && (aw_second ? m_second_reply.aw_ready : m_first_reply.aw_ready);
    s_axi_reply.w_ready = writing_q && (write_second_q ? m_second_reply.w_ready : m_first_reply.w_ready);
    s_axi_reply.b = write_second_q ? m_second_reply.b : m_first_reply.b;
    s_axi_reply.b.valid = writing_q && (write_second_q ? m_second_reply.b.valid : m_first_reply.b.valid);
    s_axi_reply.ar_ready = !reading_q && (ar_second ? m_second_reply.ar_ready : m_first_reply.ar_ready);
    s_axi_reply.r = read_second_q ? m_second_reply.r : m_first_reply.r;
    s_axi_reply.r.valid = reading_q && (read_second_q ? m_second_reply.r.valid : m_first_reply.r.valid);
  end

  always_ff @(posedge ap_clk) begin
    if (s_axi.aw.valid && s_axi_reply.aw_ready) write_second_q <= aw_second;
    if (s_axi.ar.valid && s_axi_reply.ar_ready) read_second_q <= ar_second;
    if (!ap_rst_n) begin
      writing_q <= 1'b0;
      reading_q <= 1'b0;
    end else begin
      if (s_axi.aw.valid && s_axi_reply.aw_ready) writing_q <= 1'b1;
      else if (s_axi_reply.b.valid && s_axi.b_ready) writing_q <= 1'b0;
      if (s_axi.ar.valid && s_axi_reply.ar_ready) reading_q <= 1'b1;
      else if (s_axi_reply.r.valid && s_axi.r_ready && s_axi_reply.r.last) reading_q <= 1'b0;
    end
  end

endmodule
`default_nettype wire
