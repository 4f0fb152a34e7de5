// A job's bursts cover its frames once, in order; each is as long as frame and block allow, and stays until taken.
`default_nettype none
module proof #(
  parameter int unsigned MAX_BURST = 4, parameter int unsigned FRAME_BITS = 4, parameter int unsigned ADDRESS_BITS = 8
) (
  input wire logic clk, rst_n, load, take, input wire logic [ADDRESS_BITS-1:0] first_addr,
  input wire logic [2:0] frames, input wire logic [FRAME_BITS-1:0] frame_beats, output logic bad
);
  logic finished, valid, begun_q = 1'b0;
  logic [63:0] addr;
  logic [7:0] len;
  logic [FRAME_BITS-1:0] beats_q = FRAME_BITS'(1);  // of a frame; constant while a job runs
  wire logic starts = load && finished && frames != 0;
  wire logic takes = take && valid;
  burst_split #(.MAX_BURST(MAX_BURST), .FRAME_BITS(FRAME_BITS), .ADDRESS_BITS(ADDRESS_BITS)) dut (
    .ap_clk(clk), .ap_rst_n(rst_n), .load(starts), .first_addr(64'({first_addr[ADDRESS_BITS-1:3], 3'b000})),
    .frames(32'(frames)), .frame_beats(beats_q), .finished, .valid, .addr, .len, .take(takes));

  logic [ADDRESS_BITS-1:3] next_q;  // beat that no burst holds yet
  logic [FRAME_BITS-1:0] left_q;    // beats of its frame from there on
  logic [2:0] frames_q;             // frames from there on
  logic [7:0] waited_q;
  logic stalled_q;
  logic [71:0] stalled_burst_q;
  wire logic [8:0] held = 9'(len) + 9'd1;
  wire logic [8:0] block = 9'(MAX_BURST) - 9'(32'(next_q) % MAX_BURST);
  wire logic [8:0] best = (9'(left_q) < block) ? 9'(left_q) : block;
  always_ff @(posedge clk) begin
    if (finished && !starts) beats_q <= (frame_beats == 0) ? FRAME_BITS'(1) : frame_beats;
    if (!rst_n) begin
      begun_q <= 1'b1;
      frames_q <= '0;
      waited_q <= '0;
      stalled_q <= 1'b0;
    end else begin
      if (starts) begin
        next_q <= first_addr[ADDRESS_BITS-1:3];
        left_q <= beats_q;
        frames_q <= frames;
      end else if (takes) begin
        next_q <= next_q + (ADDRESS_BITS-3)'(held);
        left_q <= (9'(left_q) == held) ? beats_q : left_q - FRAME_BITS'(held);
        if (9'(left_q) == held) frames_q <= frames_q - 3'd1;
      end
      waited_q <= (frames_q != 0 && !valid) ? waited_q + 8'd1 : 8'd0;
      stalled_q <= valid && !takes;
      stalled_burst_q <= {addr, len};
    end
  end

  wire logic running = frames_q != 0;
  wire logic follows = dut.addr_q == next_q && dut.beats_q == left_q && dut.frames_q == 32'(frames_q);
  assign bad = beats_q == 0 || begun_q && (finished == running
      || (running && (left_q == 0 || left_q > beats_q || !follows))
      || (valid && (!running || addr != 64'({next_q, 3'b000}) || held != best || 9'(dut.burst_q) != held))
      || (stalled_q && (!valid || {addr, len} != stalled_burst_q))
      || waited_q > 8'd2);
endmodule
`default_nettype wire
