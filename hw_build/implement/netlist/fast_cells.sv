// LUTs and carry chains of a 7-series device, written so that Verilator simulates them fast; of the same function as those
// in Yosys' cells_sim.v (a test proves it), before which they are read.
//
// There a carry chain's output word feeds itself, which Verilator takes for a loop and evaluates until it settles.
`default_nettype none
module LUT1 #(
  parameter logic [1:0] INIT = '0
) (
  input  wire logic I0,
  output wire logic O
);
  assign O = INIT[{I0}];
endmodule

module LUT2 #(
  parameter logic [3:0] INIT = '0
) (
  input  wire logic I0, I1,
  output wire logic O
);
  assign O = INIT[{I1, I0}];
endmodule

module LUT3 #(
  parameter logic [7:0] INIT = '0
) (
  input  wire logic I0, I1, I2,
  output wire logic O
);
  assign O = INIT[{I2, I1, I0}];
endmodule

module LUT4 #(
  parameter logic [15:0] INIT = '0
) (
  input  wire logic I0, I1, I2, I3,
  output wire logic O
);
  assign O = INIT[{I3, I2, I1, I0}];
endmodule

module LUT5 #(
  parameter logic [31:0] INIT = '0
) (
  input  wire logic I0, I1, I2, I3, I4,
  output wire logic O
);
  assign O = INIT[{I4, I3, I2, I1, I0}];
endmodule

module LUT6 #(
  parameter logic [63:0] INIT = '0
) (
  input  wire logic I0, I1, I2, I3, I4, I5,
  output wire logic O
);
  assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module CARRY4 (
  input  wire logic       CI, CYINIT,
  input  wire logic [3:0] DI, S,
  output wire logic [3:0] CO, O
);
  logic c0, c1, c2, c3, c4;
  assign c0 = CI | CYINIT;
  assign c1 = S[0] ? c0 : DI[0];
  assign c2 = S[1] ? c1 : DI[1];
  assign c3 = S[2] ? c2 : DI[2];
  assign c4 = S[3] ? c3 : DI[3];
  assign CO = {c4, c3, c2, c1};
  assign O  = S ^ {c3, c2, c1, c0};
endmodule
`default_nettype wire
