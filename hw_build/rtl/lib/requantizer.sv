// Sums to codes, by thresholds.sv or, SCALED, by scaler.sv: their formulas, order of constants and limits hold; TREES are
// those of the former, of which NUM_T thresholds a row may be passed.
//
// Latency: Y_BITS + 1 cycles with en, or 4 where SCALED; group comes with its acc. Throughput: one beat of LANES sums each
// cycle with en. LOWEST is the code of a sum that passes no threshold, LOWEST + NUM_T the largest one; y is signed where
// LOWEST is below 0. Limits: LOWEST is 0 or -2**(Y_BITS-1), or SCALED any code.
`default_nettype none
module requantizer #(
    parameter int ROWS     = 2,
    parameter int LANES    = 1,
    parameter int NUM_T    = 15,
    parameter int ACC_BITS = 12,
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,
    parameter bit BLOCK    = 0,  // thresholds in block RAM
    parameter bit SCALED   = 0,
    parameter int M_BITS   = 1,
    parameter int B_BITS   = 1,
    parameter int SHIFT    = 0,
    parameter logic [(SCALED?1:ROWS<<Y_BITS)*ACC_BITS-1:0] TREES = '0,
    parameter logic [ROWS*M_BITS-1:0] SCALES = '0,
    parameter logic [ROWS*B_BITS-1:0] OFFSETS = '0,
    localparam int GROUPS = (ROWS > 1) ? ROWS / LANES : 1,
    localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      en,
    input  wire logic [GB-1:0]             group,
    input  wire logic [LANES*ACC_BITS-1:0] acc,
    output      logic [LANES*Y_BITS-1:0]   y
);
  if (!SCALED && LOWEST != 0 && LOWEST != -(2 ** (Y_BITS - 1))) begin : g_check_lowest
    $error("requantizer: LOWEST=%0d is no code that Y_BITS=%0d begin with", LOWEST, Y_BITS);
  end
  if (SCALED) begin : g_line
    scaler #(
        .ROWS(ROWS), .LANES(LANES), .BOTTOM(LOWEST), .TOP(LOWEST + NUM_T), .ACC_BITS(ACC_BITS), .M_BITS(M_BITS),
        .B_BITS(B_BITS), .SHIFT(SHIFT), .Y_BITS(Y_BITS), .SCALES(SCALES), .OFFSETS(OFFSETS)
    ) scaled (
        .clk, .en, .group, .acc, .y
    );
  end else begin : g_search
    thresholds #(
        .ROWS(ROWS), .LANES(LANES), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .Y_SIGNED(LOWEST < 0), .BLOCK(BLOCK),
        .TREES(TREES)
    ) search (
        .clk, .en, .group, .acc, .y
    );
  end
endmodule
`default_nettype wire
