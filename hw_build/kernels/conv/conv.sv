// Dense K x K convolution with zero padding, then thresholds or a bias.
//
//   acc[y,x,o] = sum over i,j,c of W[o,i,j,c] * X[y+i-K/2, x+j-K/2, c]        (0 outside the image)
//   RAW=0:  Y = LOWEST + number of the NUM_T thresholds of o <= acc; SCALED: of lib/scaler.sv
//   RAW=1:  Y = acc + BIAS[o], signed
//
// X is unsigned or X_SIGNED, Y signed where LOWEST is below 0 (lib/requantizer.sv says what it may be).
// Streams: pixels in raster order, frame after frame. In: IN_CHANNELS/SIMD beats of SIMD channels. Out: OUT_CHANNELS/
// LANES beats of LANES channels. Constants, with G = IN_CHANNELS/SIMD: WEIGHTS word (o/PE)*K*K*G + tap*G + c/SIMD holds
// element (c%SIMD)*PE + o%PE; PARALLEL=1: word (o/PE)*G + c/SIMD holds element (tap*SIMD + c%SIMD)*PE + o%PE (see
// mac_array.sv about odd weights when PACKED); TREES as lib/thresholds.sv, with row o; BIAS element o of Y_BITS.
//
// Throughput: OUT_CHANNELS/PE * K*K * G cycles a pixel, PARALLEL=1: OUT_CHANNELS/PE * G, no bubble. Everything but the
// writing of arriving pixels stands still while y_ready is low, whatever y_valid is: y_ready must not wait for y_valid.
// Limits: those of conv_window or, PARALLEL=1, conv_window_parallel, of mac_array or, TABLES=1, mac_tables, and of
// requantizer; PE divides OUT_CHANNELS, LANES divides PE.
`default_nettype none
module conv #(
    parameter int HEIGHT       = 8,
    parameter int WIDTH        = 8,
    parameter int IN_CHANNELS  = 2,
    parameter int OUT_CHANNELS = 2,
    parameter int K            = 3,
    parameter int SIMD         = 1,
    parameter int PE           = 2,
    parameter int LANES        = 1,
    parameter int X_BITS       = 4,
    parameter bit X_SIGNED     = 0,
    parameter int W_BITS       = 4,
    parameter int SUM_BITS     = 12,
    parameter int ACC_BITS     = 12,
    parameter int NUM_T        = 15,
    parameter int Y_BITS       = 4,
    parameter int LOWEST       = 0,  // code of a sum that passes no threshold
    parameter     RAM_STYLE    = "auto",  // of the rows of pixels
    parameter bit RAW          = 0,
    parameter bit PARALLEL     = 0,  // all taps of a window at once
    parameter bit TABLES       = 0,  // products from tables of LUTs rather than from multipliers
    parameter bit PACKED       = 1,  // two sums a multiplier
    parameter bit WEIGHT_BLOCK = 0,  // weights in block RAM
    parameter bit SCALED       = 0,  // a line in place of thresholds
    parameter int M_BITS       = 1,
    parameter int B_BITS       = 1,
    parameter int SHIFT        = 0,
    parameter logic [OUT_CHANNELS*K*K*IN_CHANNELS*W_BITS-1:0] WEIGHTS = '0,
    parameter logic [((RAW||SCALED)?1:OUT_CHANNELS<<Y_BITS)*ACC_BITS-1:0] TREES = '0,
    parameter logic [OUT_CHANNELS*M_BITS-1:0] SCALES = '0,
    parameter logic [OUT_CHANNELS*B_BITS-1:0] OFFSETS = '0,
    parameter logic [OUT_CHANNELS*Y_BITS-1:0] BIAS = '0
) (
    input  wire logic                    clk,
    input  wire logic                    rst_n,
    input  wire logic [SIMD*X_BITS-1:0]  x_data,
    input  wire logic                    x_valid,
    output      logic                    x_ready,
    output      logic [LANES*Y_BITS-1:0] y_data,
    output      logic                    y_valid,
    input  wire logic                    y_ready
);
  if (K % 2 == 0) begin : g_check_odd
    $error("conv: K=%0d must be odd", K);
  end
  if (IN_CHANNELS % SIMD != 0 || OUT_CHANNELS % PE != 0 || PE % LANES != 0) begin : g_check_folding
    $error("conv: SIMD, PE and LANES must divide IN_CHANNELS, OUT_CHANNELS and PE");
  end
  if (PE / LANES > (PARALLEL ? 1 : K * K) * (IN_CHANNELS / SIMD)) begin : g_check_lanes
    $error("conv: LANES=%0d cannot read out PE=%0d sums in time", LANES, PE);
  end
  if (PACKED && !TABLES && SUM_BITS > 25 - W_BITS) begin : g_check_packed
    $error("conv: sums of %0d bits are too wide to share a multiplier", SUM_BITS);
  end
  if (!RAW && NUM_T >= 2 ** Y_BITS) begin : g_check_count
    $error("conv: Y_BITS=%0d cannot count NUM_T=%0d thresholds", Y_BITS, NUM_T);
  end

  localparam int PASSES = OUT_CHANNELS / PE;
  localparam int N      = PARALLEL ? K * K * SIMD : SIMD;        // products a cycle of each sum
  localparam int STEPS  = PASSES * (K * K * IN_CHANNELS / N);    // cycles a pixel
  localparam int SB     = (STEPS > 1) ? $clog2(STEPS) : 1;
  localparam int GROUPS = OUT_CHANNELS / LANES;
  localparam int GB     = (GROUPS > 1) ? $clog2(GROUPS) : 1;

  logic en;
  assign en = y_ready;  // a register's output in conv_axi

  logic step, valid, in_image, first, last;
  logic [N*X_BITS-1:0] x;
  if (PARALLEL) begin : whole
    assign in_image = 1'b1;
    conv_window_parallel #(
        .HEIGHT(HEIGHT), .WIDTH(WIDTH), .CHANNELS(IN_CHANNELS), .K(K), .SIMD(SIMD), .X_BITS(X_BITS), .PASSES(PASSES),
        .RAM_STYLE(RAM_STYLE)
    ) window (
        .clk, .rst_n, .x_data, .x_valid, .x_ready, .en, .step, .data(x), .valid, .first, .last
    );
  end else begin : tap_by_tap
    conv_window #(
        .HEIGHT(HEIGHT), .WIDTH(WIDTH), .CHANNELS(IN_CHANNELS), .K(K), .SIMD(SIMD), .X_BITS(X_BITS), .PASSES(PASSES),
        .RAM_STYLE(RAM_STYLE)
    ) window (
        .clk, .rst_n, .x_data, .x_valid, .x_ready, .en, .step, .data(x), .valid, .in_image, .first, .last
    );
  end

  logic [SB-1:0] step_q;
  always_ff @(posedge clk) begin
    if (!rst_n) step_q <= '0;
    else if (step) step_q <= (step_q == SB'(STEPS - 1)) ? '0 : step_q + 1'b1;
  end

  logic acc_valid;
  logic [LANES*ACC_BITS-1:0] acc;
  if (TABLES) begin : tables
    logic [SB-1:0] step_of_x_q;
    always_ff @(posedge clk) if (en) step_of_x_q <= step_q;
    mac_tables #(
        .N(N), .PE(PE), .LANES(LANES), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC_BITS(ACC_BITS),
        .STEPS(STEPS), .WEIGHTS(WEIGHTS)
    ) products (
        .clk, .rst_n, .en, .valid, .first, .last, .in_image, .step(step_of_x_q), .x, .acc_valid, .acc
    );
  end else begin : multipliers
    logic [N*PE*W_BITS-1:0] w;
    rom #(
        .DEPTH(STEPS), .WIDTH(N * PE * W_BITS), .BLOCK(WEIGHT_BLOCK), .CONTENTS(WEIGHTS)
    ) weight_rom_of_steps (
        .clk, .en, .addr(step_q), .data(w)
    );
    mac_array #(
        .SIMD(N), .PE(PE), .LANES(LANES), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .SUM_BITS(SUM_BITS),
        .ACC_BITS(ACC_BITS), .PACKED(PACKED)
    ) products (
        .clk, .rst_n, .en, .valid, .first, .last, .in_image, .x, .w, .acc_valid, .acc
    );
  end

  logic [GB-1:0] group_q;
  always_ff @(posedge clk) begin
    if (!rst_n) group_q <= '0;
    else if (en && acc_valid) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
  end

  if (RAW) begin : logits
    always_ff @(posedge clk) begin
      if (!rst_n) y_valid <= 1'b0;
      else if (en) y_valid <= acc_valid;
    end
    always_ff @(posedge clk) begin
      if (en) begin
        for (int l = 0; l < LANES; l++) begin
          y_data[l*Y_BITS+:Y_BITS] <= Y_BITS'($signed(acc[l*ACC_BITS+:ACC_BITS]))
              + BIAS[(int'(group_q)*LANES+l)*Y_BITS+:Y_BITS];
        end
      end
    end
  end else begin : codes
    localparam int LATENCY = SCALED ? 4 : Y_BITS + 1;
    logic [LATENCY-1:0] valid_q;
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= '0;
      else if (en) valid_q <= LATENCY'({valid_q, acc_valid});
    end
    assign y_valid = valid_q[LATENCY-1];
    requantizer #(
        .ROWS(OUT_CHANNELS), .LANES(LANES), .NUM_T(NUM_T), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .LOWEST(LOWEST),
        .SCALED(SCALED), .M_BITS(M_BITS), .B_BITS(B_BITS), .SHIFT(SHIFT), .TREES(TREES), .SCALES(SCALES),
        .OFFSETS(OFFSETS)
    ) counts (
        .clk, .en, .group(group_q), .acc, .y(y_data)
    );
  end
endmodule
`default_nettype wire
