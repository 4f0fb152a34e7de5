// Repetition: each GROUPS beats of the input leave TIMES times, one after the other.
//
// A beat of the input is IN_LANES codes of X_BITS, one of the output PE codes: IN_LANES is PE, and lanes stay, or it is 1, and
// all lanes are that code. So a pixel of GROUPS beats is repeated all over an image, or a channel to all. Beats that come
// leave at once and are repeated from a memory.
//
// Throughput: one output beat a cycle. Latency: 1 cycle. Limits: IN_LANES is 1 or PE.
`default_nettype none
module stream_repeat #(
  parameter int unsigned GROUPS = 2,
  parameter int unsigned IN_LANES = 1,
  parameter int unsigned PE = 1,
  parameter int unsigned X_BITS = 4,
  parameter int unsigned TIMES = 4,
  localparam int unsigned BEAT = IN_LANES * X_BITS
) (
  input  wire logic                 clk,
  input  wire logic                 rst_n,
  input  wire logic [BEAT-1:0]      x_data,
  input  wire logic                 x_valid,
  output      logic                 x_ready,
  output      logic [PE*X_BITS-1:0] y_data,
  output      logic                 y_valid,
  input  wire logic                 y_ready
);
  if (IN_LANES != 1 && IN_LANES != PE) begin : g_check_lanes
    $error("stream_repeat: IN_LANES=%0d must be 1 or PE=%0d", IN_LANES, PE);
  end

  localparam int unsigned GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int unsigned TB = (TIMES > 1) ? $clog2(TIMES) : 1;

  logic [GB-1:0] group_q;
  logic [TB-1:0] time_q;
  logic fresh_q;  // the first time
  wire logic en = y_ready;
  wire logic step = en && (!fresh_q || x_valid);
  wire logic ends = group_q == GB'(GROUPS - 1);
  wire logic last_time = time_q == TB'(TIMES - 1);
  assign x_ready = en && fresh_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      time_q  <= '0;
      fresh_q <= 1'b1;
    end else if (step) begin
      group_q <= ends ? '0 : group_q + 1'b1;
      if (ends) begin
        time_q  <= last_time ? '0 : time_q + 1'b1;
        fresh_q <= last_time;
      end
    end
  end

  // ---- what is repeated, and the beat that has come just now --------------------------------------------------------
  logic [BEAT-1:0] stored, y_q;
  if (GROUPS == 1) begin : g_register
    assign stored = y_q;
  end else begin : g_memory
    (* ram_style = "distributed" *) logic [BEAT-1:0] memory[GROUPS];
    assign stored = memory[group_q];
    always_ff @(posedge clk) if (step && fresh_q) memory[group_q] <= x_data;
  end

  always_ff @(posedge clk) begin
    if (step) y_q <= fresh_q ? x_data : stored;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= step;
  end

  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    assign y_data[lane*X_BITS+:X_BITS] = y_q[((IN_LANES == 1) ? 0 : lane) * X_BITS+:X_BITS];
  end
endmodule
`default_nettype wire
