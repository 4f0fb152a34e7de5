// Depthwise K x K convolution with zero padding, thresholds and an optional fused residual, a column of taps at a time.
//
//   acc[y,x,c] = sum over i,j of W[c,i,j] * X[y+i-K/2, x+j-K/2, c]        (0 outside the image)
//   R          = number of the NUM_T thresholds of c <= acc
//   SCALED:      R = min(max((SCALES[c] * acc + OFFSETS[c]) >>> SHIFT, 0), NUM_T)
//   RESIDUAL=0:  Y = LOWEST + R
//   RESIDUAL=1:  Y = LOWEST + number of t < NUM_T_SUM with SUM_THRESHOLDS[c][t] <= X[y,x,c] + R
//
// Streams, in and out alike: pixels in raster order, frame after frame without a mark between them; a pixel is CHANNELS
// beats, channel 0 first. R unsigned, W signed, X unsigned or X_SIGNED (and then 2**(X_BITS-1) greater in its sum with R), Y
// signed where LOWEST is below 0, as requantizer.sv says. Constants: WEIGHTS word (c*K + j)*(K/SIMD) + b holds SIMD taps
// of column j, element s that of position p = b*SIMD + s, which is row p, except in column K-1, where it is row p-1 and
// position 0 is row K-1; TREES as lib/thresholds.sv or, SERIAL, lib/thresholds_serial.sv, with row c; SUM_THRESHOLDS has
// SUM_ROWS rows (1: all channels share it) of NUM_T_SUM elements of SUM_BITS, unsigned, or SUM_SCALED as in
// sum_requantizer.sv.
//
// How. A word of the memory holds the K newest rows of one column and channel. An output reads its K columns one after
// the other; the newest one, still a row behind, comes last, takes the beat of input in place of its oldest row and is
// written back. The memory runs on over the end of a frame: the last LAG = (K/2)*WIDTH + K/2 outputs of a frame come with
// the first pixels of the next one, or, when these are not there, all LAG without input, so that no frame waits for the
// next one to begin. What of a window lies outside the image is masked by the coordinates of the output.
//
// Throughput: K*K/SIMD cycles a beat that gives output, 1 cycle one that does not (the first LAG pixels after a pause).
// Frames back to back: HEIGHT*WIDTH*CHANNELS*K*K/SIMD cycles each, no bubble. Latency: LAG pixels and some 12 cycles,
// log2(SIMD) more.
// Timing: tready and m_axis_tvalid come from registers.
// Limits: K odd, at least 3; SIMD divides K; WIDTH >= K; HEIGHT > K/2; one channel a beat; SERIAL: K*K/SIMD >= R_BITS.
`default_nettype none
module depthwise_columns #(
    parameter int HEIGHT    = 8,    // rows of the image
    parameter int WIDTH     = 8,    // columns of the image
    parameter int CHANNELS  = 2,
    parameter int K         = 3,    // kernel side
    parameter int SIMD      = 1,    // taps a cycle
    parameter int X_BITS    = 4,    // input code, unsigned
    parameter bit X_SIGNED  = 0,    // or signed
    parameter int W_BITS    = 4,    // weight, signed
    parameter int ACC_BITS  = 12,   // sum and threshold, signed
    parameter int NUM_T     = 15,   // thresholds a channel
    parameter int R_BITS    = 4,    // count of thresholds passed
    parameter bit RESIDUAL  = 1,    // add the centre pixel and threshold again
    parameter int NUM_T_SUM = 15,   // thresholds of the residual sum
    parameter int SUM_BITS  = 5,    // residual sum and its thresholds, unsigned
    parameter int SUM_ROWS  = 1,    // 1 or CHANNELS
    parameter int Y_BITS    = 4,    // output code
    parameter int LOWEST    = 0,    // the code where no threshold is passed
    parameter     RAM_STYLE = "auto",  // of the rows
    parameter bit BLOCK     = 0,    // weights and thresholds in block RAM
    parameter bit SERIAL    = 0,    // one comparator searches the thresholds of a sum, node after node
    parameter bit SCALED    = 0,    // a line in place of thresholds
    parameter int M_BITS    = 1,
    parameter int B_BITS    = 1,
    parameter int SHIFT     = 0,
    parameter bit SUM_SCALED = 0,   // the residual sum is shifted, not looked up
    parameter int SUM_SHIFT  = 0,
    parameter int SUM_OFFSET = 0,
    parameter logic [CHANNELS*K*K*W_BITS-1:0]         WEIGHTS        = '0,
    parameter logic [(SCALED?1:CHANNELS<<R_BITS)*ACC_BITS-1:0] TREES   = '0,
    parameter logic [CHANNELS*M_BITS-1:0]            SCALES         = '0,
    parameter logic [CHANNELS*B_BITS-1:0]            OFFSETS        = '0,
    parameter logic [SUM_ROWS*NUM_T_SUM*SUM_BITS-1:0] SUM_THRESHOLDS = '0
) (
    input  wire logic              ap_clk,
    input  wire logic              ap_rst_n,    // synchronous, active low
    input  wire logic [X_BITS-1:0] s_axis_tdata,
    input  wire logic              s_axis_tvalid,
    output      logic              s_axis_tready,
    output      logic [Y_BITS-1:0] m_axis_tdata,
    output      logic              m_axis_tvalid,
    input  wire logic              m_axis_tready
);
  localparam int P      = K / 2;
  localparam int BLOCKS = K / SIMD;            // cycles a column
  localparam int TAPS   = K * BLOCKS;          // cycles an output
  localparam int STEPS  = CHANNELS * TAPS;     // words of the weight memory
  localparam int P_BITS = X_BITS + W_BITS;     // a product
  localparam int F_BITS = X_SIGNED ? X_BITS : X_BITS + 1;  // its first factor, signed
  localparam logic [X_BITS-1:0] SIGN = X_BITS'(X_SIGNED) << (X_BITS - 1);
  localparam int XB = $clog2(WIDTH);
  localparam int YB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int CB = (CHANNELS > 1) ? $clog2(CHANNELS) : 1;
  localparam int KB = $clog2(K);
  localparam int BB = (BLOCKS > 1) ? $clog2(BLOCKS) : 1;
  localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1;

  if (K % 2 == 0 || K < 3) begin : g_check_k
    $error("depthwise_columns: K=%0d must be odd and at least 3", K);
  end
  if (K % SIMD != 0) begin : g_check_simd
    $error("depthwise_columns: SIMD=%0d must divide K=%0d", SIMD, K);
  end
  if (SERIAL && TAPS < R_BITS) begin : g_check_serial
    $error("depthwise_columns: %0d cycles a sum are too few for a serial search of %0d", TAPS, R_BITS);
  end
  if (WIDTH < K || HEIGHT <= P) begin : g_check_size
    $error("depthwise_columns: an image of %0d x %0d is too small for K=%0d", HEIGHT, WIDTH, K);
  end
  if (NUM_T >= 2 ** R_BITS || (RESIDUAL ? NUM_T_SUM >= 2 ** Y_BITS : R_BITS != Y_BITS)) begin : g_check_count
    $error("depthwise_columns: counts do not fit R_BITS=%0d and Y_BITS=%0d", R_BITS, Y_BITS);
  end

  logic en;  // everything moves: from a register of the buffer at the end
  logic [Y_BITS-1:0] y_data;
  logic y_valid;

  // ---- position: the column of the window that is read next, of the output at (row_q, base_q + P) ---------------------
  logic [XB-1:0] base_q;    // oldest column of the window, modulo WIDTH
  logic [XB-1:0] column_q;  // the column that is read
  logic [KB-1:0] tap_q;     // its place in the window
  logic [BB-1:0] block_q;   // SIMD of its rows
  logic [CB-1:0] channel_q;
  logic [YB-1:0] row_q;     // row of the output
  logic wrapped_q;          // column_q has passed the end of the row
  logic active_q;           // outputs are due
  logic flush_q;            // the last outputs of a frame are given without input

  logic newest, first_block, last_row, start_frame, start_flush, flush, go;
  logic next_column, next_step, next_pixel, next_row;  // with go; decided without it, which comes late

  assign newest        = tap_q == KB'(K - 1);
  assign first_block   = block_q == '0;
  assign start_frame   = base_q == XB'(WIDTH - 2 * P) && row_q == YB'(HEIGHT - 1 - P) && channel_q == '0;
  assign start_flush   = start_frame && active_q && tap_q == '0 && first_block && !s_axis_tvalid;
  assign flush         = flush_q || start_flush;
  assign s_axis_tready = en && newest && first_block && !flush_q;
  assign go            = en && (!newest || !first_block || flush_q || s_axis_tvalid);
  assign next_column   = block_q == BB'(BLOCKS - 1) || !active_q;
  assign next_step     = next_column && newest;
  assign next_pixel    = next_step && channel_q == CB'(CHANNELS - 1);
  assign next_row      = next_pixel && base_q == XB'(WIDTH - P - 1);  // the window has left the right edge
  assign last_row      = row_q == YB'(HEIGHT - 1);

  function automatic logic [XB-1:0] after(input logic [XB-1:0] column);
    return (column == XB'(WIDTH - 1)) ? '0 : column + 1'b1;
  endfunction

  logic active_d;
  logic [XB-1:0] base_d;
  assign active_d = (next_row && last_row) ? !flush_q : active_q;
  assign base_d   = !next_pixel ? base_q : (next_row && last_row && flush_q) ? XB'(WIDTH - 2 * P) : after(base_q);

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      base_q    <= XB'(WIDTH - 2 * P);
      column_q  <= '0;
      tap_q     <= KB'(K - 1);
      block_q   <= '0;
      channel_q <= '0;
      row_q     <= YB'(HEIGHT - 1 - P);
      wrapped_q <= 1'b1;
      active_q  <= 1'b0;
      flush_q   <= 1'b0;
    end else if (go) begin
      block_q <= next_column ? '0 : block_q + 1'b1;
      flush_q <= flush && !(next_row && last_row);
      if (next_step) begin
        channel_q <= next_pixel ? '0 : channel_q + 1'b1;
        base_q    <= base_d;
        active_q  <= active_d;
        if (next_row) row_q <= !last_row ? row_q + 1'b1 : flush_q ? YB'(HEIGHT - 1 - P) : '0;
      end
      if (next_step && active_d) begin
        tap_q     <= '0;
        column_q  <= base_d;
        wrapped_q <= 1'b0;
      end else if (next_column) begin
        if (!newest) tap_q <= tap_q + 1'b1;
        if (!newest || next_pixel) column_q <= (next_step && !active_d && flush_q) ? '0 : after(column_q);
        if (column_q == XB'(WIDTH - 1)) wrapped_q <= 1'b1;
      end
    end
  end

  // ---- A: the column being read; the newest one goes back with the new row -------------------------------------------
  logic [K*X_BITS-1:0] a_word_q;  // oldest row at bit 0
  logic [XB+CB-1:0] a_address_q;
  logic [X_BITS-1:0] a_x_q;
  logic [BB-1:0] a_block_q;
  logic a_valid_q, a_write_q, a_newest_q, a_first_q, a_last_q, a_centre_q, a_inside_q;

  logic near_right, near_edge, in_image;
  assign near_right = base_q >= XB'(WIDTH - 2 * P) && base_q < XB'(WIDTH - P);  // the output is near the right edge
  assign near_edge  = base_q >= XB'(WIDTH - 2 * P);
  assign in_image   = near_right ? !wrapped_q : !near_edge || wrapped_q;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      a_valid_q <= 1'b0;
      a_write_q <= 1'b0;
    end else if (en) begin
      a_valid_q <= go && active_q;
      a_write_q <= go && newest && first_block;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (go) begin
      a_block_q  <= block_q;
      a_newest_q <= newest;
      a_first_q  <= tap_q == '0 && first_block;
      a_last_q   <= newest && block_q == BB'(BLOCKS - 1);
      a_centre_q <= tap_q == KB'(P);
      a_inside_q <= in_image;
    end
    if (go && first_block) begin
      a_address_q <= {column_q, channel_q};
      a_x_q       <= s_axis_tdata;
    end
  end
  row_memory #(
      .DEPTH(1 << (XB + CB)), .WIDTH(K * X_BITS), .RAM_STYLE(RAM_STYLE)
  ) memory (
      .clk(ap_clk), .write(en && a_write_q), .write_addr(a_address_q),
      .write_data({a_x_q, a_word_q[K*X_BITS-1:X_BITS]}),
      .read(go && first_block), .read_addr({column_q, channel_q}), .read_data(a_word_q)
  );

  // ---- B: the taps of this cycle, those outside the image cleared, and their weights ----------------------------------
  logic [K-1:0] row_inside_q;  // rows of the window that lie in the image
  always_ff @(posedge ap_clk) begin
    if (en) begin
      for (int i = 0; i < K; i++) begin
        if (i < P) row_inside_q[i] <= row_q >= YB'(P - i);
        else if (i > P) row_inside_q[i] <= row_q <= YB'(HEIGHT - 1 + P - i);
        else row_inside_q[i] <= 1'b1;
      end
    end
  end

  logic [BLOCKS-1:0][SIMD-1:0][X_BITS-1:0] taps;
  logic [BLOCKS-1:0][SIMD-1:0] taps_inside;
  assign taps = {a_word_q[K*X_BITS-1:X_BITS], a_newest_q ? a_x_q : a_word_q[X_BITS-1:0]};
  for (genvar p = 0; p < K; p++) begin : g_inside
    assign taps_inside[p/SIMD][p%SIMD] = a_inside_q && (a_newest_q ? row_inside_q[(p+K-1)%K] : row_inside_q[p]);
  end

  logic [SIMD-1:0][X_BITS-1:0] b_taps_q;
  logic [SIMD-1:0][W_BITS-1:0] b_weights;
  logic b_valid_q, b_first_q, b_last_q;
  logic [SB-1:0] word_q;  // of the weights

  logic [SIMD-1:0][X_BITS-1:0] block;
  logic [SIMD-1:0] block_inside;
  if (BLOCKS == 1) begin : g_whole_column
    assign block        = taps[0];
    assign block_inside = taps_inside[0];
  end else begin : g_block
    assign block        = taps[a_block_q];
    assign block_inside = taps_inside[a_block_q];
  end
  always_ff @(posedge ap_clk) begin
    for (int s = 0; s < SIMD; s++) if (en) b_taps_q[s] <= block_inside[s] ? block[s] : '0;
  end

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) word_q <= '0;
    else if (en && a_valid_q) word_q <= (word_q == SB'(STEPS - 1)) ? '0 : word_q + 1'b1;
  end
  rom #(
      .DEPTH   (STEPS),
      .WIDTH   (SIMD * W_BITS),
      .BLOCK   (BLOCK),
      .CONTENTS(WEIGHTS)
  ) weights (
      .clk (ap_clk),
      .en  (en),
      .addr(word_q),
      .data(b_weights)
  );

  // ---- C: products, their sum TREE cycles later; D: the sum over the columns --------------------------------------------
  localparam int TREE        = $clog2(SIMD);
  localparam int SUM_OF_BITS = (P_BITS + TREE < ACC_BITS) ? P_BITS + TREE : ACC_BITS;  // of SIMD products
  logic [SIMD-1:0][P_BITS-1:0] c_products_q;
  logic [SUM_OF_BITS-1:0] products_sum;
  logic [TREE:0] c_valid_q, c_first_q, c_last_q;  // beside the products, ..., beside their sum
  logic d_last_q;
  logic [ACC_BITS-1:0] d_acc_q;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      b_valid_q <= 1'b0;
      c_valid_q <= '0;
      d_last_q  <= 1'b0;
    end else if (en) begin
      b_valid_q <= a_valid_q;
      c_valid_q <= (TREE + 1)'({c_valid_q, b_valid_q});
      d_last_q  <= c_valid_q[TREE] && c_last_q[TREE];
    end
  end

  always_ff @(posedge ap_clk) begin : products
    if (en) begin
      b_first_q <= a_first_q;
      b_last_q  <= a_last_q;
      c_first_q <= (TREE + 1)'({c_first_q, b_first_q});
      c_last_q  <= (TREE + 1)'({c_last_q, b_last_q});
      for (int s = 0; s < SIMD; s++) begin
        c_products_q[s] <= P_BITS'($signed(F_BITS'({1'b0, b_taps_q[s]}))) * P_BITS'($signed(b_weights[s]));
      end
    end
  end

  adder_tree #(
      .N(SIMD), .IN_BITS(P_BITS), .SHIFT(0), .OUT_BITS(SUM_OF_BITS)
  ) over_rows (
      .clk(ap_clk), .en(en), .x(c_products_q), .sum(products_sum)
  );

  always_ff @(posedge ap_clk) begin
    if (en && c_valid_q[TREE]) d_acc_q <= (c_first_q[TREE] ? '0 : d_acc_q) + ACC_BITS'($signed(products_sum));
  end

  // ---- the count of thresholds passed: LATENCY cycles later -------------------------------------------------------------
  localparam int LATENCY = SCALED ? 4 : R_BITS + 1;
  localparam int FIRST_LOWEST = RESIDUAL ? 0 : LOWEST;
  logic [CB-1:0] d_channel_q;
  logic [R_BITS-1:0] count;
  logic [LATENCY-1:0] due_q;  // the sum of so many cycles ago was a whole one

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      d_channel_q <= '0;
      due_q       <= '0;
    end else if (en) begin
      if (d_last_q) d_channel_q <= (d_channel_q == CB'(CHANNELS - 1)) ? '0 : d_channel_q + 1'b1;
      due_q <= LATENCY'({due_q, d_last_q});
    end
  end

  if (SERIAL && !SCALED) begin : g_serial
    thresholds_serial #(
        .ROWS(CHANNELS), .ACC_BITS(ACC_BITS), .Y_BITS(R_BITS), .Y_SIGNED(FIRST_LOWEST < 0), .BLOCK(BLOCK), .TREES(TREES)
    ) search (
        .clk(ap_clk), .en(en), .start(d_last_q), .group(d_channel_q), .acc(d_acc_q), .y(count)
    );
  end else begin : g_pipelined
    requantizer #(
        .ROWS(CHANNELS), .LANES(1), .NUM_T(NUM_T), .ACC_BITS(ACC_BITS), .Y_BITS(R_BITS), .LOWEST(FIRST_LOWEST),
        .BLOCK(BLOCK), .SCALED(SCALED), .M_BITS(M_BITS), .B_BITS(B_BITS), .SHIFT(SHIFT), .TREES(TREES),
        .SCALES(SCALES), .OFFSETS(OFFSETS)
    ) first_codes (
        .clk(ap_clk), .en(en), .group(d_channel_q), .acc(d_acc_q), .y(count)
    );
  end

  // ---- the residual sum and its count, from a table ------------------------------------------------------------------------
  if (RESIDUAL) begin : g_residual
    logic [X_BITS-1:0] centre_q, c_centre_q, d_centre_q;  // c: of the output whose last column was read
    logic [LATENCY-1:0][X_BITS-1:0] centres_q;
    logic [SUM_BITS-1:0] sum;
    logic valid_q;

    always_ff @(posedge ap_clk) begin
      if (en) begin
        if (a_valid_q && a_centre_q) centre_q <= a_word_q[P*X_BITS+:X_BITS] ^ SIGN;
        if (c_valid_q[0] && c_last_q[0]) c_centre_q <= centre_q;
        if (c_valid_q[TREE] && c_last_q[TREE]) d_centre_q <= (TREE == 0) ? centre_q : c_centre_q;
        centres_q <= (LATENCY*X_BITS)'({centres_q, d_centre_q});
      end
    end
    assign sum = SUM_BITS'(centres_q[LATENCY-1]) + SUM_BITS'(count);

    always_ff @(posedge ap_clk) begin
      if (!ap_rst_n) valid_q <= 1'b0;
      else if (en) valid_q <= due_q[LATENCY-1];
    end
    assign y_valid = valid_q;

    sum_requantizer #(
        .ROWS(SUM_ROWS), .NUM_T(NUM_T_SUM), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST),
        .SCALED(SUM_SCALED), .SHIFT(SUM_SHIFT), .OFFSET(SUM_OFFSET), .CONTENTS(SUM_THRESHOLDS)
    ) sum_codes (
        .clk(ap_clk), .rst_n(ap_rst_n), .en(en && due_q[LATENCY-1]), .sum(sum), .y(y_data)
    );
  end else begin : g_plain
    assign y_valid = due_q[LATENCY-1];
    assign y_data  = count;
  end

  stream_fifo2 #(
      .DATA_BITS(Y_BITS)
  ) out_buffer (
      .clk(ap_clk), .rst_n(ap_rst_n), .in_data(y_data), .in_valid(y_valid), .in_ready(en), .out_data(m_axis_tdata),
      .out_valid(m_axis_tvalid), .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
