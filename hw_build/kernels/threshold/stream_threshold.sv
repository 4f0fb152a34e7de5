// Thresholds on a stream: Y = LOWEST + number of the channel's NUM_T thresholds <= X, in beats of PE channels.
//
// X is signed or unsigned, ACC_BITS holds it signed; Y is signed where LOWEST, as in requantizer.sv, is below 0;
// TREES as in thresholds.sv, ROWS is 1 where all channels share.
// Throughput one beat a cycle; latency Y_BITS + 1 cycles, SCALED 4. Limits: PE divides CHANNELS.
`default_nettype none
module stream_threshold #(
    parameter int CHANNELS = 2,
    parameter int PE       = 1,
    parameter int ROWS     = 2,
    parameter int X_BITS   = 8,
    parameter bit X_SIGNED = 0,
    parameter int ACC_BITS = 9,
    parameter int NUM_T    = 15,
    parameter int Y_BITS   = 4,
    parameter int LOWEST   = 0,
    parameter bit SCALED   = 0,  // a line in place of thresholds: scaler.sv
    parameter int M_BITS   = 1,
    parameter int B_BITS   = 1,
    parameter int SHIFT    = 0,
    parameter logic [(SCALED?1:ROWS<<Y_BITS)*ACC_BITS-1:0] TREES = '0,
    parameter logic [ROWS*M_BITS-1:0] SCALES = '0,
    parameter logic [ROWS*B_BITS-1:0] OFFSETS = '0
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
  localparam int GROUPS  = (ROWS > 1) ? CHANNELS / PE : 1;
  localparam int GB      = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int LATENCY = SCALED ? 4 : Y_BITS + 1;

  wire logic en = y_ready;
  logic [LATENCY-1:0] valid_q;
  logic [GB-1:0] group_q;
  logic [PE*ACC_BITS-1:0] acc;

  assign x_ready = en;
  assign y_valid = valid_q[LATENCY-1];

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      valid_q <= '0;
      group_q <= '0;
    end else if (en) begin
      valid_q <= LATENCY'({valid_q, x_valid});
      if (x_valid) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
    end
  end

  for (genvar p = 0; p < PE; p++) begin : lane
    assign acc[p*ACC_BITS+:ACC_BITS] =
        ACC_BITS'($signed({X_SIGNED && x_data[(p+1)*X_BITS-1], x_data[p*X_BITS+:X_BITS]}));
  end

  requantizer #(
      .ROWS(ROWS), .LANES(PE), .NUM_T(NUM_T), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST), .SCALED(SCALED),
      .M_BITS(M_BITS), .B_BITS(B_BITS), .SHIFT(SHIFT), .TREES(TREES), .SCALES(SCALES), .OFFSETS(OFFSETS)
  ) counts (
      .clk(clk), .en, .group(group_q), .acc, .y(y_data)
  );
endmodule
`default_nettype wire
