// Endless stream of a ROM's words, in order, from 0 to DEPTH-1 and again.
//
// Contents:    INIT_FILE, one hexadecimal word a line ($readmemh).
// Latency:     the first word is valid in the second cycle after reset.
// Throughput:  one word a cycle.
// Timing:      m_axis_tvalid is a register; m_axis_tready reaches only the ROM's read enable and address counter.
`default_nettype none
module weight_rom #(
  parameter int unsigned WIDTH = 8,
  parameter int unsigned DEPTH = 2,
  parameter              INIT_FILE = "",
  parameter              RAM_STYLE = "auto"
) (
  input  wire logic             ap_clk,
  input  wire logic             ap_rst_n,
  output      logic [WIDTH-1:0] m_axis_tdata,
  output      logic             m_axis_tvalid,
  input  wire logic             m_axis_tready
);

  localparam int unsigned ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  (* rom_style = RAM_STYLE, ram_style = RAM_STYLE *) logic [WIDTH-1:0] rom[DEPTH];
  initial $readmemh(INIT_FILE, rom);

  logic [ADDRESS_BITS-1:0] address_q = '0;
  logic                    valid_q = 1'b0;
  logic [WIDTH-1:0]        data_q;

  wire logic load = !valid_q || m_axis_tready;

  always_ff @(posedge ap_clk) begin
    if (load) data_q <= rom[address_q];
  end

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      address_q <= '0;
      valid_q   <= 1'b0;
    end else if (load) begin
      address_q <= (address_q == ADDRESS_BITS'(DEPTH - 1)) ? '0 : address_q + 1'b1;
      valid_q   <= 1'b1;
    end
  end

  assign m_axis_tdata = data_q;
  assign m_axis_tvalid = valid_q;

endmodule
`default_nettype wire
