// Pipelined sum of N addends: stands in for the module of the same name in FINN's mvu library.
//
// FINN's own declares a constant function inside a generate block, which IEEE 1800-2023 13.4.3 forbids and Verilator
// refuses; the interface, the result and the latency of DEPTH cycles are the same.
//
// Formula:     sum = arg[0] + ... + arg[N-1], signed when ARG_LO < 0; SUM_WIDTH bits hold it without overflow.
// Latency:     DEPTH cycles; registers are spread over the $clog2(N) levels of the tree, what remains follows it.
// Throughput:  one sum a cycle while en is high.
`default_nettype none
module add_multi
  import mvu_pkg::*;
#(
  parameter int unsigned N = 2,
  parameter int unsigned DEPTH = 1,
  parameter int unsigned ARG_WIDTH = 4,
  parameter int          ARG_LO = 0,
  parameter int          ARG_HI = 0,
  parameter bit          RESET_ZERO = 1'b1,
  localparam int unsigned SUM_WIDTH = sumwidth(N, ARG_WIDTH, ARG_LO, ARG_HI)
) (
  input  wire logic                 clk,
  input  wire logic                 rst,
  input  wire logic                 en,
  input  wire logic [ARG_WIDTH-1:0] arg[N],
  output      logic [SUM_WIDTH-1:0] sum
);

  localparam int unsigned LEVELS = $clog2(N);
  localparam int unsigned TREE_REGISTERS = LEVELS < DEPTH ? LEVELS : DEPTH;
  localparam int unsigned DELAY = DEPTH - TREE_REGISTERS;
  localparam int unsigned LEVEL_DIVISOR = LEVELS > 0 ? LEVELS : 1;
  localparam bit SIGNED = ARG_LO < 0;

  // g_level[k].node[i]: the sum of the addends i * 2**k up to (i+1) * 2**k - 1; one array per level, so that no simulator
  // takes the tree for a loop
  for (genvar level = 0; level <= LEVELS; level++) begin : g_level
    localparam int unsigned NODES = (N + 2 ** level - 1) / 2 ** level;
    localparam int unsigned CHILDREN = level == 0 ? N : (N + 2 ** (level - 1) - 1) / 2 ** (level - 1);
    localparam bit REGISTERED = level > 0 &&
        (level * TREE_REGISTERS / LEVEL_DIVISOR) > ((level - 1) * TREE_REGISTERS / LEVEL_DIVISOR);
    logic [SUM_WIDTH-1:0] node[NODES];
    for (genvar i = 0; i < NODES; i++) begin : g_node
      logic [SUM_WIDTH-1:0] total;
      if (level == 0 && SIGNED) begin : g_signed_leaf
        assign total = SUM_WIDTH'($signed(arg[i]));
      end else if (level == 0) begin : g_leaf
        assign total = SUM_WIDTH'(arg[i]);
      end else if (2 * i + 1 < CHILDREN) begin : g_add
        assign total = g_level[level-1].node[2*i] + g_level[level-1].node[2*i+1];
      end else begin : g_pass
        assign total = g_level[level-1].node[2*i];
      end
      if (REGISTERED) begin : g_register
        logic [SUM_WIDTH-1:0] total_q = '0;
        always_ff @(posedge clk) begin
          if (rst) total_q <= '0;
          else if (en) total_q <= total;
        end
        assign node[i] = total_q;
      end else begin : g_wire
        assign node[i] = total;
      end
    end
  end

  if (DELAY == 0) begin : g_no_delay
    assign sum = g_level[LEVELS].node[0];
  end else begin : g_delay
    logic [SUM_WIDTH-1:0] delay_q[DELAY];
    initial delay_q = '{default: '0};
    always_ff @(posedge clk) begin
      if (rst) begin
        delay_q <= '{default: '0};
      end else if (en) begin
        delay_q[0] <= g_level[LEVELS].node[0];
        for (int i = 1; i < DELAY; i++) delay_q[i] <= delay_q[i-1];
      end
    end
    assign sum = delay_q[DELAY-1];
  end

endmodule
`default_nettype wire
