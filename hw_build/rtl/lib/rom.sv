// ROM with a registered output.
//
// data <= word addr of CONTENTS (word i at bits [i*WIDTH +: WIDTH]) in every cycle with en; otherwise it stays.
// BLOCK=0: LUT6 and the MUXF7/F8 behind them, 64 bits a LUT where DEPTH is a power of two up to 256. BLOCK=1: block RAM.
// Mapped apart from the logic around it: together with that, Yosys' ABC takes up to five times the LUTs for BLOCK=0.
// addr has at least one bit; words past DEPTH-1 are never asked for.
`default_nettype none
(* keep_hierarchy = "yes" *)
module rom #(
    parameter int DEPTH = 2,
    parameter int WIDTH = 8,
    parameter bit BLOCK = 0,
    parameter logic [DEPTH*WIDTH-1:0] CONTENTS = '0,
    localparam int ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1
) (
    input  wire logic                    clk,
    input  wire logic                    en,
    input  wire logic [ADDRESS_BITS-1:0] addr,
    output      logic [WIDTH-1:0]        data
);
  if (BLOCK) begin : block_ram
    (* rom_style = "block", ram_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
    initial for (int i = 0; i < DEPTH; i++) words[i] = CONTENTS[i*WIDTH+:WIDTH];
    always_ff @(posedge clk) if (en) data <= words[addr];
  end else begin : luts
    (* rom_style = "logic" *) logic [WIDTH-1:0] words[DEPTH];
    initial for (int i = 0; i < DEPTH; i++) words[i] = CONTENTS[i*WIDTH+:WIDTH];
    always_ff @(posedge clk) if (en) data <= words[addr];
  end
endmodule
`default_nettype wire
