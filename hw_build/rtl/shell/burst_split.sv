// Cuts the frames of a job into bursts: consecutive addresses, no burst across an aligned block of MAX_BURST beats.
//
// Blocks of MAX_BURST beats of 8 bytes are a power of two of at most 4 KiB, so no burst crosses 4 KiB either. Only the
// first and the last burst of a frame are shorter than MAX_BURST, and no burst holds beats of two frames.
// A burst is offered (valid, addr, len = beats - 1) until `take`; the first two cycles after load.
`default_nettype none
module burst_split #(
  parameter int unsigned MAX_BURST = 16,
  parameter int unsigned FRAME_BITS = 16,
  parameter int unsigned ADDRESS_BITS = 32,
  localparam int unsigned BURST_BITS = $clog2(MAX_BURST)
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire logic                  load,
  /* verilator lint_off UNUSEDSIGNAL */ // the bits outside of ADDRESS_BITS-1 to 3 are zero
  input  wire logic [63:0]           first_addr,   // a multiple of 8
  /* verilator lint_on UNUSEDSIGNAL */
  input  wire logic [31:0]           frames,       // more than 0
  input  wire logic [FRAME_BITS-1:0] frame_beats,  // more than 0; constant while a job runs
  output      logic                  finished,     // no burst is left
  output      logic                  valid,
  output      logic [63:0]           addr,
  output      logic [7:0]            len,
  input  wire logic                  take
);

  if (MAX_BURST < 2 || MAX_BURST > 256 || (1 << BURST_BITS) != MAX_BURST) begin : g_check
    $error("burst_split: MAX_BURST=%0d, must be a power of two from 2 to 256", MAX_BURST);
  end

  logic                  valid_q = 1'b0, offered_q = 1'b0;
  logic [ADDRESS_BITS-1:3] addr_q;
  logic [31:0]           frames_q;
  logic [FRAME_BITS-1:0] beats_q;   // of the frame, not yet given
  logic [BURST_BITS:0]   burst_q;   // beats of the burst on offer

  wire logic [BURST_BITS:0] to_block_end = (BURST_BITS + 1)'(MAX_BURST) - {1'b0, addr_q[3 +: BURST_BITS]};
  wire logic frame_ends = beats_q == FRAME_BITS'(burst_q);

  always_ff @(posedge ap_clk) begin
    if (load) begin
      addr_q   <= first_addr[ADDRESS_BITS-1:3];
      frames_q <= frames;
      beats_q  <= frame_beats;
    end else if (take) begin
      addr_q   <= addr_q + (ADDRESS_BITS - 3)'(burst_q);
      beats_q  <= frame_ends ? frame_beats : beats_q - FRAME_BITS'(burst_q);
      if (frame_ends) frames_q <= frames_q - 1'b1;
    end
    burst_q <= 32'(beats_q) < 32'(to_block_end) ? (BURST_BITS + 1)'(beats_q) : to_block_end;
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      valid_q   <= 1'b0;
      offered_q <= 1'b0;
    end else begin
      if (load) valid_q <= 1'b1;
      else if (take && frame_ends && frames_q == 32'd1) valid_q <= 1'b0;
      offered_q <= valid_q && !take && !load;  // burst_q follows the counters by one cycle
    end
  end

  assign finished = !valid_q;
  assign valid = valid_q && offered_q;
  assign addr = 64'({addr_q, 3'b000});
  assign len = 8'(burst_q - 1'b1);

endmodule
`default_nettype wire
