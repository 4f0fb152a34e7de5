// 2x2 max-pool with stride 2: Y[y,x,c] = max of X[2y..2y+1, 2x..2x+1, c].
//
// Streams: pixels in raster order, frames back to back; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p
// at bits [p*X_BITS +: X_BITS], signed when X_SIGNED. One row of horizontal maxima is stored.
//
// Throughput: one input beat a cycle, as many cycles a frame as it has beats. Latency: 2 cycles after the last of the
// four pixels. Limits: the image's height (which the core need not know) and WIDTH even; PE divides CHANNELS.
`default_nettype none
module maxpool2x2 #(
    parameter int WIDTH    = 6,  // columns of the input
    parameter int CHANNELS = 2,
    parameter int PE       = 1,  // channels a beat
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter     RAM_STYLE = "auto"  // of the row of maxima
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,    // synchronous, active low
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,  // does not depend on x_valid
    output      logic [PE*X_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("maxpool2x2: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (WIDTH % 2 != 0) begin : g_check_even
    $error("maxpool2x2: WIDTH=%0d must be even", WIDTH);
  end

  localparam int GROUPS = CHANNELS / PE;
  localparam int HALF   = WIDTH / 2 * GROUPS;  // words of the row memory
  localparam int BEAT   = PE * X_BITS;
  localparam int GB     = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int XB     = $clog2(WIDTH);
  localparam int AB     = (HALF > 1) ? $clog2(HALF) : 1;

  logic en, step;
  assign en      = y_ready;  // whatever y_valid is: y_ready must not wait for it
  assign x_ready = en;
  assign step    = en && x_valid;

  // ---- position: only parities matter, so rows need no more than one bit -------------------------------------------
  logic [GB-1:0] group_q;
  logic [XB-1:0] col_q;
  logic [AB-1:0] addr_q;  // (column/2, group), counted in odd columns
  logic odd_row_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q   <= '0;
      col_q     <= '0;
      addr_q    <= '0;
      odd_row_q <= 1'b0;
    end else if (step) begin
      group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
      if (group_q == GB'(GROUPS - 1)) begin
        col_q <= (col_q == XB'(WIDTH - 1)) ? '0 : col_q + 1'b1;
        if (col_q == XB'(WIDTH - 1)) odd_row_q <= !odd_row_q;
      end
      if (col_q[0]) addr_q <= (addr_q == AB'(HALF - 1)) ? '0 : addr_q + 1'b1;
    end
  end

  // ---- horizontal maximum with the pixel to the left ---------------------------------------------------------------
  logic [BEAT-1:0] left;
  if (GROUPS == 1) begin : g_left_register
    logic [BEAT-1:0] left_q;
    assign left = left_q;
    always_ff @(posedge clk) if (step && !col_q[0]) left_q <= x_data;
  end else begin : g_left_memory
    (* ram_style = "distributed" *) logic [BEAT-1:0] left_mem [GROUPS];
    assign left = left_mem[group_q];
    always_ff @(posedge clk) if (step && !col_q[0]) left_mem[group_q] <= x_data;
  end

  logic [BEAT-1:0] pair, pair_q, above_q, best;
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [X_BITS-1:0] l, r, a, b;
    assign l = left[p*X_BITS+:X_BITS];
    assign r = x_data[p*X_BITS+:X_BITS];
    assign pair[p*X_BITS+:X_BITS] = (X_SIGNED ? $signed(l) > $signed(r) : l > r) ? l : r;
    assign a = above_q[p*X_BITS+:X_BITS];
    assign b = pair_q[p*X_BITS+:X_BITS];
    assign best[p*X_BITS+:X_BITS] = (X_SIGNED ? $signed(a) > $signed(b) : a > b) ? a : b;
  end

  // ---- vertical maximum with the stored row: written in even rows, read in odd ones --------------------------------
  logic [AB-1:0] pair_addr_q;
  logic store_q, pair_out_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      store_q    <= 1'b0;
      pair_out_q <= 1'b0;
    end else if (en) begin
      store_q    <= step && col_q[0] && !odd_row_q;
      pair_out_q <= step && col_q[0] && odd_row_q;
    end
  end
  always_ff @(posedge clk) begin
    if (step && col_q[0]) begin
      pair_q      <= pair;
      pair_addr_q <= addr_q;
    end
  end
  row_memory #(
      .DEPTH(HALF), .WIDTH(BEAT), .RAM_STYLE(RAM_STYLE)
  ) row_mem (
      .clk, .write(en && store_q), .write_addr(pair_addr_q), .write_data(pair_q),
      .read(step && col_q[0]), .read_addr(addr_q), .read_data(above_q)
  );

  assign y_valid = pair_out_q;
  assign y_data  = best;
endmodule
`default_nettype wire
