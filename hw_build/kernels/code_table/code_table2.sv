// Table of the codes of two streams of the same shape: code_table with {a, b} as the address.
//
// A beat is taken from both when both have one: each ready follows the other input's valid.
// Formula, order, latency and limits: see code_table.sv.
`default_nettype none
module code_table2 #(
    parameter int PE     = 1,
    parameter int ROWS   = 1,
    parameter int A_BITS = 4,
    parameter int B_BITS = 4,
    parameter int Y_BITS = 4,
    parameter bit BLOCK  = 0,
    parameter logic [(ROWS<<(A_BITS+B_BITS))*Y_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,
    input  wire logic [PE*A_BITS-1:0] a_data,
    input  wire logic                 a_valid,
    output      logic                 a_ready,
    input  wire logic [PE*B_BITS-1:0] b_data,
    input  wire logic                 b_valid,
    output      logic                 b_ready,
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  if (ROWS != 1 && ROWS % PE != 0) begin : g_check_pe
    $error("code_table2: PE=%0d must divide ROWS=%0d", PE, ROWS);
  end

  localparam int X_BITS = A_BITS + B_BITS;
  logic [PE*X_BITS-1:0] pairs;
  logic ready;

  for (genvar p = 0; p < PE; p++) begin : g_lane
    assign pairs[p*X_BITS+:X_BITS] = {a_data[p*A_BITS+:A_BITS], b_data[p*B_BITS+:B_BITS]};
  end
  assign a_ready = ready && b_valid;
  assign b_ready = ready && a_valid;

  code_table #(
      .PE(PE), .ROWS(ROWS), .X_BITS(X_BITS), .Y_BITS(Y_BITS), .BLOCK(BLOCK), .CONTENTS(CONTENTS)
  ) core (
      .clk(clk), .rst_n(rst_n), .x_data(pairs), .x_valid(a_valid && b_valid), .x_ready(ready),
      .y_data(y_data), .y_valid(y_valid), .y_ready(y_ready)
  );
endmodule
`default_nettype wire
