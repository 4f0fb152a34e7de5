// The taps of a K x K window, word after word, out of a memory that the arriving pixels fill.
//
// In:    pixels in raster order, CHANNELS/SIMD words of SIMD channels each, frame after frame without a mark between.
// Out:   for every pixel, PASSES times: for every tap (i, j) and every word g of a pixel, in this order, word g of pixel
//        (y+i-K/2, x+j-K/2). in_image says whether that pixel lies in the image; if not, data means nothing.
//        One word each cycle with en; first and last mark the ends of a pass. Valid one cycle with en after the step.
//
// How. The memory is a ring of pixels: 2*(K/2) rows and as many columns, the pixel itself, and two more to write
// into meanwhile. A pixel's taps are read as soon as all of them that lie in the image are there (lead: pixels written
// minus pixels finished), so the end of a frame never waits for the next one. That they are there is known a cycle late.
//
// Throughput: PASSES*K*K*CHANNELS/SIMD cycles a pixel, no bubble between pixels, rows or frames. Limits: K odd; SIMD
// divides CHANNELS.
`default_nettype none
module conv_window #(
    parameter int HEIGHT   = 8,
    parameter int WIDTH    = 8,
    parameter int CHANNELS = 2,
    parameter int K        = 3,
    parameter int SIMD     = 1,
    parameter int X_BITS   = 4,
    parameter int PASSES   = 1,
    parameter     RAM_STYLE = "auto"  // of the rows of pixels
) (
    input  wire logic                   clk,
    input  wire logic                   rst_n,
    input  wire logic [SIMD*X_BITS-1:0] x_data,
    input  wire logic                   x_valid,
    output      logic                   x_ready,  // from registers alone
    input  wire logic                   en,       // the reader moves
    output      logic                   step,     // a word is read in this cycle
    output      logic [SIMD*X_BITS-1:0] data,
    output      logic                   valid,
    output      logic                   in_image,
    output      logic                   first,
    output      logic                   last
);
  localparam int P     = K / 2;
  localparam int G     = CHANNELS / SIMD;           // words a pixel
  localparam int LAG   = P * WIDTH + P;             // pixels from a pixel to the last of its window
  localparam int SPARE = 2;
  localparam int RING  = 2 * LAG + 1 + SPARE;       // pixels
  localparam int WORDS = RING * G;
  localparam int START = ((RING - LAG) % RING) * G; // first tap of pixel 0
  localparam int SECOND = ((RING - LAG + 1) % RING) * G;  // and of pixel 1
  localparam int ROW_JUMP = (((WIDTH - K) * G + 1) % WORDS + WORDS) % WORDS;  // last word of a row of taps -> next row

  localparam int AB = (WORDS > 1) ? $clog2(WORDS) : 1;
  localparam int LB = $clog2(RING + 1);
  localparam int XB = (WIDTH > 1) ? $clog2(WIDTH) : 1;
  localparam int YB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int KB = (K > 1) ? $clog2(K) : 1;
  localparam int GB = (G > 1) ? $clog2(G) : 1;
  localparam int PB = (PASSES > 1) ? $clog2(PASSES) : 1;

  function automatic logic [AB-1:0] advance(input logic [AB-1:0] from, input logic [AB:0] words);
    logic wraps;
    wraps = (AB + 1)'(from) >= (AB + 1)'(WORDS) - words;
    return from + (wraps ? AB'(words - (AB + 1)'(WORDS)) : AB'(words));
  endfunction

  function automatic logic [XB-1:0] after_x(input logic [XB-1:0] x);
    return (x == XB'(WIDTH - 1)) ? '0 : x + 1'b1;
  endfunction
  function automatic logic [YB-1:0] after_y(input logic [XB-1:0] x, input logic [YB-1:0] y);
    return (x != XB'(WIDTH - 1)) ? y : (y == YB'(HEIGHT - 1)) ? '0 : y + 1'b1;
  endfunction

  // pixels that must have been written, counted from pixel (x, y) on, before its window is complete
  function automatic logic [LB-1:0] required(input logic [XB-1:0] x, input logic [YB-1:0] y);
    int below, right;
    below = (HEIGHT - 1 - int'(y) < P) ? HEIGHT - 1 - int'(y) : P;
    right = (WIDTH - 1 - int'(x) < P) ? WIDTH - 1 - int'(x) : P;
    return LB'(below * WIDTH + right + 1);
  endfunction

  // ---- the ring of pixels --------------------------------------------------------------------------------------------
  logic [AB-1:0] write_q, read_q;
  logic [AB-1:0] start_q, next_start_q;  // first tap of this pixel, of the next one
  logic [GB-1:0] write_group_q;
  logic [LB-1:0] lead_q;
  logic write, pixel_written, pixel_done;

  assign x_ready       = lead_q <= LB'(LAG + SPARE);
  assign write         = x_valid && x_ready;
  assign pixel_written = write && write_group_q == GB'(G - 1);

  row_memory #(
      .DEPTH(WORDS), .WIDTH(SIMD * X_BITS), .RAM_STYLE(RAM_STYLE)
  ) ring (
      .clk, .write, .write_addr(write_q), .write_data(x_data), .read(en), .read_addr(read_q), .read_data(data)
  );

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      write_q       <= '0;
      write_group_q <= '0;
      lead_q        <= '0;
    end else begin
      if (write) begin
        write_q       <= advance(write_q, (AB + 1)'(1));
        write_group_q <= (write_group_q == GB'(G - 1)) ? '0 : write_group_q + 1'b1;
      end
      if (pixel_written != pixel_done) lead_q <= pixel_written ? lead_q + 1'b1 : lead_q - 1'b1;
    end
  end

  // ---- the order of reading ------------------------------------------------------------------------------------------
  logic [XB-1:0] x_q, x_next_q, x_after;  // of this pixel, the next one, the one after that
  logic [YB-1:0] y_q, y_next_q, y_after;
  logic [KB-1:0] i_q, j_q;
  logic [GB-1:0] group_q;
  logic [PB-1:0] pass_q;
  logic [LB-1:0] required_q, required_next_q;  // by this pixel and the next one
  logic enough_q;  // written for this pixel: decided a cycle before, so that no comparison stands before the step
  logic begun_q;   // some taps of the pixel have been read
  logic last_group_q;
  // this word ends a row of taps, a pass, the pixel: decided with the word before, so that nothing is compared here
  logic row_end_q, pass_end_q, pixel_end_q;
  logic row_end_next, pass_end_next, pixel_end_next;

  // A count that returns to 0 leaves the one above it where it may not be its last, unless that one has a single value.
  always_comb begin
    if (G > 1) begin
      row_end_next   = group_q == GB'(G - 2) && j_q == KB'(K - 1);
      pass_end_next  = row_end_next && i_q == KB'(K - 1);
      pixel_end_next = pass_end_next && pass_q == PB'(PASSES - 1);
    end else if (K > 1) begin
      row_end_next   = j_q == KB'(K - 2);
      pass_end_next  = row_end_next && i_q == KB'(K - 1);
      pixel_end_next = pass_end_next && pass_q == PB'(PASSES - 1);
    end else begin
      row_end_next   = 1'b1;
      pass_end_next  = 1'b1;
      pixel_end_next = PASSES == 1 || int'(pass_q) == PASSES - 2;
    end
  end

  assign step       = en && (begun_q || enough_q);
  assign pixel_done = step && pixel_end_q;
  assign x_after    = after_x(x_next_q);
  assign y_after    = after_y(x_next_q, y_next_q);

  always_ff @(posedge clk) begin
    if (!rst_n) enough_q <= 1'b0;
    else enough_q <= pixel_done ? lead_q > required_next_q : lead_q >= required_q;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      x_q          <= '0;
      y_q          <= '0;
      x_next_q     <= after_x('0);
      y_next_q     <= after_y('0, '0);
      i_q          <= '0;
      j_q          <= '0;
      group_q      <= '0;
      last_group_q <= G == 1;
      pass_q       <= '0;
      row_end_q    <= G == 1 && K == 1;
      pass_end_q   <= G == 1 && K == 1;
      pixel_end_q  <= G == 1 && K == 1 && PASSES == 1;
      begun_q      <= 1'b0;
      required_q   <= required('0, '0);
      required_next_q <= required(after_x('0), after_y('0, '0));
      read_q       <= AB'(START);
      start_q      <= AB'(START);
      next_start_q <= AB'(SECOND);
    end else if (step) begin
      begun_q <= !pixel_end_q;
      row_end_q   <= row_end_next;
      pass_end_q  <= pass_end_next;
      pixel_end_q <= pixel_end_next;
      group_q <= last_group_q ? '0 : group_q + 1'b1;
      last_group_q <= G == 1 || (!last_group_q && group_q == GB'(G - 2));
      if (last_group_q) j_q <= row_end_q ? '0 : j_q + 1'b1;
      if (row_end_q) i_q <= pass_end_q ? '0 : i_q + 1'b1;
      if (pass_end_q) pass_q <= pixel_end_q ? '0 : pass_q + 1'b1;
      if (pixel_end_q) begin
        x_q        <= x_next_q;
        y_q        <= y_next_q;
        x_next_q   <= x_after;
        y_next_q   <= y_after;
        required_q <= required_next_q;
        required_next_q <= required(x_after, y_after);
        start_q    <= next_start_q;
        read_q     <= next_start_q;
        next_start_q <= advance(next_start_q, (AB + 1)'(G));
      end else if (pass_end_q) begin
        read_q <= start_q;
      end else begin
        read_q <= advance(read_q, row_end_q ? (AB + 1)'(ROW_JUMP) : (AB + 1)'(1));
      end
    end
  end

  // ---- what was read: beside the data --------------------------------------------------------------------------------
  always_ff @(posedge clk) begin
    if (!rst_n) valid <= 1'b0;
    else if (en) valid <= step;
  end
  always_ff @(posedge clk) begin
    if (en) begin
      first  <= i_q == '0 && j_q == '0 && group_q == '0;
      last   <= pass_end_q;
      in_image <= int'(y_q) + int'(i_q) >= P && int'(y_q) + int'(i_q) < HEIGHT + P
          && int'(x_q) + int'(j_q) >= P && int'(x_q) + int'(j_q) < WIDTH + P;
    end
  end
endmodule
`default_nettype wire
