// AXI channels as structs, wide enough for AXI3 and AXI4 alike: IDs of up to 16 bits, bursts of up to 256 beats.
//
// A port that has fewer bits takes the low ones and gives zeros for the rest. AXI3's WID is w.id; AXI4 has none.
package axi_pkg;
  localparam logic [1:0] FIXED = 2'b00;
  localparam logic [1:0] INCR = 2'b01;
  localparam logic [1:0] WRAP = 2'b10;

  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;
  localparam logic [1:0] DECERR = 2'b11;

  typedef struct packed {
    logic        valid;
    logic [15:0] id;
    logic [63:0] addr;
    logic [7:0]  len;    // beats - 1
    logic [2:0]  size;   // log2 of the bytes of a beat
    logic [1:0]  burst;
  } address_t;

  typedef struct packed {
    logic        valid;
    logic [15:0] id;
    logic [63:0] data;
    logic [7:0]  strb;
    logic        last;
  } write_t;

  typedef struct packed {
    logic        valid;
    logic [15:0] id;
    logic [1:0]  resp;
  } response_t;

  typedef struct packed {
    logic        valid;
    logic [15:0] id;
    logic [63:0] data;
    logic [1:0]  resp;
    logic        last;
  } read_t;

  typedef struct packed {  // master to slave
    address_t aw;
    write_t   w;
    logic     b_ready;
    address_t ar;
    logic     r_ready;
  } request_t;

  typedef struct packed {  // slave to master
    logic      aw_ready;
    logic      w_ready;
    response_t b;
    logic      ar_ready;
    read_t     r;
  } reply_t;
endpackage
