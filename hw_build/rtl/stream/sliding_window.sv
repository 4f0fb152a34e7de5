// The whole K x K window of every pixel, a beat of its channels after the other, from pixels in raster order.
//
// In:    GROUPS beats of BEAT_BITS a pixel, frame after frame without a mark between.
// Out:   for every pixel and beat the K*K beats around it: beat of tap i*K+j at bits [.. *BEAT_BITS +: BEAT_BITS], of
//        pixel (y+i-K/2, x+j-K/2). mask says which of them lie in the image; where it is 0, window means nothing.
//        A window stands while valid; it goes in a cycle with en and free.
//
// How. One step takes one beat. A RAM word holds a beat's K-1 older rows of one column; a second, small memory holds
// the K-1 older columns of each beat of a pixel. Both run on linearly, over row and frame ends: taps outside the image
// are masked by the coordinates of the output pixel. Output pixel m needs LAG = (K/2)*WIDTH + K/2 further pixels, which
// the next frame's first pixels provide; when they are not there in the last moment (soon_free), steps without input
// flush the frame, so that it never waits for the next one to begin. (A kernel larger than the image is cut to the taps
// that can ever count.)
//
// Throughput: one window a cycle, and 1 cycle a beat that gives none (the first LAG pixels after a pause). Limits: K odd;
// HEIGHT, WIDTH >= 1.
`default_nettype none
module sliding_window #(
    parameter int HEIGHT    = 8,  // rows of the image
    parameter int WIDTH     = 8,  // columns of the image
    parameter int GROUPS    = 2,  // beats a pixel
    parameter int K         = 3,  // kernel side
    parameter int BEAT_BITS = 4,
    parameter     RAM_STYLE = "auto"  // of the older rows
) (
    input  wire logic                     clk,
    input  wire logic                     rst_n,      // synchronous, active low
    input  wire logic                     en,         // all that follows moves
    input  wire logic [BEAT_BITS-1:0]     x_data,
    input  wire logic                     x_valid,
    output      logic                     x_ready,    // does not depend on x_valid
    input  wire logic                     free,       // the window is taken, if there is one
    input  wire logic                     soon_free,  // the next window will be taken in the next cycle or in this one
    output      logic                     valid,
    output      logic [K*K*BEAT_BITS-1:0] window,
    output      logic [K*K-1:0]           mask
);
  localparam int PAD_Y  = (K / 2 < HEIGHT) ? K / 2 : HEIGHT - 1;
  localparam int PAD_X  = (K / 2 < WIDTH) ? K / 2 : WIDTH - 1;
  localparam int ROWS   = 2 * PAD_Y + 1;       // rows and columns of the window that can ever lie in the image
  localparam int COLS   = 2 * PAD_X + 1;
  localparam int LAG    = PAD_Y * WIDTH + PAD_X;  // < HEIGHT*WIDTH, so at most two frames are in work
  localparam int LINE   = WIDTH * GROUPS;      // words of the row memory
  localparam int COLUMN = ROWS * BEAT_BITS;    // bits of a window column, oldest row at bit 0

  localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int XB = (WIDTH > 1) ? $clog2(WIDTH) : 1;
  localparam int YB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int LB = (LINE > 1) ? $clog2(LINE) : 1;
  localparam int FB = (LAG > 0) ? $clog2(LAG + 1) : 1;

  // ---- which beat is next: counters of the input frame, of the fill and of the output frame ------------------------
  logic [GB-1:0] group_q;               // beat within the pixel
  logic [XB-1:0] in_x_q, out_x_q;
  logic [YB-1:0] in_y_q, out_y_q;
  logic [FB-1:0] fill_q;                // steps since the newest frame began
  logic [LB-1:0] line_q;                // position in the row memory
  logic between_q;                      // the next input pixel is the first of a frame
  logic filling_q;                      // the newest frame gives no output yet
  logic active_q;                       // a frame is being put out
  logic phantom_q;                      // inside a pixel that is stepped without input

  logic a_valid_q, a_out_q;
  logic a_free, a_leave, take, start_phantom, step, last_group, starts_output, has_output;

  assign a_free        = !a_valid_q || !a_out_q || free;
  assign a_leave       = en && a_valid_q && (!a_out_q || free);
  assign x_ready       = en && a_free && !phantom_q;
  assign take          = x_ready && x_valid;
  assign start_phantom = en && a_free && soon_free && !x_valid && between_q && active_q && group_q == '0;
  assign step          = take || start_phantom || (en && a_free && phantom_q);
  assign last_group    = group_q == GB'(GROUPS - 1);
  assign starts_output = (between_q && take) ? LAG == 0 : filling_q && fill_q == FB'(LAG);
  assign has_output    = active_q || starts_output;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q   <= '0;
      in_x_q    <= '0;
      in_y_q    <= '0;
      out_x_q   <= '0;
      out_y_q   <= '0;
      fill_q    <= '0;
      line_q    <= '0;
      between_q <= 1'b1;
      filling_q <= 1'b0;
      active_q  <= 1'b0;
      phantom_q <= 1'b0;
    end else if (step) begin
      group_q   <= last_group ? '0 : group_q + 1'b1;
      line_q    <= (line_q == LB'(LINE - 1)) ? '0 : line_q + 1'b1;
      phantom_q <= !take && !last_group;
      if (last_group) begin
        if (take) begin
          between_q <= in_x_q == XB'(WIDTH - 1) && in_y_q == YB'(HEIGHT - 1);
          in_x_q    <= (in_x_q == XB'(WIDTH - 1)) ? '0 : in_x_q + 1'b1;
          if (in_x_q == XB'(WIDTH - 1)) in_y_q <= (in_y_q == YB'(HEIGHT - 1)) ? '0 : in_y_q + 1'b1;
        end
        if (between_q && take) begin
          filling_q <= LAG != 0;
          fill_q    <= FB'(1);
        end else if (filling_q) begin
          filling_q <= !starts_output;
          fill_q    <= fill_q + 1'b1;
        end
        if (has_output) begin
          active_q <= !(out_x_q == XB'(WIDTH - 1) && out_y_q == YB'(HEIGHT - 1));
          out_x_q  <= (out_x_q == XB'(WIDTH - 1)) ? '0 : out_x_q + 1'b1;
          if (out_x_q == XB'(WIDTH - 1)) out_y_q <= (out_y_q == YB'(HEIGHT - 1)) ? '0 : out_y_q + 1'b1;
        end
      end
    end
  end

  // ---- A: the beat, its older rows (being read) and which rows and columns of the window lie in the image ----------
  logic [BEAT_BITS-1:0] a_beat_q;
  logic [ROWS-1:0] a_rows_q;
  logic [COLS-1:0] a_cols_q;
  logic [COLUMN-1:0] column;  // rows of the newest column, this beat's at the top

  always_ff @(posedge clk) begin
    if (!rst_n) a_valid_q <= 1'b0;
    else if (step) a_valid_q <= 1'b1;
    else if (a_leave) a_valid_q <= 1'b0;
  end

  always_ff @(posedge clk) begin
    if (step) begin
      a_beat_q  <= x_data;
      a_out_q   <= has_output;
      for (int i = 0; i < ROWS; i++) begin
        if (i < PAD_Y) a_rows_q[i] <= out_y_q >= YB'(PAD_Y - i);
        else if (i > PAD_Y) a_rows_q[i] <= out_y_q <= YB'(HEIGHT - 1 + PAD_Y - i);
        else a_rows_q[i] <= 1'b1;
      end
      for (int j = 0; j < COLS; j++) begin
        if (j < PAD_X) a_cols_q[j] <= out_x_q >= XB'(PAD_X - j);
        else if (j > PAD_X) a_cols_q[j] <= out_x_q <= XB'(WIDTH - 1 + PAD_X - j);
        else a_cols_q[j] <= 1'b1;
      end
    end
  end

  if (ROWS == 1) begin : g_one_row
    assign column = a_beat_q;
  end else if (LINE == 1) begin : g_row_registers
    logic [COLUMN-BEAT_BITS-1:0] rows_q;
    assign column = {a_beat_q, rows_q};
    always_ff @(posedge clk) if (a_leave) rows_q <= column[COLUMN-1:BEAT_BITS];
  end else begin : g_row_memory
    logic [COLUMN-BEAT_BITS-1:0] rows_q;
    logic [LB-1:0] a_line_q;
    assign column = {a_beat_q, rows_q};
    always_ff @(posedge clk) if (step) a_line_q <= line_q;
    row_memory #(
        .DEPTH(LINE), .WIDTH(COLUMN - BEAT_BITS), .RAM_STYLE(RAM_STYLE)
    ) row_mem (
        .clk, .write(a_leave), .write_addr(a_line_q), .write_data(column[COLUMN-1:BEAT_BITS]),
        .read(step), .read_addr(line_q), .read_data(rows_q)
    );
  end

  // ---- the older columns beside it --------------------------------------------------------------------------------
  logic [COLS*COLUMN-1:0] columns;  // oldest column at bit 0
  if (COLS == 1) begin : g_one_column
    assign columns = column;
  end else if (GROUPS == 1) begin : g_column_registers
    logic [(COLS-1)*COLUMN-1:0] cols_q;
    assign columns = {column, cols_q};
    always_ff @(posedge clk) if (a_leave) cols_q <= columns[COLS*COLUMN-1:COLUMN];
  end else begin : g_column_memory
    (* ram_style = "distributed" *) logic [(COLS-1)*COLUMN-1:0] col_mem [GROUPS];
    logic [GB-1:0] a_group_q;
    always_ff @(posedge clk) if (step) a_group_q <= group_q;
    assign columns = {column, col_mem[a_group_q]};
    always_ff @(posedge clk) if (a_leave) col_mem[a_group_q] <= columns[COLS*COLUMN-1:COLUMN];
  end

  // ---- out: the taps in their order -----------------------------------------------------------------------------------
  assign valid = a_valid_q && a_out_q;
  always_comb begin
    window = '0;
    mask   = '0;
    for (int i = 0; i < ROWS; i++) begin
      for (int j = 0; j < COLS; j++) begin
        window[((i+K/2-PAD_Y)*K+j+K/2-PAD_X)*BEAT_BITS+:BEAT_BITS] = columns[j*COLUMN+i*BEAT_BITS+:BEAT_BITS];
        mask[(i+K/2-PAD_Y)*K+j+K/2-PAD_X] = a_rows_q[i] && a_cols_q[j];
      end
    end
  end
endmodule
`default_nettype wire
