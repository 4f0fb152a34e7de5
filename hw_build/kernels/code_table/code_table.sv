// Table of codes: Y[p] = CONTENTS[row][X[p]], row = that of the beat's channel (0 where ROWS is 1), and a buffer of two
// beats.
//
// Beats of PE codes of X_BITS, channel g*PE+p in lane p of beat g of a pixel; a code's bits are its address, signed or not.
// CONTENTS: rows of 2**X_BITS words of Y_BITS; where ROWS is not 1, those of lane 0 first, a lane's in the order of its
// beats. Latency 2 cycles, one beat a cycle. s_ready and m_valid are registers. Limits: PE divides ROWS, or ROWS is 1.
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
    input  wire logic [PE*X_BITS-1:0] s_data,
    input  wire logic                 s_valid,
    output      logic                 s_ready,
    output      logic [PE*Y_BITS-1:0] m_data,
    output      logic                 m_valid,
    input  wire logic                 m_ready
);
  localparam int LANE_ROWS = (ROWS == 1) ? 1 : ROWS / PE;
  localparam int LANE_BITS = (LANE_ROWS << X_BITS) * Y_BITS;
  localparam int AB        = $clog2(LANE_ROWS << X_BITS);

  logic [PE*Y_BITS-1:0] y_data;
  logic y_valid;
  wire logic en = s_ready && s_valid;

  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (s_ready) y_valid <= s_valid;
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
        .clk(clk), .en(en), .addr(base | AB'(s_data[p*X_BITS+:X_BITS])), .data(y_data[p*Y_BITS+:Y_BITS])
    );
  end

  stream_fifo2 #(
      .DATA_BITS(PE * Y_BITS)
  ) out_buffer (
      .clk, .rst_n, .in_data(y_data), .in_valid(y_valid), .in_ready(s_ready), .out_data(m_data), .out_valid(m_valid),
      .out_ready(m_ready)
  );
endmodule
`default_nettype wire
