// Reads the frames of a job from memory as a stream of 64-bit beats.
//
// Bursts:      as burst_split cuts them; 4 of the longest outstanding. One is asked for only when the FIFO has room for all
//              of it, so r_ready is high whenever data can come: the memory port is never blocked by the accelerator.
// Errors:      the job goes on with whatever data came, so that the accelerator gets whole frames; decerr, slverr pulse.
// halt:        asks for no further burst. `quiet` says that nothing is outstanding; only then may ap_rst_n fall.
// idle:        no burst of the job is left, and quiet.
`default_nettype none
module read_dma #(
  parameter int unsigned MAX_BURST = 16,
  parameter int unsigned FRAME_BEATS = 24,
  parameter int unsigned ADDRESS_BITS = 32
) (
  input  wire logic              ap_clk,
  input  wire logic              ap_rst_n,
  input  wire logic              start,
  input  wire logic              halt,
  input  wire logic [63:0]       source,
  input  wire logic [31:0]       frames,
  output      logic              idle,
  output      logic              quiet,
  output      logic              decerr,
  output      logic              slverr,
  output      axi_pkg::address_t ar,
  input  wire logic              ar_ready,
  /* verilator lint_off UNUSEDSIGNAL */ // one ID, answers in order: neither the ID nor RLAST says anything new
  input  wire axi_pkg::read_t    r,
  /* verilator lint_on UNUSEDSIGNAL */
  output      logic              r_ready,
  output      logic [63:0]       m_axis_tdata,
  output      logic              m_axis_tvalid,
  input  wire logic              m_axis_tready
);
  import axi_pkg::*;

  localparam int unsigned DEPTH = 4 * MAX_BURST;
  localparam int unsigned COUNT_BITS = $clog2(DEPTH + 1);
  localparam int unsigned FRAME_BITS = $clog2(FRAME_BEATS + 1);

  logic        split_finished, split_valid, issue, fifo_ready;
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
    .first_addr (source),
    .frames     (frames),
    .frame_beats(FRAME_BITS'(FRAME_BEATS)),
    .finished   (split_finished),
    .valid      (split_valid),
    .addr       (split_addr),
    .len        (split_len),
    .take       (issue)
  );

  logic                  ar_valid_q = 1'b0;
  logic [ADDRESS_BITS-1:0] ar_addr_q;
  logic [7:0]            ar_len_q;
  logic [COUNT_BITS-1:0] room_q = COUNT_BITS'(DEPTH);  // beats of the FIFO that no burst has been asked for
  logic [COUNT_BITS-1:0] expected_q = '0;              // beats asked for that have not come

  wire logic pop = m_axis_tvalid && m_axis_tready;
  wire logic push = r.valid && r_ready;
  wire logic [COUNT_BITS-1:0] burst = COUNT_BITS'(split_len) + 1'b1;
  assign issue = split_valid && !halt && (!ar_valid_q || ar_ready) && room_q >= COUNT_BITS'(MAX_BURST);

  always_ff @(posedge ap_clk) begin
    if (issue) begin
      ar_addr_q <= split_addr[ADDRESS_BITS-1:0];
      ar_len_q  <= split_len;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      ar_valid_q <= 1'b0;
      room_q     <= COUNT_BITS'(DEPTH);
      expected_q <= '0;
    end else begin
      ar_valid_q <= issue || (ar_valid_q && !ar_ready);
      room_q     <= room_q - (issue ? burst : '0) + COUNT_BITS'(pop);
      expected_q <= expected_q + (issue ? burst : '0) - COUNT_BITS'(push);
    end
  end

  /* verilator lint_off PINCONNECTEMPTY */ // the room is counted here
  stream_fifo #(
    .WIDTH    (64),
    .DEPTH    (DEPTH),
    .RAM_STYLE("distributed")
  ) fifo (
    .ap_clk       (ap_clk),
    .ap_rst_n     (ap_rst_n),
    .s_axis_tdata (r.data),
    .s_axis_tvalid(push),
    .s_axis_tready(fifo_ready),
    .m_axis_tdata (m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid),
    .m_axis_tready(m_axis_tready),
    .level        (),
    .peak         ()
  );
  /* verilator lint_on PINCONNECTEMPTY */

  assign r_ready = fifo_ready && expected_q != '0;
  assign decerr = push && r.resp == DECERR;
  assign slverr = push && r.resp == SLVERR;
  assign quiet = !ar_valid_q && expected_q == '0;
  assign idle = quiet && split_finished;

  always_comb begin
    ar = '0;
    ar.valid = ar_valid_q;
    ar.addr = 64'(ar_addr_q);
    ar.len = ar_len_q;
    ar.size = 3'd3;
    ar.burst = INCR;
  end

endmodule
`default_nettype wire
