// AXI slave of 32 bits in front of the register file: every address gets an answer.
//
// Bursts:      FIXED, INCR and WRAP of any length, any size up to 4 bytes; IDs are echoed. One read and one write burst
//              at a time, so AXI3's write data can't interleave.
// Answers:     DECERR outside the window of 4 KiB at BASE; SLVERR inside it where the register file refuses; else OKAY. A
//              write burst answers with its worst beat. Exclusive accesses get OKAY, which means not exclusive.
// Latency:     a beat every two cycles.
// Register side: write_en and read_en last one cycle; their error and data come back in the same cycle.
`default_nettype none
module axi_control #(
  parameter logic [63:0] BASE = 64'h43C0_0000
) (
  input  wire logic              ap_clk,
  input  wire logic              ap_rst_n,
  /* verilator lint_off UNUSEDSIGNAL */ // the upper data lanes, WID and WLAST: the burst's length says all
  input  wire axi_pkg::request_t s_axi,
  /* verilator lint_on UNUSEDSIGNAL */
  output      axi_pkg::reply_t   s_axi_reply,
  output      logic              write_en,
  output      logic [11:0]       write_addr,
  output      logic [31:0]       write_data,
  output      logic [3:0]        write_strb,
  input  wire logic              write_error,
  output      logic              read_en,
  output      logic [11:0]       read_addr,
  input  wire logic [31:0]       read_data,
  input  wire logic              read_error
);
  import axi_pkg::*;

  localparam int unsigned WINDOW_BITS = edgeseg_registers_pkg::WINDOW_BITS;

  // address of the beat after `addr`, by the burst's kind
  function automatic logic [11:0] following(
    input logic [11:0] addr, input logic [7:0] len, input logic [1:0] size, input logic [1:0] burst
  );
    logic [11:0] bytes, step, wrap;
    bytes = 12'd1 << size;
    step = (addr & ~(bytes - 12'd1)) + bytes;
    wrap = ((12'(len) + 12'd1) << size) - 12'd1;
    case (burst)
      FIXED:   return addr;
      WRAP:    return (addr & ~wrap) | (step & wrap);
      default: return step;
    endcase
  endfunction

  // write: address, then beat by beat take the data and hand it on (a register lies between), then one response
  typedef enum logic [1:0] {W_ADDRESS, W_DATA, W_WRITE, W_RESPONSE} write_state_t;
  write_state_t w_state_q = W_ADDRESS;
  logic [15:0]  w_id_q;
  logic [7:0]   w_len_q;
  logic [1:0]   w_size_q, w_burst_q;
  logic [11:0]  w_addr_q;
  logic [7:0]   w_left_q;
  logic         w_hit_q;
  logic [31:0]  w_data_q;
  logic [3:0]   w_strb_q;
  logic [1:0]   w_resp_q;

  logic [1:0] w_beat_resp;
  always_comb begin
    w_beat_resp = OKAY;
    if (!w_hit_q) w_beat_resp = DECERR;
    else if (write_error) w_beat_resp = SLVERR;
  end

  always_ff @(posedge ap_clk) begin
    if (w_state_q == W_ADDRESS && s_axi.aw.valid) begin
      w_id_q    <= s_axi.aw.id;
      w_len_q   <= s_axi.aw.len;
      w_size_q  <= s_axi.aw.size[1:0];
      w_burst_q <= s_axi.aw.burst;
      w_addr_q  <= s_axi.aw.addr[11:0];
      w_left_q  <= s_axi.aw.len;
      w_hit_q   <= s_axi.aw.addr[63:WINDOW_BITS] == BASE[63:WINDOW_BITS];
      w_resp_q  <= OKAY;
    end
    if (w_state_q == W_DATA) begin
      w_data_q <= s_axi.w.data[31:0];
      w_strb_q <= s_axi.w.strb[3:0];
    end
    if (w_state_q == W_WRITE) begin
      w_addr_q <= following(w_addr_q, w_len_q, w_size_q, w_burst_q);
      w_left_q <= w_left_q - 1'b1;
      if (w_beat_resp > w_resp_q) w_resp_q <= w_beat_resp;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      w_state_q <= W_ADDRESS;
    end else begin
      case (w_state_q)
        W_ADDRESS: if (s_axi.aw.valid) w_state_q <= W_DATA;
        W_DATA:    if (s_axi.w.valid) w_state_q <= W_WRITE;
        W_WRITE:   w_state_q <= w_left_q == '0 ? W_RESPONSE : W_DATA;
        default:   if (s_axi.b_ready) w_state_q <= W_ADDRESS;
      endcase
    end
  end

  assign write_en = w_state_q == W_WRITE && w_hit_q;
  assign write_addr = w_addr_q;
  assign write_data = w_data_q;
  assign write_strb = w_strb_q;

  // read: address, then beat by beat look up (a register of what the register file says) and offer
  typedef enum logic [1:0] {R_ADDRESS, R_LOOKUP, R_OFFER} read_state_t;
  read_state_t r_state_q = R_ADDRESS;
  logic [15:0]  r_id_q;
  logic [7:0]   r_len_q;
  logic [1:0]   r_size_q, r_burst_q;
  logic [11:0] r_addr_q;
  logic [7:0]  r_left_q;
  logic        r_hit_q;
  logic [31:0] r_data_q;
  logic [1:0]  r_resp_q;

  always_ff @(posedge ap_clk) begin
    if (r_state_q == R_ADDRESS && s_axi.ar.valid) begin
      r_id_q    <= s_axi.ar.id;
      r_len_q   <= s_axi.ar.len;
      r_size_q  <= s_axi.ar.size[1:0];
      r_burst_q <= s_axi.ar.burst;
      r_addr_q  <= s_axi.ar.addr[11:0];
      r_left_q  <= s_axi.ar.len;
      r_hit_q   <= s_axi.ar.addr[63:WINDOW_BITS] == BASE[63:WINDOW_BITS];
    end
    if (r_state_q == R_LOOKUP) begin
      r_data_q <= r_hit_q && !read_error ? read_data : '0;
      r_resp_q <= !r_hit_q ? DECERR : read_error ? SLVERR : OKAY;
    end
    if (r_state_q == R_OFFER && s_axi.r_ready) begin
      r_addr_q <= following(r_addr_q, r_len_q, r_size_q, r_burst_q);
      r_left_q <= r_left_q - 1'b1;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      r_state_q <= R_ADDRESS;
    end else begin
      case (r_state_q)
        R_ADDRESS: if (s_axi.ar.valid) r_state_q <= R_LOOKUP;
        R_LOOKUP:  r_state_q <= R_OFFER;
        default:   if (s_axi.r_ready) r_state_q <= r_left_q == '0 ? R_ADDRESS : R_LOOKUP;
      endcase
    end
  end

  assign read_en = r_state_q == R_LOOKUP && r_hit_q;
  assign read_addr = r_addr_q;

  always_comb begin
    s_axi_reply = '0;
    s_axi_reply.aw_ready = ap_rst_n && w_state_q == W_ADDRESS;
    s_axi_reply.w_ready = w_state_q == W_DATA;
    s_axi_reply.b.valid = w_state_q == W_RESPONSE;
    s_axi_reply.b.id = w_id_q;
    s_axi_reply.b.resp = w_resp_q;
    s_axi_reply.ar_ready = ap_rst_n && r_state_q == R_ADDRESS;
    s_axi_reply.r.valid = r_state_q == R_OFFER;
    s_axi_reply.r.id = r_id_q;
    s_axi_reply.r.data = 64'(r_data_q);
    s_axi_reply.r.resp = r_resp_q;
    s_axi_reply.r.last = r_left_q == '0;
  end

endmodule
`default_nettype wire
