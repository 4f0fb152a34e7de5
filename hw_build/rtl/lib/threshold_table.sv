// Count of thresholds passed by a narrow sum, read from a table of all sums.
//
//   y <= LOWEST + number of t < NUM_T with CONTENTS[row][t] <= sum,   in each cycle with en
//
// row is 0 where ROWS is 1; otherwise the rows take turns, one a cycle with en, from row 0 after reset. CONTENTS: row r
// is NUM_T elements of SUM_BITS, unsigned, element r*NUM_T+t at bits [.. *SUM_BITS +: SUM_BITS]. Latency 1 cycle.
`default_nettype none
module threshold_table #(
    parameter int ROWS     = 1,
    parameter int NUM_T    = 15,
    parameter int SUM_BITS = 5,  // sum and threshold, unsigned
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,
    parameter logic [ROWS*NUM_T*SUM_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                clk,
    input  wire logic                rst_n,  // synchronous, active low
    input  wire logic                en,
    input  wire logic [SUM_BITS-1:0] sum,
    output      logic [Y_BITS-1:0]   y
);
  localparam int DEPTH = ROWS << SUM_BITS;

  function automatic logic [DEPTH*Y_BITS-1:0] counts();
    logic [Y_BITS-1:0] count;
    counts = '0;
    for (int a = 0; a < DEPTH; a++) begin
      count = Y_BITS'(LOWEST);
      for (int t = 0; t < NUM_T; t++) begin
        count = count + Y_BITS'(SUM_BITS'(a) >= CONTENTS[((a>>SUM_BITS)*NUM_T+t)*SUM_BITS+:SUM_BITS]);
      end
      counts[a*Y_BITS+:Y_BITS] = count;
    end
  endfunction

  logic [$clog2(DEPTH)-1:0] address;
  if (ROWS == 1) begin : g_shared
    assign address = sum;
    /* verilator lint_off UNUSEDSIGNAL */ // nothing to count
    wire logic unused = rst_n;
    /* verilator lint_on UNUSEDSIGNAL */
  end else begin : g_rows
    localparam int RB = $clog2(ROWS);
    logic [RB-1:0] row_q;
    assign address = {row_q, sum};
    always_ff @(posedge clk) begin
      if (!rst_n) row_q <= '0;
      else if (en) row_q <= (row_q == RB'(ROWS - 1)) ? '0 : row_q + 1'b1;
    end
  end

  rom #(
      .DEPTH   (DEPTH),
      .WIDTH   (Y_BITS),
      .CONTENTS(counts())
  ) table_of_counts (
      .clk (clk),
      .en  (en),
      .addr(address),
      .data(y)
  );
endmodule
`default_nettype wire
