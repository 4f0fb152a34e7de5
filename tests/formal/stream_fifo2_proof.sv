`default_nettype none
module proof #(parameter int unsigned WIDTH = 2) (
  input wire logic clk, rst_n, input wire logic [WIDTH-1:0] data, input wire logic valid, ready, output logic bad
);
  localparam int unsigned ROOM = 2;
  logic in_ready, out_valid;
  logic [WIDTH-1:0] out;
  stream_fifo2 #(.DATA_BITS(WIDTH)) dut (
    .clk, .rst_n, .in_data(data), .in_valid(valid), .in_ready, .out_data(out), .out_valid, .out_ready(ready));
  queue_model #(.WIDTH(WIDTH), .ROOM(ROOM), .EMPTY(1), .BUSY(1), .LEAST(1)) model (
    .clk, .rst_n, .in_data(data), .in_valid(valid), .in_ready, .out_data(out), .out_valid, .out_ready(ready),
    .held({dut.spare_q, dut.head_q}), .count(8'(dut.head_valid_q) + 8'(!dut.free_q)),
    .sane(dut.free_q || dut.head_valid_q), .bad);
endmodule
`default_nettype wire
