// Stream multiply: Y = A * B, element by element, exact.
//
// Both inputs carry the same shape, lane p at bits [p*BITS +: BITS]; A_SIGNED and B_SIGNED say how each is extended. A beat is
// taken from both when both have one: each ready follows the other input's valid and y_ready combinationally.
// Throughput: one beat a cycle. Latency: 1 cycle. Limits: Y_BITS holds every product.
`default_nettype none
module stream_multiply #(
    parameter int PE       = 1,  // elements a beat
    parameter int A_BITS   = 8,
    parameter bit A_SIGNED = 0,
    parameter int B_BITS   = 8,
    parameter bit B_SIGNED = 0,
    parameter int Y_BITS   = 16
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
  wire logic en = y_ready;
  wire logic step = en && a_valid && b_valid;
  assign a_ready = en && b_valid;
  assign b_ready = en && a_valid;

  for (genvar p = 0; p < PE; p++) begin : g_lane
    wire logic signed [A_BITS:0] a = {A_SIGNED && a_data[(p+1)*A_BITS-1], a_data[p*A_BITS+:A_BITS]};
    wire logic signed [B_BITS:0] b = {B_SIGNED && b_data[(p+1)*B_BITS-1], b_data[p*B_BITS+:B_BITS]};
    wire logic signed [Y_BITS-1:0] product = Y_BITS'(a) * Y_BITS'(b);
    always_ff @(posedge clk) if (step) y_data[p*Y_BITS+:Y_BITS] <= product;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step;
  end
endmodule
`default_nettype wire
