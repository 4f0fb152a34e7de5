// Two-entry stream buffer: cuts both the data path and the ready path between two kernels.
//
//   out stream = in stream
//
// Latency 1 cycle, throughput one word a cycle. in_ready and out_valid are registers, so that no combinational ready chain
// passes through and the kernel before it may take in_ready, copied where many flip-flops read it, as its enable. Limits: DATA_BITS >= 1.
`default_nettype none
module stream_fifo2 #(
    parameter int DATA_BITS = 8  // width of a word
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,      // synchronous, active low
    input  wire logic [DATA_BITS-1:0] in_data,
    input  wire logic                 in_valid,
    output      logic                 in_ready,   // high unless both entries are taken
    output      logic [DATA_BITS-1:0] out_data,   // stable while out_valid && !out_ready
    output      logic                 out_valid,
    input  wire logic                 out_ready
);
  logic [DATA_BITS-1:0] head_q, spare_q;
  logic head_valid_q, free_q;  // free_q: the spare entry is

  assign in_ready  = free_q;
  assign out_data  = head_q;
  assign out_valid = head_valid_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      head_valid_q <= 1'b0;
      free_q       <= 1'b1;
    end else if (!head_valid_q || out_ready) begin
      head_valid_q <= in_valid || !free_q;
      free_q       <= 1'b1;
    end else if (in_valid) begin
      free_q <= 1'b0;
    end
  end

  // data registers need no reset: their valid bits say whether they count
  always_ff @(posedge clk) begin
    if (!head_valid_q || out_ready) begin
      if (!free_q) head_q <= spare_q;
      else if (in_valid) head_q <= in_data;
    end else if (in_valid && free_q) begin
      spare_q <= in_data;
    end
  end
endmodule
`default_nettype wire
