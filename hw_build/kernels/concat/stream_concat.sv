// Stream concatenation along the channels: pixel by pixel, the CHANNELS_A channels of A, then the CHANNELS_B of B.
//
// Each input pixel is CHANNELS/PE beats, lane p at bits [p*BITS +: BITS]; elements are extended to Y_BITS as A_SIGNED and
// B_SIGNED say, and come out A_TIMES or B_TIMES as large. Latency 0, throughput one beat a cycle: (CHANNELS_A + CHANNELS_B)/PE
// cycles a pixel. The readies follow y_ready combinationally: put a buffer after it. Limits: PE divides both channel counts;
// Y_BITS holds every element.
`default_nettype none
module stream_concat #(
    parameter int CHANNELS_A = 4,
    parameter int CHANNELS_B = 2,
    parameter int PE         = 1,  // channels a beat
    parameter int A_BITS     = 4,
    parameter bit A_SIGNED   = 0,
    parameter int B_BITS     = 4,
    parameter bit B_SIGNED   = 0,
    parameter int Y_BITS     = 4,
    parameter int A_TIMES    = 1,
    parameter int B_TIMES    = 1
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,    // synchronous, active low
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
  if (CHANNELS_A % PE != 0 || CHANNELS_B % PE != 0) begin : g_check_pe
    $error("stream_concat: PE=%0d must divide %0d and %0d", PE, CHANNELS_A, CHANNELS_B);
  end
  if (Y_BITS < A_BITS || Y_BITS < B_BITS) begin : g_check_bits
    $error("stream_concat: Y_BITS=%0d is narrower than an input", Y_BITS);
  end

  localparam int BEATS_A = CHANNELS_A / PE;
  localparam int BEATS   = BEATS_A + CHANNELS_B / PE;
  localparam int CB      = $clog2(BEATS);

  logic [CB-1:0] beat_q;
  logic from_b_q;

  assign y_valid = from_b_q ? b_valid : a_valid;
  assign a_ready = y_ready && !from_b_q;
  assign b_ready = y_ready && from_b_q;

  // by shifts and adders: a product would take a DSP
  function automatic logic [Y_BITS-1:0] times(input logic [Y_BITS-1:0] x, input int factor);
    times = '0;
    for (int i = 0; i < Y_BITS; i++) if (factor[i]) times = times + (x << i);
  endfunction

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [Y_BITS-1:0] a, b;
    assign a = A_SIGNED ? Y_BITS'($signed(a_data[p*A_BITS+:A_BITS])) : Y_BITS'(a_data[p*A_BITS+:A_BITS]);
    assign b = B_SIGNED ? Y_BITS'($signed(b_data[p*B_BITS+:B_BITS])) : Y_BITS'(b_data[p*B_BITS+:B_BITS]);
    assign y_data[p*Y_BITS+:Y_BITS] = from_b_q ? times(b, B_TIMES) : times(a, A_TIMES);
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      beat_q   <= '0;
      from_b_q <= 1'b0;
    end else if (y_valid && y_ready) begin
      beat_q <= (beat_q == CB'(BEATS - 1)) ? '0 : beat_q + 1'b1;
      if (beat_q == CB'(BEATS_A - 1)) from_b_q <= 1'b1;
      else if (beat_q == CB'(BEATS - 1)) from_b_q <= 1'b0;
    end
  end
endmodule
`default_nettype wire
