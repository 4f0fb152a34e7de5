// Count of thresholds passed, by binary search with one comparator and one table: for sums that come seldom.
//
//   y = number of the row's thresholds <= acc,   row = group (0 where ROWS is 1)
//   Y_SIGNED: 2**(Y_BITS-1) less, signed
//
// Thresholds as in thresholds.sv. TREES: the search tree of each row in heap order: word row*2**Y_BITS + n is node n, whose
// children are 2n (threshold not passed) and 2n+1; below the last node the path itself is the count; n = 0 is not read.
// start takes acc and group; y is the count Y_BITS + 1 cycles with en later (as many as thresholds.sv takes), in that one
// cycle. Throughput: a start every Y_BITS cycles with en; an earlier one is an error.
`default_nettype none
module thresholds_serial #(
    parameter int ROWS     = 2,   // rows of thresholds: channels, or 1 for all
    parameter int ACC_BITS = 12,  // sum and threshold, signed
    parameter int Y_BITS   = 4,   // count, unsigned
    parameter bit Y_SIGNED = 0,   // 2**(Y_BITS-1) less
    parameter bit BLOCK    = 0,   // table in block RAM
    parameter logic [(ROWS<<Y_BITS)*ACC_BITS-1:0] TREES = '0,
    localparam int GB = (ROWS > 1) ? $clog2(ROWS) : 1
) (
    input  wire logic                clk,
    input  wire logic                en,
    input  wire logic                start,
    input  wire logic [GB-1:0]       group,
    input  wire logic [ACC_BITS-1:0] acc,
    output      logic [Y_BITS-1:0]   y
);
  logic [ACC_BITS-1:0] acc_q, threshold;
  logic [GB-1:0] group_q;
  logic [Y_BITS-1:0] node_q, node;  // whose threshold is compared now; its child
  logic [GB+Y_BITS-1:0] address;

  assign node    = Y_BITS'({node_q, $signed(acc_q) >= $signed(threshold)});
  assign address = start ? {group, Y_BITS'(1)} : {group_q, node};

  always_ff @(posedge clk) begin
    if (en) begin
      node_q <= address[Y_BITS-1:0];
      y      <= node ^ (Y_BITS'(Y_SIGNED) << (Y_BITS - 1));
      if (start) begin
        acc_q   <= acc;
        group_q <= group;
      end
    end
  end

  rom #(
      .DEPTH   (ROWS << Y_BITS),
      .WIDTH   (ACC_BITS),
      .BLOCK   (BLOCK),
      .CONTENTS(TREES)
  ) tree (
      .clk (clk),
      .en  (en),
      .addr((Y_BITS + ((ROWS > 1) ? GB : 0))'(address)),
      .data(threshold)
  );
endmodule
`default_nettype wire
