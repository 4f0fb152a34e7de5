// Stream fork: every beat of x goes to each of READERS outputs, which share y_data.
//
// An output that has taken the beat drops its valid until the slowest one has taken it too, so no output waits for
// another's ready. Latency 0, throughput one beat a cycle. x_ready follows the y_ready inputs combinationally: put a
// buffer before it. Limits: READERS >= 2.
`default_nettype none
module stream_fork #(
    parameter int READERS   = 2,
    parameter int DATA_BITS = 8
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,    // synchronous, active low
    input  wire logic [DATA_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,
    output      logic [DATA_BITS-1:0] y_data,
    output      logic [READERS-1:0]   y_valid,
    input  wire logic [READERS-1:0]   y_ready
);
  if (READERS < 2) begin : g_check_readers
    $error("stream_fork: READERS=%0d must be at least 2", READERS);
  end

  logic [READERS-1:0] taken_q, taken_d;

  assign y_data  = x_data;
  assign y_valid = {READERS{x_valid}} & ~taken_q;
  assign taken_d = taken_q | (y_valid & y_ready);
  assign x_ready = &(taken_q | y_ready);

  always_ff @(posedge clk) begin
    if (!rst_n || (x_valid && x_ready)) taken_q <= '0;
    else taken_q <= taken_d;
  end
endmodule
`default_nettype wire
