// Depthwise K x K convolution with zero padding, thresholds and an optional fused residual.
//
//   acc[y,x,c] = sum over i,j of W[c,i,j] * X[y+i-K/2, x+j-K/2, c]        (0 outside the image)
//   R          = number of the NUM_T thresholds of c <= acc
//   SCALED:      R = min(max((SCALES[c] * acc + OFFSETS[c]) >>> SHIFT, 0), NUM_T)
//   RESIDUAL=0:  Y = LOWEST + R
//   RESIDUAL=1:  Y = LOWEST + number of t < NUM_T_SUM with SUM_THRESHOLDS[c][t] <= X[y,x,c] + R
//
// Streams, in and out alike: pixels in raster order, frame after frame without a mark between them; a pixel is
// CHANNELS/PE beats, lane p of beat g is channel g*PE+p at bits [p*BITS +: BITS]. R unsigned, W signed, X unsigned or X_SIGNED
// (and then 2**(X_BITS-1) greater in its sum with R), Y signed where LOWEST is below 0, as requantizer.sv says.
// Constants: WEIGHTS word a = g*(K*K/SIMD)+t holds taps t*SIMD+s (tap = i*K+j) of the PE channels of beat g, element
// s*PE+p; TREES as lib/thresholds.sv, with row c; SUM_THRESHOLDS has SUM_ROWS rows (1: all channels
// share it; else those of lane 0 first) of NUM_T_SUM elements of SUM_BITS, unsigned, or SUM_SCALED as sum_requantizer.sv.
//
// How. A window comes from sliding_window.sv, which says how frames end. Its taps are multiplied SIMD a cycle, all at once
// by tables (dot_tables.sv).
//
// Throughput: K*K/SIMD cycles a beat that gives output, 1 cycle one that does not (the first LAG pixels after a pause).
// Frames back to back: HEIGHT*WIDTH*CHANNELS/PE*K*K/SIMD cycles each, no bubble. Latency: (K/2)*(WIDTH+1) pixels
// and some 12 cycles, log2(SIMD) more.
// Limits: K odd; PE divides CHANNELS; SIMD divides K*K; HEIGHT, WIDTH >= 1; ACC_BITS holds every sum of a subset of taps.
`default_nettype none
module depthwise #(
    parameter int HEIGHT    = 8,    // rows of the image
    parameter int WIDTH     = 8,    // columns of the image
    parameter int CHANNELS  = 2,
    parameter int K         = 3,    // kernel side
    parameter int PE        = 1,    // channels a beat
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
    parameter     RAM_STYLE = "auto",  // of the older rows
    parameter bit SCALED    = 0,    // a line in place of thresholds
    parameter int M_BITS    = 1,
    parameter int B_BITS    = 1,
    parameter int SHIFT     = 0,
    parameter bit SUM_SCALED = 0,   // the residual sum is shifted, not looked up
    parameter int SUM_SHIFT  = 0,
    parameter int SUM_OFFSET = 0,
    parameter logic [CHANNELS*K*K*W_BITS-1:0]        WEIGHTS        = '0,
    parameter logic [(SCALED?1:CHANNELS<<R_BITS)*ACC_BITS-1:0] TREES  = '0,
    parameter logic [CHANNELS*M_BITS-1:0]            SCALES         = '0,
    parameter logic [CHANNELS*B_BITS-1:0]            OFFSETS        = '0,
    parameter logic [SUM_ROWS*NUM_T_SUM*SUM_BITS-1:0] SUM_THRESHOLDS = '0
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,    // synchronous, active low
    input  wire logic [PE*X_BITS-1:0] x_data,
    input  wire logic                 x_valid,
    output      logic                 x_ready,  // does not depend on x_valid
    output      logic [PE*Y_BITS-1:0] y_data,
    output      logic                 y_valid,
    input  wire logic                 y_ready
);
  if (K % 2 == 0) begin : g_check_odd
    $error("depthwise: K=%0d must be odd", K);
  end
  if (CHANNELS % PE != 0) begin : g_check_pe
    $error("depthwise: PE=%0d must divide CHANNELS=%0d", PE, CHANNELS);
  end
  if ((K * K) % SIMD != 0) begin : g_check_simd
    $error("depthwise: SIMD=%0d must divide K*K=%0d", SIMD, K * K);
  end
  if (HEIGHT < 1 || WIDTH < 1) begin : g_check_size
    $error("depthwise: the image must be at least 1 x 1");
  end
  if (NUM_T >= 2 ** R_BITS) begin : g_check_count
    $error("depthwise: R_BITS=%0d cannot count NUM_T=%0d thresholds", R_BITS, NUM_T);
  end
  if (!RESIDUAL && R_BITS != Y_BITS) begin : g_check_plain
    $error("depthwise: without residual R_BITS must equal Y_BITS");
  end
  if (RESIDUAL && NUM_T_SUM >= 2 ** Y_BITS) begin : g_check_sum
    $error("depthwise: Y_BITS=%0d is too narrow", Y_BITS);
  end
  if (SUM_ROWS != 1 && SUM_ROWS != CHANNELS) begin : g_check_rows
    $error("depthwise: SUM_ROWS must be 1 or CHANNELS");
  end

  localparam int GROUPS = CHANNELS / PE;        // beats a pixel
  localparam int TAPS   = K * K / SIMD;         // cycles an output beat
  localparam int BEAT   = PE * X_BITS;          // bits of an input beat
  localparam int P_BITS = X_BITS + W_BITS;      // a product
  localparam int F_BITS = X_SIGNED ? X_BITS : X_BITS + 1;  // its first factor, signed
  localparam logic [X_BITS-1:0] SIGN = X_BITS'(X_SIGNED) << (X_BITS - 1);
  localparam int CENTRE = (K / 2) * K + K / 2;  // tap of the pixel itself
  localparam int STEPS  = GROUPS * TAPS;        // words of the weight memory

  // as in dot_tables.sv
  localparam int ROOM      = 6 - $clog2(STEPS);
  localparam int TOGETHER  = (ROOM > SIMD) ? SIMD : (ROOM > 1) ? ROOM : 1;
  localparam int TREE      = $clog2(SIMD);
  localparam int SUM_DELAY = (TAPS > 1) ? 3 + TREE : 2 + $clog2((SIMD + TOGETHER - 1) / TOGETHER) + $clog2(X_BITS);
  localparam int DELAY     = SUM_DELAY + (SCALED ? 4 : R_BITS + 1);  // from the last taps of a window to its count

  localparam int GB = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int TB = (TAPS > 1) ? $clog2(TAPS) : 1;
  localparam int SB = (STEPS > 1) ? $clog2(STEPS) : 1;

  logic en;  // the pipeline moves
  assign en = y_ready;  // whatever y_valid is: y_ready must not wait for it

  // ---- A: the window of the next output beat ------------------------------------------------------------------------
  logic b_valid_q, b_free, b_soon_free, a_valid;
  logic [TB-1:0] tap_q;
  logic [K*K-1:0][BEAT-1:0] a_window;
  logic [K*K-1:0] a_mask;

  assign b_free      = !b_valid_q || tap_q == TB'(TAPS - 1);
  assign b_soon_free = (TAPS < 3) || !b_valid_q || tap_q >= TB'(TAPS - 2);

  sliding_window #(
      .HEIGHT(HEIGHT), .WIDTH(WIDTH), .GROUPS(GROUPS), .K(K), .BEAT_BITS(BEAT), .RAM_STYLE(RAM_STYLE)
  ) windows (
      .clk, .rst_n, .en, .x_data, .x_valid, .x_ready, .free(b_free), .soon_free(b_soon_free), .valid(a_valid),
      .window(a_window), .mask(a_mask)
  );

  // ---- B: this window, held for TAPS cycles -------------------------------------------------------------------------
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
      if (b_free) b_valid_q <= a_valid;
      if (b_valid_q) begin
        tap_q    <= (tap_q == TB'(TAPS - 1)) ? '0 : tap_q + 1'b1;
        b_step_q <= (b_step_q == SB'(STEPS - 1)) ? '0 : b_step_q + 1'b1;
      end
    end
  end

  always_ff @(posedge clk) begin
    if (en && b_free && a_valid) begin
      b_taps_q   <= a_window;
      b_mask_q   <= a_mask;
      b_centre_q <= a_window[CENTRE];
    end
  end

  // ---- the sums, SUM_DELAY cycles after the last taps ----------------------------------------------------------------
  logic [PE-1:0][ACC_BITS-1:0] sums;

  function automatic logic [STEPS*SIMD*W_BITS-1:0] weights_of(input int lane);
    for (int e = 0; e < STEPS * SIMD; e++) weights_of[e*W_BITS+:W_BITS] = WEIGHTS[(e*PE+lane)*W_BITS+:W_BITS];
  endfunction

  if (TAPS == 1) begin : g_tables
    for (genvar p = 0; p < PE; p++) begin : g_lane
      logic [SIMD-1:0][X_BITS-1:0] taps;
      for (genvar t = 0; t < SIMD; t++) begin : g_tap
        assign taps[t] = b_taps_q[0][t*BEAT+p*X_BITS+:X_BITS];
      end
      dot_tables #(
          .STEPS(STEPS), .N(SIMD), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .OUT_BITS(ACC_BITS),
          .WEIGHTS(weights_of(p))
      ) products (
          .clk, .en, .step(b_step_q), .x(taps), .in_image(b_mask_q[0]), .sum(sums[p])
      );
    end
  end else begin : g_products
    logic [SIMD*PE*W_BITS-1:0] weight_mem [STEPS];
    initial for (int a = 0; a < STEPS; a++) weight_mem[a] = WEIGHTS[a*SIMD*PE*W_BITS+:SIMD*PE*W_BITS];

    localparam int SUM_OF_BITS = (P_BITS + TREE < ACC_BITS) ? P_BITS + TREE : ACC_BITS;  // of SIMD products
    logic c_first_q, c_valid_q;
    logic [TREE:0] d_first_q, d_valid_q;  // beside the products, ..., beside their sum
    logic [SIMD*BEAT-1:0] c_taps_q;
    logic [SIMD*PE*W_BITS-1:0] c_weights_q;
    logic [PE-1:0][SIMD-1:0][P_BITS-1:0] d_products_q;

    always_ff @(posedge clk) begin : fetch
      logic [SIMD*BEAT-1:0] taps;
      logic [SIMD-1:0] mask;
      if (en) begin
        taps = b_taps_q[tap_q];
        mask = b_mask_q[tap_q];
        for (int s = 0; s < SIMD; s++) c_taps_q[s*BEAT+:BEAT] <= mask[s] ? taps[s*BEAT+:BEAT] : '0;
        c_weights_q <= weight_mem[b_step_q];
        c_first_q   <= tap_q == '0;
        c_valid_q   <= b_valid_q;
      end
    end

    always_ff @(posedge clk) begin
      if (en) begin
        for (int p = 0; p < PE; p++) begin
          for (int s = 0; s < SIMD; s++) begin
            d_products_q[p][s] <= P_BITS'($signed(F_BITS'({1'b0, c_taps_q[(s*PE+p)*X_BITS+:X_BITS]})))
                                  * P_BITS'($signed(c_weights_q[(s*PE+p)*W_BITS+:W_BITS]));
          end
        end
        d_first_q <= (TREE + 1)'({d_first_q, c_first_q});
        d_valid_q <= (TREE + 1)'({d_valid_q, c_valid_q});
      end
    end

    for (genvar p = 0; p < PE; p++) begin : g_lane
      logic [SUM_OF_BITS-1:0] products_sum;
      adder_tree #(
          .N(SIMD), .IN_BITS(P_BITS), .SHIFT(0), .OUT_BITS(SUM_OF_BITS)
      ) over_taps (
          .clk, .en, .x(d_products_q[p]), .sum(products_sum)
      );
      always_ff @(posedge clk) begin
        if (en && d_valid_q[TREE]) sums[p] <= (d_first_q[TREE] ? '0 : sums[p]) + ACC_BITS'($signed(products_sum));
      end
    end
  end

  // ---- the counts of thresholds passed, DELAY cycles after the last taps --------------------------------------------
  logic [DELAY-1:0] due_q;  // the last taps were read so many cycles ago
  logic [GB-1:0] group_q;
  logic [PE*R_BITS-1:0] counts;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      due_q   <= '0;
      group_q <= '0;
    end else if (en) begin
      due_q <= DELAY'({due_q, b_valid_q && tap_q == TB'(TAPS - 1)});
      if (due_q[SUM_DELAY-1]) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
    end
  end

  requantizer #(
      .ROWS(CHANNELS), .LANES(PE), .NUM_T(NUM_T), .ACC_BITS(ACC_BITS), .Y_BITS(R_BITS), .LOWEST(RESIDUAL ? 0 : LOWEST),
      .SCALED(SCALED), .M_BITS(M_BITS), .B_BITS(B_BITS), .SHIFT(SHIFT), .TREES(TREES),
      .SCALES(SCALES), .OFFSETS(OFFSETS)
  ) first_codes (
      .clk, .en, .group(group_q), .acc(sums), .y(counts)
  );

  // ---- the residual sum and its count, from a table -----------------------------------------------------------------
  if (RESIDUAL) begin : g_residual
    localparam int LANE_ROWS = (SUM_ROWS == 1) ? 1 : GROUPS;
    localparam int LANE_BITS = LANE_ROWS * NUM_T_SUM * SUM_BITS;
    logic [DELAY-1:0][BEAT-1:0] centres_q;
    logic valid_q;

    always_ff @(posedge clk) if (en) centres_q <= (DELAY * BEAT)'({centres_q, b_centre_q ^ {PE{SIGN}}});
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= 1'b0;
      else if (en) valid_q <= due_q[DELAY-1];
    end
    assign y_valid = valid_q;

    for (genvar p = 0; p < PE; p++) begin : g_lane
      sum_requantizer #(
          .ROWS(LANE_ROWS), .NUM_T(NUM_T_SUM), .SUM_BITS(SUM_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST), .SCALED(SUM_SCALED),
          .SHIFT(SUM_SHIFT), .OFFSET(SUM_OFFSET),
          .CONTENTS(SUM_THRESHOLDS[((SUM_ROWS==1)?0:p)*LANE_BITS+:LANE_BITS])
      ) sum_table (
          .clk, .rst_n, .en(en && due_q[DELAY-1]),
          .sum(SUM_BITS'(centres_q[DELAY-1][p*X_BITS+:X_BITS]) + SUM_BITS'(counts[p*R_BITS+:R_BITS])),
          .y(y_data[p*Y_BITS+:Y_BITS])
      );
    end
  end else begin : g_plain
    assign y_valid = due_q[DELAY-1];
    assign y_data  = counts;
  end
endmodule
`default_nettype wire
