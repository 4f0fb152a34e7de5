// Each output gives every word of the input once, in order, and keeps it on offer until it is taken, while the input does.
`default_nettype none
module proof #(parameter int unsigned OUTPUTS = 3) (
  input wire logic clk, rst_n, input wire logic valid, input wire logic [OUTPUTS-1:0] ready, output logic bad
);
  logic in_ready;
  logic [OUTPUTS-1:0] out_valid;
  stream_fork #(.READERS(OUTPUTS), .DATA_BITS(1)) dut (
    .clk, .rst_n, .x_data(1'b0), .x_valid(valid), .x_ready(in_ready), .y_data(), .y_valid(out_valid), .y_ready(ready)
  );

  // words that an output has taken more than the input has given: one at most, and none once the input moves on
  logic [OUTPUTS-1:0][1:0] ahead_q, ahead;
  logic begun_q = 1'b0, wrong;
  always_comb begin
    wrong = 1'b0;
    for (int i = 0; i < OUTPUTS; i++) begin
      ahead[i] = ahead_q[i] + 2'(out_valid[i] && ready[i]);
      if (valid && in_ready && ahead[i] != 2'd1) wrong = 1'b1;  // left without this output, or it took it twice
      if (ahead[i] > 2'd1) wrong = 1'b1;
      if (valid && ahead_q[i] == 2'd0 && !out_valid[i]) wrong = 1'b1;  // on offer until taken, whoever waits
      if (!valid && out_valid[i]) wrong = 1'b1;
      if (ahead_q[i][0] != dut.taken_q[i]) wrong = 1'b1;
    end
  end
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      ahead_q <= '0;
      begun_q <= 1'b1;
    end else for (int i = 0; i < OUTPUTS; i++) ahead_q[i] <= ahead[i] - 2'(valid && in_ready);
  end
  assign bad = begun_q && (wrong || (valid && &(ready | ~out_valid) && !in_ready));
endmodule
`default_nettype wire
