// Multiplication by a factor of the place: Y = X * ROWS[row] * COLUMNS[column], exact.
//
// Streams: pixels in raster order, frames back to back; a pixel is GROUPS beats of PE values, lane p at bits [p*BITS +: BITS].
// ROWS: HEIGHT elements of R_BITS, unsigned, row r at bits [r*R_BITS +: R_BITS]; COLUMNS likewise. F_BITS hold every product
// of two factors, Y_BITS every result.
// Throughput: one beat a cycle. Latency: 2 cycles.
`default_nettype none
module place_factor #(
    parameter int HEIGHT   = 4,
    parameter int WIDTH    = 4,
    parameter int GROUPS   = 1,  // beats a pixel
    parameter int PE       = 1,
    parameter int X_BITS   = 8,
    parameter bit X_SIGNED = 0,
    parameter int R_BITS   = 2,
    parameter int C_BITS   = 2,
    parameter int F_BITS   = 4,
    parameter int Y_BITS   = 12,
    parameter logic [HEIGHT*R_BITS-1:0] ROWS = '1,
    parameter logic [WIDTH*C_BITS-1:0] COLUMNS = '1
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  localparam int RB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int CB = (WIDTH > 1) ? $clog2(WIDTH) : 1;
  localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;

  logic [RB-1:0] row_q;
  logic [CB-1:0] col_q;
  logic [GB-1:0] group_q;
  logic [PE*X_BITS-1:0] x_q;
  logic [F_BITS-1:0] factor_q;
  logic valid_q;
  wire logic en = y_ready;
  wire logic step = en && x_valid;
  wire logic pixel_ends = group_q == GB'(GROUPS - 1);
  wire logic row_ends = pixel_ends && col_q == CB'(WIDTH - 1);
  wire logic frame_ends = row_ends && row_q == RB'(HEIGHT - 1);
  wire logic [R_BITS-1:0] of_row = ROWS[row_q*R_BITS+:R_BITS];
  wire logic [C_BITS-1:0] of_column = COLUMNS[col_q*C_BITS+:C_BITS];
  assign x_ready = en;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      row_q   <= '0;
      col_q   <= '0;
      group_q <= '0;
    end else if (step) begin
      group_q <= pixel_ends ? '0 : group_q + 1'b1;
      if (pixel_ends) col_q <= row_ends ? '0 : col_q + 1'b1;
      if (row_ends) row_q <= frame_ends ? '0 : row_q + 1'b1;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) {y_valid, valid_q} <= '0;
    else if (en) {y_valid, valid_q} <= {valid_q, x_valid};
  end

  always_ff @(posedge clk) begin
    if (en) begin
      x_q      <= x_data;
      factor_q <= F_BITS'(of_row) * F_BITS'(of_column);
    end
  end
  for (genvar p = 0; p < PE; p++) begin : g_lane
    wire logic signed [X_BITS:0] x = {X_SIGNED && x_q[(p+1)*X_BITS-1], x_q[p*X_BITS+:X_BITS]};
    wire logic signed [F_BITS:0] factor = {1'b0, factor_q};
    wire logic signed [X_BITS+F_BITS+1:0] product = x * factor;
    wire logic unused = &{1'b0, product};  // its highest bits repeat the sign
    always_ff @(posedge clk) if (en) y_data[p*Y_BITS+:Y_BITS] <= Y_BITS'(product);
  end
endmodule
`default_nettype wire
