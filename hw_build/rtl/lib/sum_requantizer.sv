// A narrow sum to a code: from threshold_table.sv or, SCALED, by an addition and a shift.
//
//   y <= min((sum + OFFSET) >>> SHIFT, LOWEST + NUM_T), at least LOWEST,   in each cycle with en
//
// Unsigned sum; y signed where LOWEST is below 0; CONTENTS, rows and limits of the table as there. Latency 1 cycle.
`default_nettype none
module sum_requantizer #(
    parameter int ROWS     = 1,
    parameter int NUM_T    = 15,
    parameter int SUM_BITS = 5,
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,  // code of a sum that passes no threshold
    parameter bit SCALED   = 0,
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter logic [ROWS*NUM_T*SUM_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                clk,
    input  wire logic                rst_n,  // synchronous, active low
    input  wire logic                en,
    input  wire logic [SUM_BITS-1:0] sum,
    output      logic [Y_BITS-1:0]   y
);
  if (SCALED) begin : g_shift
    localparam int WIDE = ((SUM_BITS > SHIFT + Y_BITS) ? SUM_BITS : SHIFT + Y_BITS) + 2;
    logic signed [WIDE-1:0] count;
    assign count = ($signed(WIDE'(sum)) + WIDE'(OFFSET)) >>> SHIFT;
    always_ff @(posedge clk) begin
      if (en) begin
        if (count < WIDE'(LOWEST)) y <= Y_BITS'(LOWEST);
        else if (count > WIDE'(LOWEST + NUM_T)) y <= Y_BITS'(LOWEST + NUM_T);
        else y <= count[Y_BITS-1:0];
      end
    end
    /* verilator lint_off UNUSEDSIGNAL */ // nothing to count
    wire logic unused = rst_n;
    /* verilator lint_on UNUSEDSIGNAL */
  end else begin : g_table
    threshold_table #(
        .ROWS(ROWS), .NUM_T(NUM_T), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST), .CONTENTS(CONTENTS)
    ) counts (
        .clk, .rst_n, .en, .sum, .y
    );
  end
endmodule
`default_nettype wire
