// URAM288 as Yosys' map uses it, which has no model of it: no pipeline, no reset, no cascade, parity beside its data.
`default_nettype none
module URAM288 #(
  parameter       BWE_MODE_A = "PARITY_INTERLEAVED",
  parameter       BWE_MODE_B = "PARITY_INTERLEAVED",
  parameter       EN_AUTO_SLEEP_MODE = "FALSE",
  parameter       IREG_PRE_A = "FALSE",
  parameter       IREG_PRE_B = "FALSE",
  parameter [0:0] IS_CLK_INVERTED = 1'b0,
  parameter       OREG_A = "FALSE",
  parameter       OREG_B = "FALSE",
  parameter       RST_MODE_A = "SYNC",
  parameter       RST_MODE_B = "SYNC"
) (
  input  wire [22:0] ADDR_A, ADDR_B,
  input  wire [8:0]  BWE_A, BWE_B,
  input  wire        CLK,
  input  wire [71:0] DIN_A, DIN_B,
  output reg  [71:0] DOUT_A, DOUT_B,
  input  wire        EN_A, EN_B, INJECT_DBITERR_A, INJECT_DBITERR_B, INJECT_SBITERR_A, INJECT_SBITERR_B,
  input  wire        RDB_WR_A, RDB_WR_B, RST_A, RST_B, SLEEP
);
  reg [71:0] words[4096];

  initial
    if (BWE_MODE_A != "PARITY_INTERLEAVED" || BWE_MODE_B != "PARITY_INTERLEAVED" || EN_AUTO_SLEEP_MODE != "FALSE"
        || IREG_PRE_A != "FALSE" || IREG_PRE_B != "FALSE" || OREG_A != "FALSE" || OREG_B != "FALSE" || IS_CLK_INVERTED)
      $fatal(1, "%m: this mode is not modelled");

  task automatic put(input [11:0] place, input [8:0] enable, input [71:0] data);
    for (int i = 0; i < 8; i++)
      if (enable[i]) begin
        words[place][8*i +: 8] = data[8*i +: 8];
        words[place][64+i] = data[64+i];
      end
  endtask

  // in a cycle port A comes first
  always @(posedge CLK) begin
    if (RST_A || RST_B || SLEEP || INJECT_DBITERR_A || INJECT_DBITERR_B || INJECT_SBITERR_A || INJECT_SBITERR_B)
      $fatal(1, "%m: this pin is not modelled");
    if (EN_A && RDB_WR_A) put(ADDR_A[11:0], BWE_A, DIN_A);
    if (EN_A && !RDB_WR_A) DOUT_A <= words[ADDR_A[11:0]];
    if (EN_B && RDB_WR_B) put(ADDR_B[11:0], BWE_B, DIN_B);
    if (EN_B && !RDB_WR_B) DOUT_B <= words[ADDR_B[11:0]];
  end
endmodule
`default_nettype wire
