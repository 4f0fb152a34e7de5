// Sum of N signed numbers by a balanced tree with a register behind every adder.
//
//   sum = sum over n of 2**(n*SHIFT) * x[n],   modulo 2**OUT_BITS
//
// LAST_NEGATIVE=1: x[N-1] is taken off, not added; N is at least 2 then. SHIFT is 0 or 1. Latency: $clog2(N) cycles with
// en. Adders are as wide as their sums need, OUT_BITS at most.
`default_nettype none
module adder_tree #(
    parameter int N        = 4,
    parameter int IN_BITS  = 6,
    parameter int SHIFT    = 0,
    parameter int OUT_BITS = 8,
    parameter bit LAST_NEGATIVE = 0
) (
    input  wire logic                        clk,
    input  wire logic                        en,
    input  wire logic [N-1:0][IN_BITS-1:0]   x,
    output      logic [OUT_BITS-1:0]         sum
);
  localparam int LEVELS = $clog2(N);
  if (LAST_NEGATIVE && N < 2) begin : g_check_last
    $error("adder_tree: there is nothing that N=%0d numbers are taken off", N);
  end

  // bits of a number of this level
  function automatic int bits_of(input int level);
    int grown;
    grown = IN_BITS + ((level == 0) ? 0 : (SHIFT == 0) ? level : (1 << level));
    return (grown < OUT_BITS) ? grown : OUT_BITS;
  endfunction

  for (genvar l = 0; l <= LEVELS; l++) begin : level
    localparam int COUNT = (N + (1 << l) - 1) >> l;
    localparam int BITS  = bits_of(l);
    logic [COUNT-1:0][BITS-1:0] node;
    if (l == 0) begin : inputs
      assign node = x;
    end else begin : sums
      localparam int BELOW = (N + (1 << (l - 1)) - 1) >> (l - 1);
      for (genvar k = 0; k < COUNT; k++) begin : pair
        // the last number comes into its first sum as a pair's second
        if (LAST_NEGATIVE && 2 * k + 1 == BELOW - 1 && (BELOW - 1) << (l - 1) == N - 1) begin : difference
          always_ff @(posedge clk) begin
            if (en) begin
              node[k] <= BITS'($signed(level[l-1].node[2*k]))
                  - (BITS'($signed(level[l-1].node[2*k+1])) << (SHIFT * (1 << (l - 1))));
            end
          end
        end else if (2 * k + 1 < BELOW) begin : two
          always_ff @(posedge clk) begin
            if (en) begin
              node[k] <= BITS'($signed(level[l-1].node[2*k]))
                  + (BITS'($signed(level[l-1].node[2*k+1])) << (SHIFT * (1 << (l - 1))));
            end
          end
        end else begin : one
          always_ff @(posedge clk) if (en) node[k] <= BITS'($signed(level[l-1].node[2*k]));
        end
      end
    end
  end
  if (LEVELS == 0) begin : nothing_to_add
    /* verilator lint_off UNUSEDSIGNAL */
    wire logic unused = &{clk, en};
    /* verilator lint_on UNUSEDSIGNAL */
  end
  assign sum = OUT_BITS'($signed(level[LEVELS].node[0]));
endmodule
`default_nettype wire
