// One value for each channel of TIMES beats after each other: what a caller makes of the value so far and of what comes.
//
// Streams: CHANNELS/PE beats (GROUPS), TIMES times; what comes out is GROUPS beats, each made of those at its place. The
// caller gives `folded` combinationally: of the beat that comes and, but for the first time (`first`), of `so_far`.
//
// Throughput: one input beat a cycle. Latency: 1 cycle after the last time.
`default_nettype none
module channel_fold #(
  parameter int unsigned GROUPS = 2,
  parameter int unsigned TIMES = 9,
  parameter int unsigned BITS = 8  // of a value for all lanes
) (
  input  wire logic            clk,
  input  wire logic            rst_n,
  input  wire logic            x_valid,
  output      logic            x_ready,
  output      logic            first,
  output      logic [BITS-1:0] so_far,
  input  wire logic [BITS-1:0] folded,
  output      logic [BITS-1:0] y_data,
  output      logic            y_valid,
  input  wire logic            y_ready
);
  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int unsigned TB = (TIMES > 1) ? $clog2(TIMES) : 1;

  logic [GB-1:0] group_q;
  logic [TB-1:0] time_q;
  logic first_q;
  wire logic en = y_ready;
  wire logic step = en && x_valid;
  wire logic ends = group_q == GB'(GROUPS - 1);
  wire logic last_time = time_q == TB'(TIMES - 1);
  assign x_ready = en;
  assign first   = first_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      time_q  <= '0;
      first_q <= 1'b1;
    end else if (step) begin
      group_q <= ends ? '0 : group_q + 1'b1;
      if (ends) begin
        time_q  <= last_time ? '0 : time_q + 1'b1;
        first_q <= last_time;
      end
    end
  end

  if (GROUPS == 1) begin : g_register
    logic [BITS-1:0] so_far_q;
    assign so_far = so_far_q;
    always_ff @(posedge clk) if (step) so_far_q <= folded;
  end else begin : g_memory
    (* ram_style = "distributed" *) logic [BITS-1:0] memory[GROUPS];
    assign so_far = memory[group_q];
    always_ff @(posedge clk) if (step) memory[group_q] <= folded;
  end

  always_ff @(posedge clk) begin
    if (step) y_data <= folded;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step && last_time;
  end
endmodule
`default_nettype wire
