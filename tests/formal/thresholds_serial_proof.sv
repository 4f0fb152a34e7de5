// y is the number of thresholds passed, Y_BITS + 1 cycles with en after start, however long en is away in between.
`default_nettype none
module proof #(
  parameter int ROWS = 2, parameter int NUM_T = 3, parameter int ACC_BITS = 4, parameter int Y_BITS = 2
) (
  input wire logic clk, en, start, input wire logic [3:0] group, input wire logic [ACC_BITS-1:0] acc, output logic bad
);
  // sorted in each row: any values will do
  function automatic logic [ROWS*NUM_T*ACC_BITS-1:0] contents();
    for (int row = 0; row < ROWS; row++)
      for (int t = 0; t < NUM_T; t++)
        contents[(row*NUM_T+t)*ACC_BITS +: ACC_BITS] = ACC_BITS'(row + 2 * t - NUM_T);
  endfunction
  localparam logic [ROWS*NUM_T*ACC_BITS-1:0] CONTENTS = contents();
  // node n of each row: the middle of those that its bits behind the first 1 leave
  function automatic logic [(ROWS<<Y_BITS)*ACC_BITS-1:0] trees();
    for (int row = 0; row < ROWS; row++) begin
      trees[(row<<Y_BITS)*ACC_BITS +: ACC_BITS] = '0;
      for (int level = 0; level < Y_BITS; level++)
        for (int n = 0; n < (1 << level); n++)
          if ((2 * n + 1) * (1 << (Y_BITS - 1 - level)) > NUM_T)
            trees[((row<<Y_BITS) + (1<<level) + n)*ACC_BITS +: ACC_BITS] = {1'b0, {(ACC_BITS - 1) {1'b1}}};
          else
            trees[((row<<Y_BITS) + (1<<level) + n)*ACC_BITS +: ACC_BITS]
                = CONTENTS[(row*NUM_T + (2 * n + 1) * (1 << (Y_BITS - 1 - level)) - 1)*ACC_BITS +: ACC_BITS];
    end
  endfunction
  localparam int GB = (ROWS > 1) ? $clog2(ROWS) : 1;
  localparam logic [ACC_BITS-1:0] GREATEST = {1'b0, {(ACC_BITS - 1) {1'b1}}};

  logic [7:0] age_q = 8'd0;  // cycles with en since start, that of start included; 0: none is under way
  logic [ACC_BITS-1:0] acc_q;
  logic [GB-1:0] group_q;
  logic due_q = 1'b0;
  logic [Y_BITS-1:0] y, due_y_q, count;
  // what the module's page asks of who drives it
  wire logic begins = start && (age_q == 0 || age_q >= 8'(Y_BITS));
  wire logic [GB-1:0] row = GB'(group % 4'(ROWS));
  wire logic [ACC_BITS-1:0] sum = (acc == GREATEST) ? ACC_BITS'(0) : acc;
  thresholds_serial #(
    .ROWS(ROWS), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .TREES(trees())
  ) dut (.clk, .en, .start(begins), .group(row), .acc(sum), .y);

  always_comb begin
    count = '0;
    for (int r = 0; r < ROWS; r++)
      for (int t = 0; t < NUM_T; t++)
        if (GB'(r) == group_q && $signed(CONTENTS[(r*NUM_T+t)*ACC_BITS +: ACC_BITS]) <= $signed(acc_q)) count = count + 1'b1;
  end
  always_ff @(posedge clk) begin
    if (en) begin
      age_q <= begins ? 8'd1 : (age_q == 0 || age_q >= 8'(Y_BITS)) ? 8'd0 : age_q + 8'd1;
      due_q <= age_q == 8'(Y_BITS);
      due_y_q <= count;
      if (begins) begin
        acc_q <= sum;
        group_q <= row;
      end
    end
  end

  // on the way: the node's bits are the first bits of the count behind a 1, and the table gives that node's threshold
  logic on_way, right_word;
  always_comb begin
    on_way = dut.acc_q == acc_q && dut.group_q == group_q;
    right_word = 1'b1;
    for (int level = 0; level < Y_BITS; level++) begin
      if (age_q == 8'(level + 1)) begin
        if (32'(dut.node_q) != (1 << level | 32'(count) >> (Y_BITS - level))) on_way = 1'b0;
        for (int r = 0; r < ROWS; r++)
          for (int n = 0; n < (1 << level); n++)
            if (GB'(r) == group_q && 32'(dut.node_q) == (1 << level) + n) begin
              if ((2 * n + 1) * (1 << (Y_BITS - 1 - level)) > NUM_T) right_word = right_word && dut.threshold == GREATEST;
              else right_word = right_word && dut.threshold
                  == CONTENTS[(r*NUM_T + (2 * n + 1) * (1 << (Y_BITS - 1 - level)) - 1)*ACC_BITS +: ACC_BITS];
            end
      end
    end
  end
  assign bad = age_q > 8'(Y_BITS) || (age_q != 0 && (!on_way || !right_word || acc_q == GREATEST || 32'(group_q) >= ROWS))
      || (due_q && y != due_y_q);
endmodule
`default_nettype wire
