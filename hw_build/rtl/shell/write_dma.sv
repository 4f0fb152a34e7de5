// Writes a stream of 64-bit beats to memory, the frames of a job one after the other.
//
// Bursts:      as burst_split cuts them. One begins only when the FIFO holds all of its beats, so that data never keeps
//              the memory port waiting and a burst that has begun ends without the accelerator. Address and data are
//              offered together, neither waits for the other. Up to 8 responses outstanding; WID equals AWID.
// Errors:      the job goes on; decerr, slverr pulse with the response.
// halt:        begins no further burst. `quiet` says that every burst is written and answered; only then may ap_rst_n fall.
// idle:        no burst of the job is left, and quiet.
`default_nettype none
module write_dma #(
  parameter int unsigned MAX_BURST = 16,
  parameter int unsigned FRAME_BITS = 16,
  parameter int unsigned ADDRESS_BITS = 32
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire logic                  start,
  input  wire logic                  halt,
  input  wire logic [63:0]           destination,
  input  wire logic [31:0]           frames,
  input  wire logic [FRAME_BITS-1:0] frame_beats,
  output      logic                  idle,
  output      logic                  quiet,
  output      logic                  decerr,
  output      logic                  slverr,
  output      axi_pkg::address_t     aw,
  input  wire logic                  aw_ready,
  output      axi_pkg::write_t       w,
  input  wire logic                  w_ready,
  /* verilator lint_off UNUSEDSIGNAL */ // one ID: a response's says nothing new
  input  wire axi_pkg::response_t    b,
  /* verilator lint_on UNUSEDSIGNAL */
  output      logic                  b_ready,
  input  wire logic [63:0]           s_axis_tdata,
  input  wire logic                  s_axis_tvalid,
  output      logic                  s_axis_tready
);
  import axi_pkg::*;

  localparam int unsigned DEPTH = 4 * MAX_BURST;
  localparam int unsigned LEVEL_BITS = $clog2(DEPTH + 1);
  localparam int unsigned LEFT_BITS = $clog2(MAX_BURST + 1);
  localparam logic [3:0]  MAX_OUTSTANDING = 4'd8;

  logic        split_finished, split_valid, issue;
  /* verilator lint_off UNUSEDSIGNAL */ // zeros above ADDRESS_BITS
  logic [63:0] split_addr;
  /* verilator lint_on UNUSEDSIGNAL */
  logic [7:0]  split_len;

  burst_split #(
    .MAX_BURST   (MAX_BURST),
    .FRAME_BITS  (FRAME_BITS),
    .ADDRESS_BITS(ADDRESS_BITS)
  ) split (
    .ap_clk     (ap_clk),
    .ap_rst_n   (ap_rst_n),
    .load       (start),
    .first_addr (destination),
    .frames     (frames),
    .frame_beats(frame_beats),
    .finished   (split_finished),
    .valid      (split_valid),
    .addr       (split_addr),
    .len        (split_len),
    .take       (issue)
  );

  logic [63:0]           fifo_data;
  logic                  fifo_valid, fifo_pop;
  logic [LEVEL_BITS-1:0] level;

  /* verilator lint_off PINCONNECTEMPTY */ // no gauge here
  stream_fifo #(
    .WIDTH    (64),
    .DEPTH    (DEPTH),
    .RAM_STYLE("distributed")
  ) fifo (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .s_axis_tdata (s_axis_tdata),
    .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata (fifo_data),
    .m_axis_tvalid(fifo_valid),
    .m_axis_tready(fifo_pop),
    .level        (level),
    .peak         ()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  logic                 aw_valid_q = 1'b0;
  logic [ADDRESS_BITS-1:0] aw_addr_q;
  logic [7:0]           aw_len_q;
  logic [LEFT_BITS-1:0] left_q = '0;         // beats of the burst not yet written
  logic [3:0]           outstanding_q = '0;  // bursts begun and not answered

  wire logic answered = b.valid && b_ready;
  assign issue = split_valid && !halt && !aw_valid_q && left_q == '0 && outstanding_q != MAX_OUTSTANDING
                 && level >= LEVEL_BITS'(split_len) + 1'b1;
  assign fifo_pop = w.valid && w_ready;

  always_ff @(posedge ap_clk) begin
    if (issue) begin
      aw_addr_q <= split_addr[ADDRESS_BITS-1:0];
      aw_len_q  <= split_len;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      aw_valid_q    <= 1'b0;
      left_q        <= '0;
      outstanding_q <= '0;
    end else begin
      aw_valid_q <= issue || (aw_valid_q && !aw_ready);
      if (issue) left_q <= LEFT_BITS'(split_len) + 1'b1;
      else if (fifo_pop) left_q <= left_q - 1'b1;
      outstanding_q <= outstanding_q + 4'(issue) - 4'(answered);
    end
  end

  assign b_ready = outstanding_q != '0;
  assign decerr = answered && b.resp == DECERR;
  assign slverr = answered && b.resp == SLVERR;
  assign quiet = outstanding_q == '0;
  assign idle = quiet && split_finished;

  always_comb begin
    aw = '0;
    aw.valid = aw_valid_q;
    aw.addr = 64'(aw_addr_q);
    aw.len = aw_len_q;
    aw.size = 3'd3;
    aw.burst = INCR;
    w = '0;
    w.valid = left_q != '0 && fifo_valid;
    w.id = aw.id;
    w.data = fifo_data;
    w.strb = '1;
    w.last = left_q == LEFT_BITS'(1);
  end

endmodule
`default_nettype wire
