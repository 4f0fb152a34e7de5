// Table of codes: Y[p] = CONTENTS[row][X[p]], row = that of the beat's channel (0 where ROWS is 1).
//
// Beats of PE codes of X_BITS, channel g*PE+p in lane p of beat g of a pixel; a code's bits are its address, signed or not.
// CONTENTS: rows of 2**X_BITS words of Y_BITS; where ROWS is not 1, those of lane 0 first, a lane's in the order of its
// beats. Latency 1 cycle, one beat a cycle. Limits: PE divides ROWS, or ROWS is 1.
`default_nettype none
module code_table #(
    parameter int PE     = 1,
    parameter int ROWS   = 1,  // 1, or channels
    parameter int X_BITS = 4,
    parameter int Y_BITS = 4,
    parameter bit BLOCK  = 0,  // the ROM lies in block RAM
    parameter logic [(ROWS<<X_BITS)*Y_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,  // synchronous, active low
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  localparam int LANE_ROWS = (ROWS == 1) ? 1 : ROWS / PE;
  localparam int LANE_BITS = (LANE_ROWS << X_BITS) * Y_BITS;
  localparam int AB        = $clog2(LANE_ROWS << X_BITS);

  assign x_ready = y_ready;
  wire logic en = x_ready && x_valid;

  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (x_ready) y_valid <= x_valid;
  end

  logic [AB-1:0] base;  // of the row
  if (LANE_ROWS == 1) begin : g_shared
    assign base = '0;
  end else begin : g_rows
    localparam int RB = $clog2(LANE_ROWS);
    logic [RB-1:0] row_q;
    assign base = {row_q, X_BITS'(0)};
    always_ff @(posedge clk) begin
      if (!rst_n) row_q <= '0;
      else if (en) row_q <= (row_q == RB'(LANE_ROWS - 1)) ? '0 : row_q + 1'b1;
    end
  end

  for (genvar p = 0; p < PE; p++) begin : g_lane
    rom #(
        .DEPTH(LANE_ROWS << X_BITS), .WIDTH(Y_BITS), .BLOCK(BLOCK),
        .CONTENTS(CONTENTS[((ROWS==1)?0:p)*LANE_BITS+:LANE_BITS])
    ) lane_words (
        .clk(clk), .en(en), .addr(base | AB'(x_data[p*X_BITS+:X_BITS])), .data(y_data[p*Y_BITS+:Y_BITS])
    );
  end
endmodule
`default_nettype wire
