// Behaviour of a 7-series block RAM, for netlists: of RAMB18E1 and RAMB36E1 Yosys' cells_sim.v gives only the ports.
//
// After Xilinx UG473. Data bits lie in one array, parity bits in another: a word of 9*n bits is 8*n data and n parity
// bits, a narrower one is data alone; word a of n data bits begins at data bit a*n, whatever width wrote it. A read of a
// word that the other port writes in the same cycle gives the old word where that port is READ_FIRST; otherwise UG473
// leaves it open, and the inverse is given here, so that a design fails which uses it. Outputs power up at random.
// Not modelled: output registers, cascades, ECC, inverted pins, two clocks.
`default_nettype none
module ramb_model #(
    parameter int ADDRESS_BITS = 14,  // of a data bit
    parameter int HALF = 16,          // data bits of one port in true dual-port mode; a port is 2*HALF wide here
    parameter logic [(1<<ADDRESS_BITS)-1:0] DATA = '0,
    parameter logic [(1<<(ADDRESS_BITS-3))-1:0] PARITY = '0,
    parameter logic [2*HALF-1:0] RESET_A = '0,
    parameter logic [2*HALF-1:0] RESET_B = '0,
    parameter logic [HALF/4-1:0] RESET_PARITY_A = '0,
    parameter logic [HALF/4-1:0] RESET_PARITY_B = '0,
    parameter WRITE_MODE_A = "WRITE_FIRST",
    parameter WRITE_MODE_B = "WRITE_FIRST",
    parameter int READ_WIDTH_A = 0,
    parameter int READ_WIDTH_B = 0,
    parameter int WRITE_WIDTH_A = 0,
    parameter int WRITE_WIDTH_B = 0
) (
    input  wire logic                    clk,
    input  wire logic                    en_a, en_b,
    input  wire logic                    reset_a, reset_b,
    input  wire logic [HALF/4-1:0]       we_a, we_b,        // a bit for each 8 data bits and their parity
    input  wire logic [ADDRESS_BITS-1:0] addr_a, addr_b,
    input  wire logic [2*HALF-1:0]       data_a, data_b,
    input  wire logic [HALF/4-1:0]       parity_a, parity_b,
    output      logic [2*HALF-1:0]       q_a, q_b,
    output      logic [HALF/4-1:0]       qp_a, qp_b
);
  typedef logic [ADDRESS_BITS-1:0] address_t;
  typedef logic [2*HALF-1:0] word_t;
  typedef logic [HALF/4-1:0] parity_t;

  logic bits_q[1<<ADDRESS_BITS];
  logic parity_q[1<<(ADDRESS_BITS-3)];
  initial for (int i = 0; i < 1 << ADDRESS_BITS; i++) bits_q[i] = DATA[i];
  initial for (int i = 0; i < 1 << (ADDRESS_BITS - 3); i++) parity_q[i] = PARITY[i];

  function automatic int data_bits(input int width);
    return (width >= 9) ? width / 9 * 8 : width;
  endfunction
  function automatic address_t first_bit(input address_t addr, input int width);
    return (width == 0) ? '0 : addr & ~address_t'(data_bits(width) - 1);
  endfunction
  function automatic word_t data_at(input address_t addr, input int width);
    data_at = '0;
    for (int i = 0; i < data_bits(width); i++) data_at[i] = bits_q[first_bit(addr, width)+address_t'(i)];
  endfunction
  function automatic parity_t parity_at(input address_t addr, input int width);
    parity_at = '0;
    if (width >= 9) for (int i = 0; i < width / 9; i++) parity_at[i] = parity_q[32'(first_bit(addr, width)>>3)+i];
  endfunction

  task automatic write(input address_t addr, input int width, input word_t data, input parity_t parity, input parity_t we);
    for (int i = 0; i < data_bits(width); i++) if (we[i/8]) bits_q[first_bit(addr, width)+address_t'(i)] = data[i];
    if (width >= 9) for (int i = 0; i < width / 9; i++) if (we[i]) parity_q[32'(first_bit(addr, width)>>3)+i] = parity[i];
  endtask

  // words of these widths at these addresses share a bit: one of them holds the first bit of the other
  function automatic logic overlap(input address_t a, input int width_a, input address_t b, input int width_b);
    return first_bit(a, width_b) == first_bit(b, width_b) || first_bit(b, width_a) == first_bit(a, width_a);
  endfunction

  logic writes_a, writes_b, open_a, open_b;
  assign writes_a = en_a && WRITE_WIDTH_A != 0 && we_a != '0;
  assign writes_b = en_b && WRITE_WIDTH_B != 0 && we_b != '0;
  assign open_a = writes_b && WRITE_MODE_B != "READ_FIRST" && overlap(addr_a, READ_WIDTH_A, addr_b, WRITE_WIDTH_B);
  assign open_b = writes_a && WRITE_MODE_A != "READ_FIRST" && overlap(addr_b, READ_WIDTH_B, addr_a, WRITE_WIDTH_A);

  always @(posedge clk) begin : both_ports
    word_t old_a, old_b;
    parity_t old_parity_a, old_parity_b;
    old_a = open_a ? ~data_at(addr_a, READ_WIDTH_A) : data_at(addr_a, READ_WIDTH_A);
    old_b = open_b ? ~data_at(addr_b, READ_WIDTH_B) : data_at(addr_b, READ_WIDTH_B);
    old_parity_a = open_a ? ~parity_at(addr_a, READ_WIDTH_A) : parity_at(addr_a, READ_WIDTH_A);
    old_parity_b = open_b ? ~parity_at(addr_b, READ_WIDTH_B) : parity_at(addr_b, READ_WIDTH_B);
    if (writes_a) write(addr_a, WRITE_WIDTH_A, data_a, parity_a, we_a);
    if (writes_b) write(addr_b, WRITE_WIDTH_B, data_b, parity_b, we_b);
    if (en_a && reset_a) begin
      q_a  <= RESET_A;
      qp_a <= RESET_PARITY_A;
    end else if (en_a && !(writes_a && WRITE_MODE_A == "NO_CHANGE")) begin
      q_a  <= (writes_a && WRITE_MODE_A == "WRITE_FIRST") ? data_at(addr_a, READ_WIDTH_A) : old_a;
      qp_a <= (writes_a && WRITE_MODE_A == "WRITE_FIRST") ? parity_at(addr_a, READ_WIDTH_A) : old_parity_a;
    end
    if (en_b && reset_b) begin
      q_b  <= RESET_B;
      qp_b <= RESET_PARITY_B;
    end else if (en_b && !(writes_b && WRITE_MODE_B == "NO_CHANGE")) begin
      q_b  <= (writes_b && WRITE_MODE_B == "WRITE_FIRST") ? data_at(addr_b, READ_WIDTH_B) : old_b;
      qp_b <= (writes_b && WRITE_MODE_B == "WRITE_FIRST") ? parity_at(addr_b, READ_WIDTH_B) : old_parity_b;
    end
  end
endmodule
`default_nettype wire
