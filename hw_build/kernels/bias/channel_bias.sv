// Channel bias: Y[y,x,c] = X[y,x,c] + BIAS[c], exact.
//
// A pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p at bits [p*BITS +: BITS]; BIAS element c is signed, at
// bits [c*BIAS_BITS +: BIAS_BITS]. Latency 0, throughput one beat a cycle. x_ready follows y_ready combinationally: put a
// buffer after it. Limits: PE divides CHANNELS; Y_BITS holds every sum.
`default_nettype none
module channel_bias #(
    parameter int CHANNELS  = 2,
    parameter int PE        = 1,   // channels a beat
    parameter int X_BITS    = 12,
    parameter bit X_SIGNED  = 1,
    parameter int BIAS_BITS = 8,
    parameter int Y_BITS    = 13,
    parameter logic [CHANNELS*BIAS_BITS-1:0] BIAS = '0
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,    // synchronous, active low
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("channel_bias: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end

  localparam int GROUPS = CHANNELS / PE;
  localparam int GB     = (GROUPS > 1) ? $clog2(GROUPS) : 1;

  logic [PE*BIAS_BITS-1:0] bias_mem [GROUPS];
  initial for (int g = 0; g < GROUPS; g++) bias_mem[g] = BIAS[g*PE*BIAS_BITS+:PE*BIAS_BITS];

  logic [GB-1:0] group_q;
  logic [PE*BIAS_BITS-1:0] bias;
  assign bias    = bias_mem[group_q];
  assign y_valid = x_valid;
  assign x_ready = y_ready;

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [Y_BITS-1:0] x;
    assign x = X_SIGNED ? Y_BITS'($signed(x_data[p*X_BITS+:X_BITS])) : Y_BITS'(x_data[p*X_BITS+:X_BITS]);
    assign y_data[p*Y_BITS+:Y_BITS] = x + Y_BITS'($signed(bias[p*BIAS_BITS+:BIAS_BITS]));
  end

  always_ff @(posedge clk) begin
    if (!rst_n) group_q <= '0;
    else if (x_valid && x_ready) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
  end
endmodule
`default_nettype wire
