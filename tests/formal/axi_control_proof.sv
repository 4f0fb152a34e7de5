// Every burst gets its answer: as many beats as it asks for, at the addresses of its kind, its ID, the worst response.
`default_nettype none
module proof (
  input wire logic clk, rst_n,
  input wire logic [95:0] aw, ar, input wire logic aw_valid, ar_valid, w_valid, b_ready, r_ready,
  input wire logic [31:0] w_data, input wire logic [3:0] w_strb,
  input wire logic write_error, read_error, input wire logic [31:0] read_data, output logic bad
);
  import axi_pkg::*;
  localparam logic [63:0] BASE = 64'h43C0_0000;

  // what AXI allows of a burst: sizes up to the bus (4 bytes here), a WRAP of 2, 4, 8 or 16 beats that is aligned
  function automatic address_t lawful(input logic valid, input logic [95:0] bits);
    lawful = '0;
    lawful.valid = valid;
    {lawful.id, lawful.addr[31:0], lawful.len, lawful.size[1:0], lawful.burst} = bits[59:0];
    if (lawful.size[1:0] == 2'd3) lawful.size = 3'd2;
    if (lawful.burst == 2'd3) lawful.burst = INCR;
    if (lawful.burst == WRAP && !(lawful.len inside {8'd1, 8'd3, 8'd7, 8'd15})) lawful.burst = INCR;
    if (lawful.burst == WRAP) lawful.addr &= ~((64'd1 << lawful.size) - 64'd1);
  endfunction
  // beat number `beat` of a burst, from its first address
  function automatic logic [11:0] place(input address_t burst, input logic [7:0] beat);
    logic [11:0] start, block;
    start = burst.addr[11:0];
    block = ((12'(burst.len) + 12'd1) << burst.size) - 12'd1;
    if (burst.burst == FIXED || beat == 0) return start;
    start = (start >> burst.size << burst.size) + (12'(beat) << burst.size);
    return burst.burst == WRAP ? (burst.addr[11:0] & ~block) | (start & block) : start;
  endfunction

  request_t request;
  reply_t reply;
  logic write_en, read_en;
  logic [11:0] write_addr, read_addr;
  logic [31:0] write_data;
  logic [3:0] write_strb;
  always_comb begin
    request = '0;
    request.aw = lawful(aw_valid, aw);
    request.ar = lawful(ar_valid, ar);
    request.w.valid = w_valid;
    request.w.data = 64'(w_data);
    request.w.strb = 8'(w_strb);
    request.b_ready = b_ready;
    request.r_ready = r_ready;
  end
  axi_control #(.BASE(BASE)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .s_axi(request), .s_axi_reply(reply), .write_en, .write_addr, .write_data,
    .write_strb, .write_error, .read_en, .read_addr, .read_data, .read_error);

  logic begun_q = 1'b0;
  // a burst under way, its beat, and what the beat met
  logic w_on_q, w_taken_q, r_on_q, r_known_q, w_all_q;
  address_t w_q, r_q;
  logic [7:0] w_beat_q, r_beat_q;
  logic [31:0] w_data_q, r_data_q;
  logic [3:0] w_strb_q;
  logic [1:0] w_worst_q, r_resp_q;
  logic [7:0] r_waited_q, w_waited_q;
  logic r_stalled_q, b_stalled_q;
  read_t r_stalled_beat_q;
  response_t b_stalled_beat_q;
  wire logic w_hit = w_q.addr[63:12] == BASE[63:12];
  wire logic r_hit = r_q.addr[63:12] == BASE[63:12];
  wire logic [1:0] w_met = !w_hit ? DECERR : write_error ? SLVERR : OKAY;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      begun_q <= 1'b1;
      {w_on_q, w_taken_q, r_on_q, r_known_q, w_all_q, r_stalled_q, b_stalled_q} <= '0;
      r_waited_q <= '0;
      w_waited_q <= '0;
    end else begin
      if (request.aw.valid && reply.aw_ready) begin
        w_on_q <= 1'b1;
        w_all_q <= 1'b0;
        w_taken_q <= 1'b0;
        w_q <= request.aw;
        w_beat_q <= '0;
        w_worst_q <= OKAY;
      end
      if (w_valid && reply.w_ready) begin
        w_taken_q <= 1'b1;
        w_data_q <= w_data;
        w_strb_q <= w_strb;
      end else if (w_taken_q) begin  // the cycle in which the beat is handed on
        w_taken_q <= 1'b0;
        w_beat_q <= w_beat_q + 8'd1;
        w_all_q <= w_beat_q == w_q.len;
        if (w_met > w_worst_q) w_worst_q <= w_met;
      end
      if (reply.b.valid && b_ready) w_on_q <= 1'b0;
      if (request.ar.valid && reply.ar_ready) begin
        r_on_q <= 1'b1;
        r_known_q <= 1'b0;
        r_q <= request.ar;
        r_beat_q <= '0;
      end else if (r_on_q && !r_known_q) begin
        r_known_q <= 1'b1;
        r_data_q <= (r_hit && !read_error) ? read_data : '0;
        r_resp_q <= !r_hit ? DECERR : read_error ? SLVERR : OKAY;
      end else if (reply.r.valid && r_ready) begin
        r_known_q <= 1'b0;
        r_beat_q <= r_beat_q + 8'd1;
        if (r_beat_q == r_q.len) r_on_q <= 1'b0;
      end
      r_waited_q <= (r_on_q && !reply.r.valid) ? r_waited_q + 8'd1 : 8'd0;
      w_waited_q <= (w_on_q && !reply.b.valid && !reply.w_ready) ? w_waited_q + 8'd1 : 8'd0;
      r_stalled_q <= reply.r.valid && !r_ready;
      r_stalled_beat_q <= reply.r;
      b_stalled_q <= reply.b.valid && !b_ready;
      b_stalled_beat_q <= reply.b;
    end
  end

  wire logic w_follows = !w_on_q || (dut.w_id_q == w_q.id && dut.w_len_q == w_q.len && dut.w_size_q == w_q.size[1:0]
      && dut.w_burst_q == w_q.burst && dut.w_hit_q == w_hit && dut.w_resp_q == w_worst_q
      && (w_all_q || (dut.w_addr_q == place(w_q, w_beat_q) && dut.w_left_q == w_q.len - w_beat_q && w_beat_q <= w_q.len)));
  wire logic r_follows = !r_on_q || (dut.r_id_q == r_q.id && dut.r_len_q == r_q.len && dut.r_size_q == r_q.size[1:0]
      && dut.r_burst_q == r_q.burst && dut.r_hit_q == r_hit && dut.r_addr_q == place(r_q, r_beat_q)
      && dut.r_left_q == r_q.len - r_beat_q && r_beat_q <= r_q.len);
  wire logic w_lawful = w_q == lawful(1'b1, {36'd0, w_q.id, w_q.addr[31:0], w_q.len, w_q.size[1:0], w_q.burst});
  wire logic r_lawful = r_q == lawful(1'b1, {36'd0, r_q.id, r_q.addr[31:0], r_q.len, r_q.size[1:0], r_q.burst});
  assign bad = begun_q && rst_n && (!w_follows || !r_follows || (w_on_q && !w_lawful) || (r_on_q && !r_lawful)
      || reply.aw_ready == w_on_q || reply.ar_ready == r_on_q
      || reply.w_ready != (w_on_q && !w_taken_q && !w_all_q)
      || write_en != (w_taken_q && w_hit)
      || (write_en && (write_addr != place(w_q, w_beat_q) || write_data != w_data_q || write_strb != w_strb_q))
      || (w_taken_q && (!w_on_q || w_all_q)) || (w_all_q && w_on_q && dut.w_state_q != 2'd3)
      || reply.b.valid != (w_on_q && w_all_q) || (reply.b.valid && (reply.b.id != w_q.id || reply.b.resp != w_worst_q))
      || (b_stalled_q && reply.b != b_stalled_beat_q)
      || read_en != (r_on_q && !r_known_q && r_hit) || (read_en && read_addr != place(r_q, r_beat_q))
      || reply.r.valid != (r_on_q && r_known_q)
      || (reply.r.valid && (reply.r.id != r_q.id || reply.r.data != 64'(r_data_q) || reply.r.resp != r_resp_q
          || reply.r.last != (r_beat_q == r_q.len)))
      || (r_stalled_q && reply.r != r_stalled_beat_q)
      || r_waited_q > 8'd1 || w_waited_q > 8'd1);
endmodule
`default_nettype wire
