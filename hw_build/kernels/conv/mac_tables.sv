// PE sums of N products a cycle without multipliers, accumulated over a pass and read out LANES at a time.
//
//   acc[p] = sum from first to last, over n, of WEIGHTS[step][n][p] * x[n]        (x unsigned or X_SIGNED, weights signed)
//
// WEIGHTS: word a, of step a, holds element n*PE + p. step comes with x. Order out: p = 0, 1, ... in beats of LANES.
// Limits: LANES divides PE; PE/LANES steps at most between two last; BEATS=1 where every step is a pass of its own.
`default_nettype none
module mac_tables #(
    parameter int N        = 4,
    parameter int PE       = 2,
    parameter int LANES    = 1,
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS   = 4,
    parameter int ACC_BITS = 12,
    parameter int STEPS    = 4,
    parameter logic [STEPS*N*PE*W_BITS-1:0] WEIGHTS = '0,
    localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst_n,
    input  wire logic                      en,
    input  wire logic                      valid,
    input  wire logic                      first,
    input  wire logic                      last,
    input  wire logic                      in_image,  // 0: all x count as 0
    input  wire logic [SB-1:0]             step,
    input  wire logic [N*X_BITS-1:0]       x,
    output      logic                      acc_valid,
    output      logic [LANES*ACC_BITS-1:0] acc
);
  localparam int ROOM     = 6 - $clog2(STEPS);  // as in dot_tables.sv
  localparam int TOGETHER = (ROOM > N) ? N : (ROOM > 1) ? ROOM : 1;
  localparam int LATENCY  = 2 + $clog2((N + TOGETHER - 1) / TOGETHER) + $clog2(X_BITS);
  localparam int BEATS    = PE / LANES;
  localparam int DB       = (BEATS > 1) ? $clog2(BEATS) : 1;

  function automatic logic [STEPS*N*W_BITS-1:0] weights_of(input int p);
    for (int e = 0; e < STEPS * N; e++) weights_of[e*W_BITS+:W_BITS] = WEIGHTS[(e*PE+p)*W_BITS+:W_BITS];
  endfunction

  logic [PE-1:0][ACC_BITS-1:0] total, acc_q;
  logic [LATENCY-1:0] first_q, last_q;
  logic done_q;  // acc_q holds whole sums

  for (genvar p = 0; p < PE; p++) begin : output_of
    dot_tables #(
        .STEPS(STEPS), .N(N), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .OUT_BITS(ACC_BITS),
        .WEIGHTS(weights_of(p))
    ) products (
        .clk, .en, .step, .x, .in_image({N{valid && in_image}}), .sum(total[p])
    );
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      last_q <= '0;
      done_q <= 1'b0;
    end else if (en) begin
      last_q <= LATENCY'({last_q, valid && last});
      done_q <= last_q[LATENCY-1];
    end
  end
  always_ff @(posedge clk) begin
    if (en) begin
      first_q <= LATENCY'({first_q, valid && first});
      for (int p = 0; p < PE; p++) acc_q[p] <= (first_q[LATENCY-1] ? '0 : acc_q[p]) + total[p];
    end
  end

  if (BEATS == 1) begin : at_once
    assign acc_valid = done_q;
    assign acc       = acc_q;
  end else begin : in_turn
    logic [PE-1:0][ACC_BITS-1:0] held_q;
    logic [DB-1:0] beat_q;
    logic reading_q;
    always_ff @(posedge clk) if (en && done_q) held_q <= acc_q;
    always_ff @(posedge clk) begin
      if (!rst_n) begin
        reading_q <= 1'b0;
        beat_q    <= '0;
      end else if (en) begin
        reading_q <= done_q || (reading_q && beat_q != DB'(BEATS - 1));
        beat_q    <= (done_q || beat_q == DB'(BEATS - 1)) ? '0 : beat_q + 1'b1;
      end
    end
    assign acc_valid = reading_q;
    for (genvar l = 0; l < LANES; l++) begin : lane
      assign acc[l*ACC_BITS+:ACC_BITS] = held_q[int'(beat_q)*LANES+l];
    end
  end
endmodule
`default_nettype wire
