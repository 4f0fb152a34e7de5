// A burst goes to the slave that its address names, and nothing else moves on its channels until that one has answered.
`default_nettype none
module proof (
  input wire logic clk, rst_n,
  input wire axi_pkg::request_t request, input wire axi_pkg::reply_t first_reply, second_reply,
  output logic bad
);
  import axi_pkg::*;

  request_t first, second;
  reply_t reply;
  control_split #(.BIT(16)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axi(request), .s_axi_reply(reply), .m_first(first), .m_first_reply(first_reply),
    .m_second(second), .m_second_reply(second_reply));

  // a burst under way in each direction, by its address; the other slave owes nothing
  logic begun_q = 1'b0, w_on_q, r_on_q;
  logic [63:0] w_addr_q, r_addr_q;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      begun_q <= 1'b1;
      {w_on_q, r_on_q} <= '0;
    end else begin
      if (request.aw.valid && reply.aw_ready) {w_on_q, w_addr_q} <= {1'b1, request.aw.addr};
      if (reply.b.valid && request.b_ready) w_on_q <= 1'b0;
      if (request.ar.valid && reply.ar_ready) {r_on_q, r_addr_q} <= {1'b1, request.ar.addr};
      if (reply.r.valid && request.r_ready && reply.r.last) r_on_q <= 1'b0;
    end
  end

  // the slave of the burst under way, or of the address that is offered; what it says, and what it and the other see
  wire logic w_second = w_on_q ? w_addr_q[16] : request.aw.addr[16];
  wire logic r_second = r_on_q ? r_addr_q[16] : request.ar.addr[16];
  wire reply_t w_reply = w_second ? second_reply : first_reply;
  wire reply_t r_reply = r_second ? second_reply : first_reply;
  wire request_t w_its = w_second ? second : first;
  wire request_t w_other = w_second ? first : second;
  wire request_t r_its = r_second ? second : first;
  wire request_t r_other = r_second ? first : second;
  function automatic logic moves(input address_t got, given);  // unchanged but for valid
    return got == {got.valid, given.id, given.addr, given.len, given.size, given.burst};
  endfunction

  assign bad = begun_q && rst_n && (
      // addresses
      reply.aw_ready != (!w_on_q && w_reply.aw_ready) || w_its.aw.valid != (!w_on_q && request.aw.valid)
      || reply.ar_ready != (!r_on_q && r_reply.ar_ready) || r_its.ar.valid != (!r_on_q && request.ar.valid)
      || !moves(w_its.aw, request.aw) || !moves(r_its.ar, request.ar)
      // data and answers
      || reply.w_ready != (w_on_q && w_reply.w_ready) || w_its.w.valid != (w_on_q && request.w.valid)
      || (w_its.w.valid && w_its.w != request.w)
      || w_its.b_ready != (w_on_q && request.b_ready) || reply.b.valid != (w_on_q && w_reply.b.valid)
      || (reply.b.valid && reply.b != w_reply.b)
      || r_its.r_ready != (r_on_q && request.r_ready) || reply.r.valid != (r_on_q && r_reply.r.valid)
      || (reply.r.valid && reply.r != r_reply.r)
      // the other slave sees nothing
      || w_other.aw.valid || w_other.w.valid || w_other.b_ready || r_other.ar.valid || r_other.r_ready
      || dut.writing_q != w_on_q || dut.reading_q != r_on_q
      || (w_on_q && dut.write_second_q != w_addr_q[16]) || (r_on_q && dut.read_second_q != r_addr_q[16]));
endmodule
`default_nettype wire
