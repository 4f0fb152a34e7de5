// Stream fork: every word of the input goes to each of NUM_OUTPUTS outputs.
//
// An output that has taken the word drops its valid until the slowest one has taken it too, so no output waits for
// another's ready. Latency 0, throughput one word a cycle. in_ready follows the out_ready inputs combinationally: put a
// buffer before it. Limits: NUM_OUTPUTS >= 2.
module stream_fork #(
    parameter int NUM_OUTPUTS = 2
) (
    input  logic                   clk,
    input  logic                   rst_n,     // synchronous, active low
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [NUM_OUTPUTS-1:0] out_valid, // the data of all outputs is that of the input
    input  logic [NUM_OUTPUTS-1:0] out_ready
);
  logic [NUM_OUTPUTS-1:0] taken_q, taken_d;

  assign out_valid = {NUM_OUTPUTS{in_valid}} & ~taken_q;
  assign taken_d   = taken_q | (out_valid & out_ready);
  assign in_ready  = &(taken_q | out_ready);

  always_ff @(posedge clk) begin
    if (!rst_n || (in_valid && in_ready)) taken_q <= '0;
    else taken_q <= taken_d;
  end
endmodule
