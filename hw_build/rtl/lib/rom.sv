// ROM with a registered output.
//
// data <= word addr of CONTENTS (word i at bits [i*WIDTH +: WIDTH]) in every cycle with en; otherwise it stays.
// BLOCK=0: LUT6 and the MUXF7/F8 behind them, 64 bits a LUT where DEPTH is a power of two up to 256. BLOCK=1: block RAM.
// Mapped apart from the logic around it: together with that, Yosys' ABC takes up to five times the LUTs for BLOCK=0.
// addr has at least one bit; words past DEPTH-1 are never asked for.
// Words are taken from slices of CONTENTS, as many as a slice has words: slang evaluates all of a constant for each part of it.
// The last slice ends with CONTENTS, and so may repeat words of the one before.
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
  localparam int SLICE = 1 << ($clog2(DEPTH) / 2);  // words

  if (BLOCK) begin : block_ram
    (* rom_style = "block", ram_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
    initial begin
      int at;
      logic [SLICE*WIDTH-1:0] slice;
      for (int from = 0; from < DEPTH; from += SLICE) begin
        at    = (from + SLICE > DEPTH) ? DEPTH - SLICE : from;
        slice = CONTENTS[at*WIDTH+:SLICE*WIDTH];
        for (int i = 0; i < SLICE; i++) words[at+i] = slice[i*WIDTH+:WIDTH];
      end
    end
    always_ff @(posedge clk) if (en) data <= words[addr];
  end else begin : luts
    (* rom_style = "logic" *) logic [WIDTH-1:0] words[DEPTH];
    initial begin
      int at;
      logic [SLICE*WIDTH-1:0] slice;
      for (int from = 0; from < DEPTH; from += SLICE) begin
        at    = (from + SLICE > DEPTH) ? DEPTH - SLICE : from;
        slice = CONTENTS[at*WIDTH+:SLICE*WIDTH];
        for (int i = 0; i < SLICE; i++) words[at+i] = slice[i*WIDTH+:WIDTH];
      end
    end
    always_ff @(posedge clk) if (en) data <= words[addr];
  end
endmodule
`default_nettype wire
