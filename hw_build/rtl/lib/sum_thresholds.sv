// Thresholds behind the adder of a stream kernel: a table of all sums a lane, or a shift, and a buffer of two beats.
//
//   Y[p] = LOWEST + number of t < NUM_T with CONTENTS[row][t] <= S[p],   row = that of the beat's channel (ROWS=1: 0)
//
// Beats of LANES sums, unsigned, channel g*LANES+p in lane p of beat g of a pixel. CONTENTS: rows of NUM_T elements of
// SUM_BITS, unsigned; where ROWS is not 1, those of lane 0 first, a lane's in the order of its beats. Latency 2 cycles, one
// beat a cycle. s_ready and m_valid are registers.
`default_nettype none
module sum_thresholds #(
    parameter int ROWS     = 1,  // 1, or channels: a multiple of LANES
    parameter int LANES    = 1,
    parameter int NUM_T    = 15,
    parameter int SUM_BITS = 5,
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,
    parameter bit SCALED   = 0,  // added to and shifted: lib/sum_requantizer.sv
    parameter int SHIFT    = 0,
    parameter int OFFSET   = 0,
    parameter logic [ROWS*NUM_T*SUM_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                      clk,
    input  wire logic                      rst_n,  // synchronous, active low
    input  wire logic [LANES*SUM_BITS-1:0] s_data,
    input  wire logic                      s_valid,
    output      logic                      s_ready,
    output      logic [LANES*Y_BITS-1:0]   m_data,
    output      logic                      m_valid,
    input  wire logic                      m_ready
);
  localparam int LANE_ROWS = (ROWS == 1) ? 1 : ROWS / LANES;
  localparam int LANE_BITS = LANE_ROWS * NUM_T * SUM_BITS;

  logic [LANES*Y_BITS-1:0] y_data;
  logic y_valid;

  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (s_ready) y_valid <= s_valid;
  end

  for (genvar p = 0; p < LANES; p++) begin : g_lane
    sum_requantizer #(
        .ROWS(LANE_ROWS), .NUM_T(NUM_T), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST), .SCALED(SCALED),
        .SHIFT(SHIFT), .OFFSET(OFFSET),
        .CONTENTS(CONTENTS[((ROWS==1)?0:p)*LANE_BITS+:LANE_BITS])
    ) lane (
        .clk(clk), .rst_n(rst_n), .en(s_ready && s_valid), .sum(s_data[p*SUM_BITS+:SUM_BITS]),
        .y(y_data[p*Y_BITS+:Y_BITS])
    );
  end

  stream_fifo2 #(
      .DATA_BITS(LANES * Y_BITS)
  ) out_buffer (
      .clk, .rst_n, .in_data(y_data), .in_valid(y_valid), .in_ready(s_ready), .out_data(m_data), .out_valid(m_valid),
      .out_ready(m_ready)
  );
endmodule
`default_nettype wire
