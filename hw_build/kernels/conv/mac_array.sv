// PE sums of products over SIMD inputs a cycle, accumulated inside the multipliers' own adders (DSP48E1), then read out
// LANES at a time.
//
//   acc[p] = sum from first to last, over s, of w[s][p] * x[s]        (x unsigned or X_SIGNED, w signed)
//
// PACKED=1: one multiplier serves two sums, SHIFT = 25 - W_BITS bits apart: its operand is w[odd]*2**SHIFT + w[even]. The
// odd weight arrives with the borrow of a negative even one already taken off, so that operand is a concatenation. The
// even sum is the product's lower part, the odd one its upper part plus the borrow that a negative even sum left.
//
// Every s has its own accumulators; they are added when they are read out, so the trees of adders are LANES, not PE.
// Order out: p = 0, 1, ... in beats of LANES, the first beat 5 + $clog2(SIMD) cycles with en after last came in.
// Limits: LANES divides PE; PE/LANES steps at most between two last; SUM_BITS holds each s's final sum and, PACKED, is
// at most SHIFT; ACC_BITS holds the sum over s.
`default_nettype none
module mac_array #(
    parameter int SIMD     = 1,
    parameter int PE       = 2,
    parameter int LANES    = 1,
    parameter int X_BITS   = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS   = 4,
    parameter int SUM_BITS = 12,
    parameter int ACC_BITS = 12,
    parameter bit PACKED   = 1
) (
    input  wire logic                      clk,
    input  wire logic                      rst_n,
    input  wire logic                      en,
    input  wire logic                      valid,
    input  wire logic                      first,
    input  wire logic                      last,
    input  wire logic                      in_image,  // 0: all x count as 0
    input  wire logic [SIMD*X_BITS-1:0]    x,
    input  wire logic [SIMD*PE*W_BITS-1:0] w,       // element s*PE + p
    output      logic                      acc_valid,
    output      logic [LANES*ACC_BITS-1:0] acc
);
  localparam int A_BITS = 25;  // of a DSP48E1's multiplier
  localparam int B_BITS = X_SIGNED ? X_BITS : X_BITS + 1;  // no wider: see lib/scaler.sv
  localparam int SHIFT  = A_BITS - W_BITS;
  localparam int MULTIPLIERS = PACKED ? (PE + 1) / 2 : PE;  // per s
  localparam int P_BITS = PACKED ? SHIFT + SUM_BITS : SUM_BITS;
  localparam int BEATS  = PE / LANES;
  localparam int DB     = (BEATS > 1) ? $clog2(BEATS) : 1;
  localparam int LATENCY = 1 + $clog2(SIMD);  // from a beat that is read to its sum

  // ---- multiply and accumulate: operands, product, sum ----------------------------------------------------------------
  logic first_1q, first_2q, last_1q, last_2q, last_3q;
  logic signed [SIMD-1:0][MULTIPLIERS-1:0][P_BITS-1:0] sum;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      last_1q <= 1'b0;
      last_2q <= 1'b0;
      last_3q <= 1'b0;
    end else if (en) begin
      last_1q <= valid && last;
      last_2q <= last_1q;
      last_3q <= last_2q;
    end
  end
  always_ff @(posedge clk) begin
    if (en) begin
      first_1q <= valid && first;
      first_2q <= first_1q;
    end
  end

  for (genvar s = 0; s < SIMD; s++) begin : input_of
    for (genvar m = 0; m < MULTIPLIERS; m++) begin : multiplier
      logic signed [A_BITS-1:0] weights, a_q;
      logic signed [B_BITS-1:0] b_q;
      logic signed [A_BITS+B_BITS-1:0] product_q;
      logic signed [47:0] p_q;

      if (PACKED && 2 * m + 1 < PE) begin : two
        assign weights = {
          w[(s*PE+2*m+1)*W_BITS+:W_BITS],
          {(SHIFT - W_BITS) {w[(s*PE+2*m+1)*W_BITS-1]}},
          w[(s*PE+2*m)*W_BITS+:W_BITS]
        };
      end else if (PACKED) begin : odd_one_out
        assign weights = A_BITS'($signed(w[(s*PE+2*m)*W_BITS+:W_BITS]));
      end else begin : one
        assign weights = A_BITS'($signed(w[(s*PE+m)*W_BITS+:W_BITS]));
      end

      always_ff @(posedge clk) begin
        if (en) begin
          a_q       <= weights;
          b_q       <= (valid && in_image) ? B_BITS'({1'b0, x[s*X_BITS+:X_BITS]}) : '0;
          product_q <= a_q * b_q;
          p_q       <= (first_2q ? 48'sd0 : p_q) + 48'(product_q);
        end
      end
      if (PACKED && 2 * m + 1 == PE && B_BITS + W_BITS < 9) begin : g_in_luts  // where Yosys has no DSP48E1 for it
        assign sum[s][m] = P_BITS'(p_q[SUM_BITS-1:0]);
      end else begin : g_whole
        assign sum[s][m] = p_q[P_BITS-1:0];
      end
    end
  end

  // ---- hold the sums and read them out while the next ones grow ---------------------------------------------------------
  logic [SIMD-1:0][MULTIPLIERS-1:0][P_BITS-1:0] held_q;
  logic reading_q;
  logic [DB-1:0] beat_q;
  logic [LATENCY-1:0] added_q;  // a beat was read so many cycles ago
  assign acc_valid = added_q[LATENCY-1];

  always_ff @(posedge clk) if (en && last_3q) held_q <= sum;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      reading_q <= 1'b0;
      beat_q    <= '0;
      added_q   <= '0;
    end else if (en) begin
      added_q <= LATENCY'({added_q, reading_q});
      if (last_3q) begin
        reading_q <= 1'b1;
        beat_q    <= '0;
      end else if (reading_q) begin
        reading_q <= beat_q != DB'(BEATS - 1);
        beat_q    <= (beat_q == DB'(BEATS - 1)) ? '0 : beat_q + 1'b1;
      end
    end
  end

  for (genvar l = 0; l < LANES; l++) begin : lane
    logic [SIMD-1:0][SUM_BITS-1:0] part;
    for (genvar s = 0; s < SIMD; s++) begin : of_input
      if (PACKED) begin : packed_sums
        logic [P_BITS-1:0] word;
        logic odd;
        assign word = held_q[s][(int'(beat_q) * LANES + l) / 2];
        assign odd  = 1'((int'(beat_q) * LANES + l) % 2);
        assign part[s] = (odd ? word[P_BITS-1:SHIFT] : word[SUM_BITS-1:0]) + SUM_BITS'(odd && word[SHIFT-1]);
      end else begin : plain_sums
        assign part[s] = held_q[s][int'(beat_q) * LANES + l];
      end
    end
    logic [SIMD-1:0][SUM_BITS-1:0] part_q;
    always_ff @(posedge clk) if (en) part_q <= part;
    adder_tree #(
        .N(SIMD), .IN_BITS(SUM_BITS), .SHIFT(0), .OUT_BITS(ACC_BITS)
    ) over_inputs (
        .clk, .en, .x(part_q), .sum(acc[l*ACC_BITS+:ACC_BITS])
    );
  end
endmodule
`default_nettype wire
