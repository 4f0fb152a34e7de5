// Count of thresholds passed, by binary search in a pipeline: one comparator a stage and lane.
//
//   y[p] = number of the row's thresholds <= acc[p],   row = group*LANES + p  (0 where ROWS is 1)
//   Y_SIGNED: 2**(Y_BITS-1) less, signed
//
// A row has 2**Y_BITS - 1 ascending thresholds of ACC_BITS, signed; the largest value stands for one that is never passed
// and must not occur in acc then. TREES: for each lane (ROWS=1: for all), stage after stage, what its table holds: word
// group*2**s + c of stage s is the middle threshold of those that the s upper bits c of the count leave. One word a group
// that is not read stands before stage 0, so that stage s begins at word GROUPS*2**s of its lane.
// Throughput: one beat of LANES sums each cycle with en. Latency: Y_BITS + 1 cycles with en; group comes with its acc.
// Limits: ROWS is 1 or a multiple of LANES.
`default_nettype none
module thresholds #(
    parameter int ROWS     = 2,   // channels with thresholds of their own, or 1 for all
    parameter int LANES    = 1,   // sums a beat
    parameter int ACC_BITS = 12,  // sum and threshold, signed
    parameter int Y_BITS   = 4,   // count, unsigned
    parameter bit Y_SIGNED = 0,   // 2**(Y_BITS-1) less
    parameter bit BLOCK    = 0,   // tables in block RAM
    parameter logic [(ROWS<<Y_BITS)*ACC_BITS-1:0] TREES = '0,
    localparam int GROUPS = (ROWS > 1) ? ROWS / LANES : 1,
    localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1
) (
    input  wire logic                      clk,
    input  wire logic                      en,
    input  wire logic [GB-1:0]             group,
    input  wire logic [LANES*ACC_BITS-1:0] acc,
    output      logic [LANES*Y_BITS-1:0]   y
);
  localparam logic [Y_BITS-1:0] SIGN = Y_BITS'(Y_SIGNED) << (Y_BITS - 1);

  for (genvar p = 0; p < LANES; p++) begin : lane
    // stage s holds the sum, the s upper bits of its count and the threshold that decides the next one
    logic [Y_BITS-1:0][ACC_BITS-1:0] acc_q;
    logic [Y_BITS-1:0][GB-1:0] group_q;
    logic [Y_BITS-1:0][Y_BITS-1:0] code_q;
    logic [Y_BITS-1:0] passed;

    always_ff @(posedge clk) begin
      if (en) begin
        acc_q[0]   <= acc[p*ACC_BITS+:ACC_BITS];
        group_q[0] <= group;
        code_q[0]  <= '0;
        for (int s = 1; s < Y_BITS; s++) begin
          acc_q[s]   <= acc_q[s-1];
          group_q[s] <= group_q[s-1];
          code_q[s]  <= Y_BITS'({code_q[s-1], passed[s-1]});
        end
        y[p*Y_BITS+:Y_BITS] <= Y_BITS'({code_q[Y_BITS-1], passed[Y_BITS-1]}) ^ SIGN;
      end
    end

    for (genvar s = 0; s < Y_BITS; s++) begin : stage
      localparam int DEPTH = GROUPS << s;
      localparam int AB = (DEPTH > 1) ? $clog2(DEPTH) : 1;

      logic [ACC_BITS-1:0] threshold;
      logic [AB-1:0] address;
      if (s == 0) begin : first
        assign address = AB'(group);
      end else begin : later
        assign address = AB'((32'(group_q[s-1]) << s) | 32'({code_q[s-1], passed[s-1]}));
      end
      rom #(
          .DEPTH   (DEPTH),
          .WIDTH   (ACC_BITS),
          .BLOCK   (BLOCK),
          .CONTENTS(TREES[(((ROWS>1)?p:0)*(GROUPS<<Y_BITS)+DEPTH)*ACC_BITS+:DEPTH*ACC_BITS])
      ) table_of_stage (
          .clk (clk),
          .en  (en),
          .addr(address),
          .data(threshold)
      );
      assign passed[s] = $signed(acc_q[s]) >= $signed(threshold);
    end
  end
endmodule
`default_nettype wire
