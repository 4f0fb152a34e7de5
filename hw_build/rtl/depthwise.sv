// Depthwise K x K convolution with zero padding, thresholds and an optional fused residual.
//
//   acc[y,x,c] = sum over i,j of W[c,i,j] * X[y+i-K/2, x+j-K/2, c]        (0 outside the image)
//   R          = number of t < NUM_T with THRESHOLDS[c][t] <= acc
//   RESIDUAL=0:  Y = R
//   RESIDUAL=1:  Y = number of t < NUM_T_SUM with SUM_THRESHOLDS[c][t] <= X[y,x,c] + R
//
// Streams, in and out alike: pixels in raster order, frame after frame without a mark between them; a pixel is
// CHANNELS/PE beats, lane p of beat g is channel g*PE+p at bits [p*BITS +: BITS]. X, R, Y unsigned, W signed.
// Constants: WEIGHTS word a = g*(K*K/SIMD)+t holds taps t*SIMD+s (tap = i*K+j) of the PE channels of beat g, element
// s*PE+p; THRESHOLDS row c = NUM_T elements of ACC_BITS, signed; SUM_THRESHOLDS has SUM_ROWS rows (1: all channels
// share it) of NUM_T_SUM elements of SUM_BITS, unsigned.
//
// How. One step takes one beat. A RAM word holds a beat's K-1 older rows of one column; a second, small memory holds
// the K-1 older columns of each beat of a pixel. Both run on linearly, over row and frame ends: taps outside the image
// are masked by the coordinates of the output pixel. Output pixel m needs LAG = (K/2)*WIDTH + K/2 further pixels, which
// the next frame's first pixels provide; when they are not there yet, steps without input flush the frame, so that it
// never waits for the next one to begin. (A kernel larger than the image is cut to the taps that can ever count.)
//
// Throughput: K*K/SIMD cycles a beat that gives output, 1 cycle one that does not (the first LAG pixels after a pause).
// Frames back to back: HEIGHT*WIDTH*CHANNELS/PE*K*K/SIMD cycles each, no bubble. Latency: LAG pixels and 6 cycles.
// Limits: K odd; PE divides CHANNELS; SIMD divides K*K; HEIGHT, WIDTH >= 1; ACC_BITS holds every sum of a subset of taps.
module depthwise #(
    parameter int HEIGHT    = 8,    // rows of the image
    parameter int WIDTH     = 8,    // columns of the image
    parameter int CHANNELS  = 2,
    parameter int K         = 3,    // kernel side
    parameter int PE        = 1,    // channels a beat
    parameter int SIMD      = 1,    // taps a cycle
    parameter int X_BITS    = 4,    // input code, unsigned
    parameter int W_BITS    = 4,    // weight, signed
    parameter int ACC_BITS  = 12,   // sum and threshold, signed
    parameter int NUM_T     = 15,   // thresholds a channel
    parameter int R_BITS    = 4,    // count of thresholds passed
    parameter bit RESIDUAL  = 1,    // add the centre pixel and threshold again
    parameter int NUM_T_SUM = 15,   // thresholds of the residual sum
    parameter int SUM_BITS  = 5,    // residual sum and its thresholds, unsigned
    parameter int SUM_ROWS  = 1,    // 1 or CHANNELS
    parameter int Y_BITS    = 4,    // output code, unsigned
    parameter logic [CHANNELS*K*K*W_BITS-1:0]        WEIGHTS        = '0,
    parameter logic [CHANNELS*NUM_T*ACC_BITS-1:0]    THRESHOLDS     = '0,
    parameter logic [SUM_ROWS*NUM_T_SUM*SUM_BITS-1:0] SUM_THRESHOLDS = '0
) (
    input  logic                 clk,
    input  logic                 rst_n,    // synchronous, active low
    input  logic [PE*X_BITS-1:0] x_data,
    input  logic                 x_valid,
    output logic                 x_ready,  // does not depend on x_valid
    output logic [PE*Y_BITS-1:0] y_data,
    output logic                 y_valid,
    input  logic                 y_ready
);
  localparam int GROUPS = CHANNELS / PE;       // beats a pixel
  localparam int TAPS   = K * K / SIMD;        // cycles an output beat
  localparam int BEAT   = PE * X_BITS;         // bits of an input beat
  localparam int PAD_Y  = (K / 2 < HEIGHT) ? K / 2 : HEIGHT - 1;
  localparam int PAD_X  = (K / 2 < WIDTH) ? K / 2 : WIDTH - 1;
  localparam int ROWS   = 2 * PAD_Y + 1;       // rows and columns of the window that can ever lie in the image
  localparam int COLS   = 2 * PAD_X + 1;
  localparam int LAG    = PAD_Y * WIDTH + PAD_X;  // < HEIGHT*WIDTH, so at most two frames are in work
  localparam int LINE   = WIDTH * GROUPS;      // words of the row memory
  localparam int COLUMN = ROWS * BEAT;         // bits of a window column, oldest row at bit 0
  localparam int P_BITS = X_BITS + W_BITS;     // a product
  localparam int CENTRE = (K / 2) * K + K / 2; // tap of the pixel itself
  localparam int STEPS  = GROUPS * TAPS;       // words of the weight memory

  localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int TB = (TAPS > 1) ? $clog2(TAPS) : 1;
  localparam int XB = (WIDTH > 1) ? $clog2(WIDTH) : 1;
  localparam int YB = (HEIGHT > 1) ? $clog2(HEIGHT) : 1;
  localparam int LB = (LINE > 1) ? $clog2(LINE) : 1;
  localparam int FB = (LAG > 0) ? $clog2(LAG + 1) : 1;
  localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1;

  logic en;  // the pipeline moves
  assign en = !y_valid || y_ready;

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

  logic a_valid_q, a_out_q, b_valid_q;
  logic [TB-1:0] tap_q;
  logic b_free, b_soon_free, a_free, a_leave, take, start_phantom, step, last_group, starts_output, has_output;

  assign b_free        = !b_valid_q || tap_q == TB'(TAPS - 1);
  assign b_soon_free   = (TAPS < 3) || !b_valid_q || tap_q >= TB'(TAPS - 2);
  assign a_free        = !a_valid_q || !a_out_q || b_free;
  assign a_leave       = en && a_valid_q && (!a_out_q || b_free);
  assign x_ready       = en && a_free && !phantom_q;
  assign take          = x_ready && x_valid;
  assign start_phantom = en && a_free && b_soon_free && !x_valid && between_q && active_q && group_q == '0;
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
  logic [BEAT-1:0] a_beat_q;
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
    logic [COLUMN-BEAT-1:0] rows_q;
    assign column = {a_beat_q, rows_q};
    always_ff @(posedge clk) if (a_leave) rows_q <= column[COLUMN-1:BEAT];
  end else begin : g_row_memory
    logic [COLUMN-BEAT-1:0] row_mem [LINE];
    logic [COLUMN-BEAT-1:0] rows_q;
    logic [LB-1:0] a_line_q;
    assign column = {a_beat_q, rows_q};
    always_ff @(posedge clk) begin
      if (step) begin
        rows_q   <= row_mem[line_q];
        a_line_q <= line_q;
      end
    end
    always_ff @(posedge clk) if (a_leave) row_mem[a_line_q] <= column[COLUMN-1:BEAT];  // never the word being read
  end

  // ---- B: the window of the output pixel, held for TAPS cycles -----------------------------------------------------
  logic [COLS*COLUMN-1:0] window;  // oldest column at bit 0
  if (COLS == 1) begin : g_one_column
    assign window = column;
  end else if (GROUPS == 1) begin : g_column_registers
    logic [(COLS-1)*COLUMN-1:0] cols_q;
    assign window = {column, cols_q};
    always_ff @(posedge clk) if (a_leave) cols_q <= window[COLS*COLUMN-1:COLUMN];
  end else begin : g_column_memory
    (* ram_style = "distributed" *) logic [(COLS-1)*COLUMN-1:0] col_mem [GROUPS];
    logic [GB-1:0] a_group_q;
    always_ff @(posedge clk) if (step) a_group_q <= group_q;
    assign window = {column, col_mem[a_group_q]};
    always_ff @(posedge clk) if (a_leave) col_mem[a_group_q] <= window[COLS*COLUMN-1:COLUMN];
  end

  logic [TAPS-1:0][SIMD*BEAT-1:0] b_taps_q;  // in the order of the weights
  logic [TAPS-1:0][SIMD-1:0] b_mask_q;
  logic [BEAT-1:0] b_centre_q;
  logic [SB-1:0] b_step_q;                   // word of the weight memory

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      b_valid_q <= 1'b0;
      tap_q     <= '0;
      b_step_q  <= '0;
    end else if (en) begin
      if (b_free) b_valid_q <= a_valid_q && a_out_q;
      if (b_valid_q) begin
        tap_q    <= (tap_q == TB'(TAPS - 1)) ? '0 : tap_q + 1'b1;
        b_step_q <= (b_step_q == SB'(STEPS - 1)) ? '0 : b_step_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk) begin : load_window
    logic [K*K-1:0][BEAT-1:0] taps;
    logic [K*K-1:0] mask;
    if (a_leave && a_out_q) begin
      taps = '0;
      mask = '0;
      for (int i = 0; i < ROWS; i++) begin
        for (int j = 0; j < COLS; j++) begin
          taps[(i+K/2-PAD_Y)*K+j+K/2-PAD_X] = window[j*COLUMN+i*BEAT+:BEAT];
          mask[(i+K/2-PAD_Y)*K+j+K/2-PAD_X] = a_rows_q[i] && a_cols_q[j];
        end
      end
      b_taps_q   <= taps;
      b_mask_q   <= mask;
      b_centre_q <= taps[CENTRE];
    end
  end

  // ---- C: this cycle's taps and weights; D: their products ---------------------------------------------------------
  logic [SIMD*PE*W_BITS-1:0] weight_mem [STEPS];
  initial for (int a = 0; a < STEPS; a++) weight_mem[a] = WEIGHTS[a*SIMD*PE*W_BITS+:SIMD*PE*W_BITS];

  logic c_valid_q, c_first_q, c_last_q, d_valid_q, d_first_q, d_last_q;
  logic [SIMD*BEAT-1:0] c_taps_q;
  logic [SIMD*PE*W_BITS-1:0] c_weights_q;
  logic [BEAT-1:0] c_centre_q, d_centre_q;
  logic [SIMD*PE-1:0][P_BITS-1:0] d_products_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      c_valid_q <= 1'b0;
      d_valid_q <= 1'b0;
    end else if (en) begin
      c_valid_q <= b_valid_q;
      d_valid_q <= c_valid_q;
    end
  end

  always_ff @(posedge clk) begin : fetch
    logic [SIMD*BEAT-1:0] taps;
    logic [SIMD-1:0] mask;
    if (en && b_valid_q) begin
      taps = b_taps_q[tap_q];
      mask = b_mask_q[tap_q];
      for (int s = 0; s < SIMD; s++) c_taps_q[s*BEAT+:BEAT] <= mask[s] ? taps[s*BEAT+:BEAT] : '0;
      c_weights_q <= weight_mem[b_step_q];
      c_first_q   <= tap_q == '0;
      c_last_q    <= tap_q == TB'(TAPS - 1);
      c_centre_q  <= b_centre_q;
    end
  end

  always_ff @(posedge clk) begin
    if (en && c_valid_q) begin
      for (int e = 0; e < SIMD * PE; e++) begin
        d_products_q[e] <= P_BITS'($signed({1'b0, c_taps_q[e*X_BITS+:X_BITS]}))
                           * P_BITS'($signed(c_weights_q[e*W_BITS+:W_BITS]));
      end
      d_first_q  <= c_first_q;
      d_last_q   <= c_last_q;
      d_centre_q <= c_centre_q;
    end
  end

  // ---- E: the sum, with the thresholds of its channels being read --------------------------------------------------
  logic [PE*NUM_T*ACC_BITS-1:0] threshold_mem [GROUPS];
  initial for (int g = 0; g < GROUPS; g++) threshold_mem[g] = THRESHOLDS[g*PE*NUM_T*ACC_BITS+:PE*NUM_T*ACC_BITS];

  logic e_valid_q;
  logic [GB-1:0] d_group_q;
  logic [BEAT-1:0] e_centre_q;
  logic [PE-1:0][ACC_BITS-1:0] e_acc_q;
  logic [PE*NUM_T*ACC_BITS-1:0] e_thresholds_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      e_valid_q <= 1'b0;
      d_group_q <= '0;
    end else if (en) begin
      e_valid_q <= d_valid_q && d_last_q;
      if (d_valid_q && d_last_q) d_group_q <= (d_group_q == GB'(GROUPS - 1)) ? '0 : d_group_q + 1'b1;
    end
  end

  always_ff @(posedge clk) begin : accumulate
    logic signed [SIMD-1:0][ACC_BITS-1:0] node;
    if (en && d_valid_q) begin
      for (int p = 0; p < PE; p++) begin
        for (int s = 0; s < SIMD; s++) node[s] = ACC_BITS'($signed(d_products_q[s*PE+p]));
        for (int n = SIMD; n > 1; n = (n + 1) / 2) begin  // balanced tree
          for (int m = 0; m < n / 2; m++) node[m] = node[2*m] + node[2*m+1];
          if (n % 2 == 1) node[n/2] = node[n-1];
        end
        e_acc_q[p] <= d_first_q ? node[0] : e_acc_q[p] + node[0];
      end
      if (d_last_q) begin
        e_thresholds_q <= threshold_mem[d_group_q];
        e_centre_q     <= d_centre_q;
      end
    end
  end

  // ---- F: the count of thresholds passed; G: the residual sum and its count ----------------------------------------
  logic f_valid_q;
  logic [PE-1:0][R_BITS-1:0] f_count_q;

  always_ff @(posedge clk) begin
    if (!rst_n) f_valid_q <= 1'b0;
    else if (en) f_valid_q <= e_valid_q;
  end

  always_ff @(posedge clk) begin : count_thresholds
    logic [R_BITS-1:0] count;
    if (en && e_valid_q) begin
      for (int p = 0; p < PE; p++) begin
        count = '0;
        for (int t = 0; t < NUM_T; t++) begin
          count = count + R_BITS'($signed(e_acc_q[p]) >= $signed(e_thresholds_q[(p*NUM_T+t)*ACC_BITS+:ACC_BITS]));
        end
        f_count_q[p] <= count;
      end
    end
  end

  if (RESIDUAL) begin : g_residual
    logic g_valid_q;
    logic [PE-1:0][Y_BITS-1:0] g_count_q;
    logic [BEAT-1:0] f_centre_q;
    logic [PE*NUM_T_SUM*SUM_BITS-1:0] f_thresholds;

    if (SUM_ROWS == 1) begin : g_shared
      assign f_thresholds = {PE{SUM_THRESHOLDS}};
      always_ff @(posedge clk) if (en && e_valid_q) f_centre_q <= e_centre_q;
    end else begin : g_per_channel
      logic [PE*NUM_T_SUM*SUM_BITS-1:0] sum_mem [GROUPS];
      logic [PE*NUM_T_SUM*SUM_BITS-1:0] f_thresholds_q;
      logic [GB-1:0] e_group_q;
      initial begin
        for (int g = 0; g < GROUPS; g++) sum_mem[g] = SUM_THRESHOLDS[g*PE*NUM_T_SUM*SUM_BITS+:PE*NUM_T_SUM*SUM_BITS];
      end
      assign f_thresholds = f_thresholds_q;
      always_ff @(posedge clk) if (en && d_valid_q && d_last_q) e_group_q <= d_group_q;
      always_ff @(posedge clk) begin
        if (en && e_valid_q) begin
          f_centre_q     <= e_centre_q;
          f_thresholds_q <= sum_mem[e_group_q];
        end
      end
    end

    always_ff @(posedge clk) begin
      if (!rst_n) g_valid_q <= 1'b0;
      else if (en) g_valid_q <= f_valid_q;
    end
    always_ff @(posedge clk) begin : count_sum_thresholds
      logic [SUM_BITS-1:0] sum;
      logic [Y_BITS-1:0] count;
      if (en && f_valid_q) begin
        for (int p = 0; p < PE; p++) begin
          sum   = SUM_BITS'(f_centre_q[p*X_BITS+:X_BITS]) + SUM_BITS'(f_count_q[p]);
          count = '0;
          for (int t = 0; t < NUM_T_SUM; t++) begin
            count = count + Y_BITS'(sum >= f_thresholds[(p*NUM_T_SUM+t)*SUM_BITS+:SUM_BITS]);
          end
          g_count_q[p] <= count;
        end
      end
    end
    assign y_valid = g_valid_q;
    assign y_data  = g_count_q;
  end else begin : g_plain
    assign y_valid = f_valid_q;
    assign y_data  = f_count_q;
  end
endmodule
