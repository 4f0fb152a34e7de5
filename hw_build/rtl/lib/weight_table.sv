// Sums of weights that the bits of a few inputs select, read from a table: a product of small numbers without multiplier.
//
//   sums[b] = sum over n of bit b of x[n] * WEIGHTS[step][n]        (weights signed)
//
// One table serves all bits of the inputs; sum over b of 2**b * sums[b] is the sum of products of unsigned inputs, in that
// of signed ones the last counts negatively. WEIGHTS: word a holds N elements of W_BITS, those of step a. An input counts
// as 0 where in_image is. Latency 2 cycles with en. A table of 64 words (STEPS * 2**N) is one LUT6 a bit of the sum. Mapped
// apart, as rom is; so step has registers of its own here.
`default_nettype none
(* keep_hierarchy = "yes" *)
module weight_table #(
    parameter int STEPS    = 4,
    parameter int N        = 3,
    parameter int X_BITS   = 4,
    parameter int W_BITS   = 4,
    parameter int SUM_BITS = 6,  // holds every sum of N weights
    parameter logic [STEPS*N*W_BITS-1:0] WEIGHTS = '0,
    localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1
) (
    input  wire logic                       clk,
    input  wire logic                       en,
    input  wire logic [SB-1:0]              step,
    input  wire logic [N-1:0][X_BITS-1:0]   x,
    input  wire logic [N-1:0]               in_image,
    output      logic [X_BITS*SUM_BITS-1:0] sums
);
  localparam int DEPTH = STEPS << N;
  localparam int AB    = $clog2(DEPTH);

  (* rom_style = "logic" *) logic [SUM_BITS-1:0] words[DEPTH];
  initial begin
    logic [SUM_BITS-1:0] sum;
    for (int a = 0; a < DEPTH; a++) begin
      sum = '0;
      for (int n = 0; n < N; n++) begin
        if (((a >> n) & 1) != 0) sum = sum + SUM_BITS'($signed(WEIGHTS[((a>>N)*N+n)*W_BITS+:W_BITS]));
      end
      words[a] = sum;
    end
  end

  logic [SB-1:0] step_q;
  logic [N-1:0][X_BITS-1:0] x_q;
  always_ff @(posedge clk) begin
    if (en) begin
      step_q <= (STEPS > 1) ? step : '0;
      for (int n = 0; n < N; n++) x_q[n] <= in_image[n] ? x[n] : '0;
    end
  end

  for (genvar b = 0; b < X_BITS; b++) begin : bit_of_x
    logic [N-1:0] selected;
    logic [AB-1:0] address;
    for (genvar n = 0; n < N; n++) begin : input_of
      assign selected[n] = x_q[n][b];
    end
    assign address = AB'({step_q, selected});
    always_ff @(posedge clk) if (en) sums[b*SUM_BITS+:SUM_BITS] <= words[address];
  end
endmodule
`default_nettype wire
