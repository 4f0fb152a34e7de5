// Sum of N products a cycle without multipliers: tables of weights, a tree of adders for each bit of the inputs, and a
// last one over these bits.
//
//   sum = sum over n of x[n] * WEIGHTS[step][n]        (x unsigned or X_SIGNED, weights signed; modulo 2**OUT_BITS)
//
// Few steps leave room for several inputs in the address of a LUT6: TOGETHER = 6 - log2(STEPS), at least one. The sum that
// the signs of X_SIGNED inputs select is taken off in the last tree.
// WEIGHTS: word a holds N elements of W_BITS, those of step a. Latency: 2 + $clog2(ceil(N/TOGETHER)) + $clog2(X_BITS)
// cycles with en; step and in_image come with their x.
`default_nettype none
module dot_tables #(
    parameter int STEPS    = 4,
    parameter int N        = 9,
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS   = 4,
    parameter int OUT_BITS = 12,
    parameter logic [STEPS*N*W_BITS-1:0] WEIGHTS = '0,
    localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1
) (
    input  wire logic                     clk,
    input  wire logic                     en,
    input  wire logic [SB-1:0]            step,
    input  wire logic [N-1:0][X_BITS-1:0] x,
    input  wire logic [N-1:0]             in_image,  // 0: this x counts as 0
    output      logic [OUT_BITS-1:0]      sum
);
  localparam int ROOM     = 6 - $clog2(STEPS);
  localparam int TOGETHER = (ROOM > N) ? N : (ROOM > 1) ? ROOM : 1;
  localparam int TABLES   = (N + TOGETHER - 1) / TOGETHER;
  localparam int SUM_BITS = W_BITS + $clog2(TOGETHER);           // of a table
  localparam int BIT_BITS = SUM_BITS + $clog2(TABLES);           // of a tree
  localparam int COUNT_BITS = (BIT_BITS < OUT_BITS) ? BIT_BITS : OUT_BITS;

  // the weights of count inputs from that one on, step after step
  function automatic logic [STEPS*TOGETHER*W_BITS-1:0] part(input int from, input int count);
    part = '0;
    for (int a = 0; a < STEPS; a++) begin
      for (int n = 0; n < count; n++) part[(a*count+n)*W_BITS+:W_BITS] = WEIGHTS[(a*N+from+n)*W_BITS+:W_BITS];
    end
  endfunction

  logic [X_BITS-1:0][TABLES-1:0][SUM_BITS-1:0] looked_up;
  for (genvar g = 0; g < TABLES; g++) begin : group
    localparam int FIRST = g * TOGETHER;
    localparam int COUNT = (N - FIRST < TOGETHER) ? N - FIRST : TOGETHER;
    logic [X_BITS*SUM_BITS-1:0] sums;
    weight_table #(
        .STEPS(STEPS), .N(COUNT), .X_BITS(X_BITS), .W_BITS(W_BITS), .SUM_BITS(SUM_BITS),
        .WEIGHTS((STEPS*COUNT*W_BITS)'(part(FIRST, COUNT)))
    ) lookup (
        .clk, .en, .step, .x(x[FIRST+:COUNT]), .in_image(in_image[FIRST+:COUNT]), .sums
    );
    for (genvar b = 0; b < X_BITS; b++) begin : bit_of_x
      assign looked_up[b][g] = sums[b*SUM_BITS+:SUM_BITS];
    end
  end

  logic [X_BITS-1:0][COUNT_BITS-1:0] of_bit;
  for (genvar b = 0; b < X_BITS; b++) begin : plane
    adder_tree #(
        .N(TABLES), .IN_BITS(SUM_BITS), .SHIFT(0), .OUT_BITS(COUNT_BITS)
    ) over_inputs (
        .clk, .en, .x(looked_up[b]), .sum(of_bit[b])
    );
  end
  adder_tree #(
      .N(X_BITS), .IN_BITS(COUNT_BITS), .SHIFT(1), .OUT_BITS(OUT_BITS), .LAST_NEGATIVE(X_SIGNED)
  ) over_bits (
      .clk, .en, .x(of_bit), .sum
  );
endmodule
`default_nettype wire
