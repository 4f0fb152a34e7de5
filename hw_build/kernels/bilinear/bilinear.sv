// Bilinear upsampling by FACTOR (align_corners=False) in exact integers; Y is (2*FACTOR)**2 times the interpolated value.
//
//   rows:    V[y*FACTOR + FACTOR/2 + p] = (2*FACTOR - w)*X[y] + w*X[y+1],  w = 2*p + 1,  p = 0 .. FACTOR-1
//            (X[-1] = X[0], X[HEIGHT] = X[HEIGHT-1])
//   columns: the same on V, so that by two a pixel weighs 1, 3, 3 and 9 sixteenths in its neighbours
//
// Streams: pixels in raster order, frames back to back; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p
// at bits [p*BITS +: BITS], input X_BITS, output X_BITS + 2*(log2(FACTOR)+1), both signed when X_SIGNED.
//
// How. A ring of four input rows lies in two banks, even and odd rows, so that two neighbouring rows are read at once;
// each output row reads its two rows afresh. The two interpolated columns around an output pixel are kept per beat.
// 2*FACTOR - w is one more than w's complement: a sum of as many shifted values as w has bits, each of one side or the
// other, and of one more. No product.
//
// Throughput: one output beat a cycle, FACTOR**2*HEIGHT*WIDTH*CHANNELS/PE cycles a frame, no bubble between rows or
// frames; input is taken whenever one of the four row slots is free. Latency: one row and a pixel of input, and 3 cycles.
// Limits: PE divides CHANNELS; HEIGHT, WIDTH >= 1; FACTOR a power of two, 2 or more.
`default_nettype none
module bilinear #(
    parameter int HEIGHT   = 4,  // rows of the input
    parameter int WIDTH    = 6,  // columns of the input
    parameter int CHANNELS = 2,
    parameter int PE       = 1,  // channels a beat
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter int FACTOR   = 2,
    parameter     RAM_STYLE = "auto"  // of the two banks of rows: "distributed" for LUT RAM, "auto" as is usual
) (
    input  wire logic                     clk,
    input  wire logic                     rst_n,    // synchronous, active low
    input  wire logic [PE*X_BITS-1:0]     x_data,
    input  wire logic                     x_valid,
    output      logic                     x_ready,  // from registers
    output      logic [PE*(X_BITS+2*$clog2(2*FACTOR))-1:0] y_data,
    output      logic                     y_valid,
    input  wire logic                     y_ready
);
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("bilinear: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if (HEIGHT < 1 || WIDTH < 1) begin : g_check_size
    $error("bilinear: the image %0d x %0d must be at least 1 x 1", HEIGHT, WIDTH);
  end

  if (FACTOR < 2 || FACTOR != 2 ** $clog2(FACTOR)) begin : g_check_factor
    $error("bilinear: FACTOR=%0d must be 2, 4, 8 or another power of two", FACTOR);
  end

  localparam int GROUPS = CHANNELS / PE;
  localparam int LINE   = WIDTH * GROUPS;  // beats of an input row
  localparam int BEAT   = PE * X_BITS;
  localparam int PB     = $clog2(FACTOR);  // bits of a phase, the place between two rows or columns
  localparam int V_BITS = X_BITS + PB + 1;      // after the interpolation of rows
  localparam int O_BITS = V_BITS + PB + 1;      // after that of columns
  localparam int GB     = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int LB     = (LINE > 1) ? $clog2(LINE) : 1;
  localparam int COLS   = FACTOR * WIDTH;   // of the output
  localparam int LINES  = FACTOR * HEIGHT;
  localparam int XB     = $clog2(COLS);
  localparam int YB     = $clog2(LINES);
  localparam logic [PB-1:0] HALF = PB'(FACTOR / 2);  // output rows and columns before the first centre

  logic en;
  assign en = y_ready;  // whatever y_valid is: y_ready must not wait for it

  // ---- input: into the ring of rows --------------------------------------------------------------------------------
  logic [LB-1:0] in_pos_q;   // beat within the row being written
  logic [1:0] in_row_q;      // its slot: bit 0 the bank, bit 1 the row in the bank
  logic [2:0] lead_q;        // rows from the oldest one needed to the one being written, 0 to 4
  logic take, in_row_done, row_freed;

  assign x_ready     = lead_q != 3'd4;
  assign take        = x_valid && x_ready;
  assign in_row_done = take && in_pos_q == LB'(LINE - 1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      in_pos_q <= '0;
      in_row_q <= '0;
      lead_q   <= '0;
    end else begin
      if (take) in_pos_q <= in_row_done ? '0 : in_pos_q + 1'b1;
      if (in_row_done) in_row_q <= in_row_q + 1'b1;
      if (in_row_done && !row_freed) lead_q <= lead_q + 1'b1;
      else if (row_freed && !in_row_done) lead_q <= lead_q - 1'b1;
    end
  end

  // ---- output position: which rows and columns it lies between -----------------------------------------------------
  logic [GB-1:0] group_q;
  logic [XB-1:0] col_q;      // output column and row
  logic [YB-1:0] row_q;
  logic [1:0] upper_q;       // slot of the upper row
  logic [LB-1:0] pos_q;      // next beat of the input rows to be read
  // what the position means, decided with the step before, so that a beat's enable waits for the input's row alone
  logic single_row_q;        // above the first or below the last input row
  logic frees_row_q;         // no later row lies on the upper one
  logic last_col_q, last_row_q;
  logic load_q;              // the column needs a beat that has not been read
  logic behind_q;            // that beat of the row being written is there: a cycle late, so that no comparison waits
  logic available, step, load, pixel_done, row_done;

  assign available  = single_row_q ? lead_q > 3'd0 || behind_q : lead_q > 3'd1 || (lead_q == 3'd1 && behind_q);
  assign step       = en && (!load_q || available);
  assign load       = step && load_q;
  assign pixel_done = step && group_q == GB'(GROUPS - 1);
  assign row_done   = pixel_done && last_col_q;
  assign row_freed  = row_done && frees_row_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      col_q   <= '0;
      row_q   <= '0;
      upper_q <= '0;
      pos_q   <= '0;
      load_q       <= 1'b1;
      last_col_q   <= 1'b0;
      single_row_q <= 1'b1;
      frees_row_q  <= 1'b0;
      last_row_q   <= 1'b0;
    end else begin
      if (step) group_q <= pixel_done ? '0 : group_q + 1'b1;
      if (pixel_done) begin
        col_q      <= last_col_q ? '0 : col_q + 1'b1;
        last_col_q <= col_q == XB'(COLS - 2);
        // next: the first, or one behind a centre that is not the last
        load_q     <= last_col_q || (col_q[PB-1:0] == HALF - 1'b1 && col_q != XB'(COLS - FACTOR / 2 - 1));
      end
      if (row_done) begin
        row_q        <= last_row_q ? '0 : row_q + 1'b1;
        last_row_q   <= row_q == YB'(LINES - 2);
        if (row_q == YB'(LINES - FACTOR / 2 - 1)) single_row_q <= 1'b1;
        else if (last_row_q || FACTOR == 2 || row_q == YB'(FACTOR / 2 - 1)) single_row_q <= last_row_q;
        // next: the last, or the last before a centre that is not the first
        frees_row_q  <= !last_row_q && (row_q == YB'(LINES - 2) ||
            (row_q[PB-1:0] == PB'(FACTOR / 2 - 2) && (FACTOR == 2 || row_q != YB'(FACTOR / 2 - 2))));
      end
      if (row_freed) upper_q <= upper_q + 1'b1;
      if (row_done) pos_q <= '0;
      else if (load) pos_q <= (pos_q == LB'(LINE - 1)) ? '0 : pos_q + 1'b1;
    end
  end
  always_ff @(posedge clk) begin
    if (!rst_n || in_row_done) behind_q <= 1'b0;
    else behind_q <= in_pos_q > pos_q && (!load || in_pos_q > pos_q + 1'b1);
  end

  // ---- A: both banks are read; rows u and u+1 lie in different banks -----------------------------------------------
  logic [BEAT-1:0] a_even_q, a_odd_q;

  row_memory #(
      .DEPTH(2 ** (LB + 1)), .WIDTH(BEAT), .RAM_STYLE(RAM_STYLE)
  ) even_mem (
      .clk, .write(take && !in_row_q[0]), .write_addr({in_row_q[1], in_pos_q}), .write_data(x_data),
      .read(load), .read_addr({upper_q[1] ^ upper_q[0], pos_q}), .read_data(a_even_q)
  );
  row_memory #(
      .DEPTH(2 ** (LB + 1)), .WIDTH(BEAT), .RAM_STYLE(RAM_STYLE)
  ) odd_mem (
      .clk, .write(take && in_row_q[0]), .write_addr({in_row_q[1], in_pos_q}), .write_data(x_data),
      .read(load), .read_addr({upper_q[1], pos_q}), .read_data(a_odd_q)
  );

  typedef struct packed {
    logic first_col;
    logic centre;      // of an input column is before it now
    logic loaded;
    logic [PB-1:0] phase;
  } place_t;

  logic a_valid_q, b_valid_q, c_valid_q;
  place_t a_place_q, b_place_q;
  logic [PB-1:0] a_row_phase_q;
  logic a_single_q, a_upper_odd_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      a_valid_q <= 1'b0;
      b_valid_q <= 1'b0;
      c_valid_q <= 1'b0;
    end else if (en) begin
      a_valid_q <= step;
      b_valid_q <= a_valid_q;
      c_valid_q <= b_valid_q;
    end
  end

  always_ff @(posedge clk) begin
    if (step) begin
      a_place_q.first_col <= col_q == '0;
      a_place_q.centre    <= col_q[PB-1:0] == HALF;
      a_place_q.loaded    <= load_q;
      a_place_q.phase     <= col_q[PB-1:0] ^ HALF;  // less half a factor
      a_row_phase_q       <= row_q[PB-1:0] ^ HALF;
      a_single_q          <= single_row_q;
      a_upper_odd_q       <= upper_q[0];
    end
    if (en && a_valid_q) b_place_q <= a_place_q;
  end

  // ---- B: rows interpolated; C: columns interpolated ---------------------------------------------------------------
  logic [BEAT-1:0] upper, lower;
  assign upper = a_upper_odd_q ? a_odd_q : a_even_q;
  assign lower = (a_upper_odd_q != a_single_q) ? a_even_q : a_odd_q;

  logic [PE-1:0][V_BITS-1:0] b_column_q, left_old, right_old, left, right;
  logic [PE-1:0][O_BITS-1:0] c_sum_q;

  // (2*FACTOR - w)*first + w*second for w = 2*phase + 1
  function automatic logic [V_BITS-1:0] between_rows(input logic [V_BITS-1:0] first, input logic [V_BITS-1:0] second,
                                                     input logic [PB-1:0] phase);
    between_rows = first + second;
    for (int b = 0; b < PB; b++) between_rows = between_rows + ((phase[b] ? second : first) << (b + 1));
  endfunction
  function automatic logic [O_BITS-1:0] between_columns(input logic [O_BITS-1:0] first, input logic [O_BITS-1:0] second,
                                                        input logic [PB-1:0] phase);
    between_columns = first + second;
    for (int b = 0; b < PB; b++) between_columns = between_columns + ((phase[b] ? second : first) << (b + 1));
  endfunction

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [V_BITS-1:0] u, l;
    assign u = X_SIGNED ? V_BITS'($signed(upper[p*X_BITS+:X_BITS])) : V_BITS'(upper[p*X_BITS+:X_BITS]);
    assign l = X_SIGNED ? V_BITS'($signed(lower[p*X_BITS+:X_BITS])) : V_BITS'(lower[p*X_BITS+:X_BITS]);
    always_ff @(posedge clk) begin
      if (en && a_valid_q) b_column_q[p] <= between_rows(u, l, a_row_phase_q);
    end

    logic [O_BITS-1:0] a, b;
    assign left[p]  = b_place_q.first_col ? b_column_q[p] : b_place_q.centre ? right_old[p] : left_old[p];
    assign right[p] = b_place_q.loaded ? b_column_q[p] : right_old[p];
    assign a = X_SIGNED ? O_BITS'($signed(left[p])) : O_BITS'(left[p]);
    assign b = X_SIGNED ? O_BITS'($signed(right[p])) : O_BITS'(right[p]);
    always_ff @(posedge clk) begin
      if (en && b_valid_q) c_sum_q[p] <= between_columns(a, b, b_place_q.phase);
    end
  end

  if (GROUPS == 1) begin : g_columns_register
    logic [2*PE*V_BITS-1:0] columns_q;
    assign {right_old, left_old} = columns_q;
    always_ff @(posedge clk) if (en && b_valid_q) columns_q <= {right, left};
  end else begin : g_columns_memory
    (* ram_style = "distributed" *) logic [2*PE*V_BITS-1:0] column_mem [GROUPS];
    logic [GB-1:0] a_group_q, b_group_q;
    always_ff @(posedge clk) begin
      if (step) a_group_q <= group_q;
      if (en && a_valid_q) b_group_q <= a_group_q;
    end
    assign {right_old, left_old} = column_mem[b_group_q];
    always_ff @(posedge clk) if (en && b_valid_q) column_mem[b_group_q] <= {right, left};
  end

  assign y_valid = c_valid_q;
  assign y_data  = c_sum_q;
endmodule
`default_nettype wire
