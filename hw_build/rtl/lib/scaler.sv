// Multiply, add, shift and clip: in place of many thresholds that lie on a line.
//
//   y[p] = min(max((SCALES[row] * acc[p] + OFFSETS[row]) >>> SHIFT, BOTTOM), TOP),   row = group*LANES + p  (ROWS=1: 0)
//
// acc, SCALES and OFFSETS signed, row r at bits [r*BITS +: BITS]; y unsigned, or signed where BOTTOM is below 0.
// Throughput: one beat of LANES sums each cycle with en. Latency: 4 cycles with en; group comes with its acc. Operands,
// product and sum are registers of their own, those of a DSP48E1.
// Limits: ROWS is 1 or a multiple of LANES; y holds BOTTOM and TOP; ACC_BITS is no wider than the sums: of a multiplier whose
// operand repeats its sign, Yosys 0.70 leaves nothing.
`default_nettype none
module scaler #(
    parameter int ROWS     = 2,   // channels with a line of their own, or 1 for all
    parameter int LANES    = 1,   // sums a beat
    parameter int BOTTOM   = 0,
    parameter int TOP      = 255,
    parameter int ACC_BITS = 18,
    parameter int M_BITS   = 17,
    parameter int B_BITS   = 30,
    parameter int SHIFT    = 22,
    parameter int Y_BITS   = 8,
    parameter logic [ROWS*M_BITS-1:0] SCALES  = '0,
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
  localparam int PRODUCT_BITS = ACC_BITS + M_BITS;
  localparam int WIDER        = (PRODUCT_BITS > B_BITS) ? PRODUCT_BITS : B_BITS;
  localparam int SUM_BITS     = ((WIDER > SHIFT + Y_BITS) ? WIDER : SHIFT + Y_BITS) + 1;
  localparam int WORD         = M_BITS + B_BITS;
  localparam int COUNT_BITS   = SUM_BITS - SHIFT;

  // word g of lane p: the line of row g*LANES + p
  function automatic logic [GROUPS*WORD-1:0] words(input int p);
    int row;
    for (int g = 0; g < GROUPS; g++) begin
      row = (ROWS > 1) ? g * LANES + p : 0;
      words[g*WORD+:WORD] = {OFFSETS[row*B_BITS+:B_BITS], SCALES[row*M_BITS+:M_BITS]};
    end
  endfunction

  for (genvar p = 0; p < LANES; p++) begin : lane
    logic [WORD-1:0] line;
    logic signed [ACC_BITS-1:0] acc_q;
    logic signed [PRODUCT_BITS-1:0] product_q;
    logic signed [B_BITS-1:0] offset_q;
    logic signed [SUM_BITS-1:0] sum_q;
    logic signed [COUNT_BITS-1:0] count;

    rom #(
        .DEPTH(GROUPS), .WIDTH(WORD), .CONTENTS(words(p))
    ) lines (
        .clk, .en, .addr(group), .data(line)
    );
    assign count = COUNT_BITS'(sum_q >>> SHIFT);

    always_ff @(posedge clk) begin
      if (en) begin
        acc_q     <= acc[p*ACC_BITS+:ACC_BITS];
        product_q <= acc_q * $signed(line[M_BITS-1:0]);
        offset_q  <= line[WORD-1:M_BITS];
        sum_q     <= SUM_BITS'(product_q) + SUM_BITS'(offset_q);
        if (count < COUNT_BITS'(BOTTOM)) y[p*Y_BITS+:Y_BITS] <= Y_BITS'(BOTTOM);
        else if (count > COUNT_BITS'(TOP)) y[p*Y_BITS+:Y_BITS] <= Y_BITS'(TOP);
        else y[p*Y_BITS+:Y_BITS] <= count[Y_BITS-1:0];
      end
    end
  end
endmodule
`default_nettype wire
