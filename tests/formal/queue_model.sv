// What every stream buffer is: a queue. And what an AXI-Stream output must do: hold its beat until it is taken.
`default_nettype none
module queue_model #(
  parameter int unsigned WIDTH = 2,
  parameter int unsigned ROOM = 8,   // beats that the model can hold; more is an error
  parameter int unsigned EMPTY = 2,  // cycles a beat may take to the output
  parameter int unsigned BUSY = 2,   // cycles with fewer than LEAST beats after which the input is ready
  parameter int unsigned LEAST = 2
) (
  input  wire logic                       clk,
  input  wire logic                       rst_n,
  input  wire logic [WIDTH-1:0]           in_data,
  input  wire logic                       in_valid,
  input  wire logic                       in_ready,
  input  wire logic [WIDTH-1:0]           out_data,
  input  wire logic                       out_valid,
  input  wire logic                       out_ready,
  // what the buffer's registers hold, the oldest first
  input  wire logic [ROOM-1:0][WIDTH-1:0] held,
  input  wire logic [7:0]                 count,
  input  wire logic                       sane,   // its counters agree with each other
  output      logic                       bad     // never, in any state that a reset leads to
);
  logic [ROOM-1:0][WIDTH-1:0] queue_q;
  logic [7:0]                 count_q, waited_q, refused_q;
  logic                       begun_q = 1'b0, stalled_q;
  logic [WIDTH-1:0]           stalled_data_q;

  wire logic push = in_valid && in_ready;
  wire logic pop = out_valid && out_ready;
  wire logic [7:0] left = count_q - 8'(pop);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      count_q   <= '0;
      waited_q  <= '0;
      refused_q <= '0;
      stalled_q <= 1'b0;
      begun_q   <= 1'b1;
    end else begin
      for (int i = 0; i < ROOM; i++) begin
        if (pop && i + 1 < ROOM) queue_q[i] <= queue_q[i+1];
        if (push && 8'(i) == left) queue_q[i] <= in_data;
      end
      count_q        <= left + 8'(push);
      waited_q       <= (count_q != 0 && !out_valid) ? waited_q + 8'd1 : 8'd0;
      refused_q      <= (count_q < 8'(LEAST) && !in_ready) ? refused_q + 8'd1 : 8'd0;
      stalled_q      <= out_valid && !out_ready;
      stalled_data_q <= out_data;
    end
  end

  logic same;
  always_comb begin
    same = count == count_q;
    for (int i = 0; i < ROOM; i++) if (8'(i) < count_q && held[i] != queue_q[i]) same = 1'b0;
  end

  assign bad = begun_q && (
      count_q > 8'(ROOM) || (push && left >= 8'(ROOM))                    // lost for want of room
      || !same || !sane
      || (out_valid && (count_q == 0 || out_data != queue_q[0]))          // order, no loss, nothing twice
      || (stalled_q && (!out_valid || out_data != stalled_data_q))        // stability
      || waited_q >= 8'(EMPTY) || refused_q >= 8'(BUSY));                 // it goes on
endmodule
`default_nettype wire
