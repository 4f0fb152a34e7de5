// Thresholds behind the adder of a stream kernel: a table of all sums a lane, or a shift.
//
//   Y[p] = number of t < NUM_T with CONTENTS[row][t] <= S[p],   row = that of the beat's channel (0 where ROWS is 1)
//
// Beats of LANES sums, unsigned, channel g*LANES+p in lane p of beat g of a pixel. CONTENTS: rows of NUM_T elements of
// SUM_BITS, unsigned; where ROWS is not 1, those of lane 0 first, a lane's in the order of its beats. Latency 1 cycle, one
// beat a cycle.
`default_nettype none
module sum_thresholds #(
    parameter int ROWS     = 1,  // 1, or channels: a multiple of LANES
    parameter int LANES    = 1,
    parameter int NUM_T    = 15,
    parameter int SUM_BITS = 5,
    parameter int Y_BITS   = 4,
    parameter bit SCALED   = 0,  // added to and shifted: lib/sum_requantizer.sv
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter logic [ROWS*NUM_T*SUM_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                      clk,
    input  wire logic                      rst_n,  // synchronous, active low
    input  wire logic [LANES*SUM_BITS-1:0] x_data,
    input  wire logic                      x_valid,
    output      logic                      x_ready,
    output      logic [LANES*Y_BITS-1:0]   y_data,
    output      logic                      y_valid,
    input  wire logic                      y_ready
);
  localparam int LANE_ROWS = (ROWS == 1) ? 1 : ROWS / LANES;
  localparam int LANE_BITS = LANE_ROWS * NUM_T * SUM_BITS;

  assign x_ready = y_ready;

  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (x_ready) y_valid <= x_valid;
  end

  for (genvar p = 0; p < LANES; p++) begin : g_lane
    sum_requantizer #(
        .ROWS(LANE_ROWS), .NUM_T(NUM_T), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .SCALED(SCALED), .SHIFT(SHIFT),
        .OFFSET(OFFSET),
        .CONTENTS(CONTENTS[((ROWS==1)?0:p)*LANE_BITS+:LANE_BITS])
    ) lane (
        .clk(clk), .rst_n(rst_n), .en(x_ready && x_valid), .sum(x_data[p*SUM_BITS+:SUM_BITS]),
        .y(y_data[p*Y_BITS+:Y_BITS])
    );
  end
endmodule
`default_nettype wire
