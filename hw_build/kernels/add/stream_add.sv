// Stream add: Y = A_TIMES*A + B_TIMES*B, element by element, exact.
//
// Both inputs carry the same shape, lane p at bits [p*BITS +: BITS]; A_SIGNED and B_SIGNED say how each is extended. A
// beat is taken from both when both have one. Latency 0, throughput one beat a cycle. a_ready follows b_valid and
// y_ready combinationally (and b_ready a_valid): put a buffer after it. Limits: Y_BITS holds every sum.
`default_nettype none
module stream_add #(
    parameter int PE       = 1,  // elements a beat
    parameter int A_BITS   = 4,
    parameter bit A_SIGNED = 0,
    parameter int B_BITS   = 4,
    parameter bit B_SIGNED = 0,
    parameter int Y_BITS   = 5,
    parameter int A_TIMES  = 1,
    parameter int B_TIMES  = 1
) (
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
  if (PE < 1) begin : g_check_pe
    $error("stream_add: PE=%0d must be at least 1", PE);
  end
  if (Y_BITS < A_BITS || Y_BITS < B_BITS) begin : g_check_bits
    $error("stream_add: Y_BITS=%0d is narrower than an input", Y_BITS);
  end

  assign y_valid = a_valid && b_valid;
  assign a_ready = b_valid && y_ready;
  assign b_ready = a_valid && y_ready;

  // by shifts and adders: a product would take a DSP
  function automatic logic [Y_BITS-1:0] times(input logic [Y_BITS-1:0] x, input int factor);
    times = '0;
    for (int i = 0; i < Y_BITS; i++) if (factor[i]) times = times + (x << i);
  endfunction

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [Y_BITS-1:0] a, b;
    assign a = A_SIGNED ? Y_BITS'($signed(a_data[p*A_BITS+:A_BITS])) : Y_BITS'(a_data[p*A_BITS+:A_BITS]);
    assign b = B_SIGNED ? Y_BITS'($signed(b_data[p*B_BITS+:B_BITS])) : Y_BITS'(b_data[p*B_BITS+:B_BITS]);
    assign y_data[p*Y_BITS+:Y_BITS] = times(a, A_TIMES) + times(b, B_TIMES);
  end
endmodule
`default_nettype wire
