// A memory of rows: a word written and a word read in the same cycle.
//
// read_data <= word read_addr in every cycle with read; otherwise it stays. No word is read in the cycle in which it is
// written. A word that was never written means nothing.
//
// RAM_STYLE "ultra" asks for UltraRAM, whose blocks are 4,096 x 72. Words of up to 36, 18 or 9 bits lie two, four or
// eight in one of 72, where that takes fewer blocks, and are written by its enables. Others are as synthesis knows them.
`default_nettype none
module row_memory #(
    parameter int DEPTH = 64,
    parameter int WIDTH = 8,
    parameter     RAM_STYLE = "auto",
    localparam int ADDRESS_BITS = (DEPTH > 1) ? $clog2(DEPTH) : 1
) (
    input  wire logic                    clk,
    input  wire logic                    write,
    input  wire logic [ADDRESS_BITS-1:0] write_addr,
    input  wire logic [WIDTH-1:0]        write_data,
    input  wire logic                    read,
    input  wire logic [ADDRESS_BITS-1:0] read_addr,
    output      logic [WIDTH-1:0]        read_data
);
  localparam bit ULTRA = 40'(RAM_STYLE) == "ultra";
  localparam int MOST = (!ULTRA || WIDTH > 36) ? 1 : (WIDTH > 18) ? 2 : (WIDTH > 9) ? 4 : 8;

  function automatic int blocks(int lanes);
    return (DEPTH + 4096 * lanes - 1) / (4096 * lanes);
  endfunction

  function automatic int fewest_lanes();
    int lanes = 1;
    while (blocks(lanes) > blocks(MOST)) lanes = 2 * lanes;
    return lanes;
  endfunction

  localparam int LANES = fewest_lanes();  // words in one of the memory

  if (LANES == 1) begin : g_plain
    (* ram_style = RAM_STYLE *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge clk) if (read) read_data <= words[read_addr];
    always_ff @(posedge clk) if (write) words[write_addr] <= write_data;
  end else begin : g_shared
    localparam int LANE_BITS = $clog2(LANES);
    localparam int SLOT      = 72 / LANES;
    (* ram_style = RAM_STYLE *) logic [71:0] words[(DEPTH + LANES - 1) / LANES];
    logic [71:0] word_q;
    logic [LANE_BITS-1:0] lane_q;
    always_ff @(posedge clk) begin
      if (read) begin
        word_q <= words[read_addr[ADDRESS_BITS-1:LANE_BITS]];
        lane_q <= read_addr[LANE_BITS-1:0];
      end
    end
    for (genvar lane = 0; lane < LANES; lane++) begin : g_lane
      always_ff @(posedge clk) begin
        if (write && write_addr[LANE_BITS-1:0] == LANE_BITS'(lane)) begin
          words[write_addr[ADDRESS_BITS-1:LANE_BITS]][lane*SLOT+:SLOT] <= SLOT'(write_data);
        end
      end
    end
    assign read_data = word_q[lane_q*SLOT+:WIDTH];
  end
endmodule
`default_nettype wire
