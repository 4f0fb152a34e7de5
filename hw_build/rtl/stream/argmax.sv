// Index of the largest logit of a pixel, of logits that come one after the other: the first of equals.
//
// Formula:     index = min { c : logit[c] >= logit[k] for every k < CLASSES }, as numpy's argmax.
// Protocol:    `logit` is that of the next class when `take` is high; with the pixel's last class, `last` is high and
//              `index` is of the whole pixel, in the same cycle.
// Limits:      CLASSES is 2 or more.
`default_nettype none
module argmax #(
  parameter int unsigned LOGIT_BITS = 16,
  parameter bit          SIGNED = 1'b1,
  parameter int unsigned CLASSES = 2,
  localparam int unsigned INDEX_BITS = $clog2(CLASSES)
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire logic                  take,
  input  wire logic [LOGIT_BITS-1:0] logit,
  output      logic                  last,
  output      logic [INDEX_BITS-1:0] index
);

  if (CLASSES < 2) begin : g_check
    $error("argmax: CLASSES=%0d, must be 2 or more", CLASSES);
  end

  logic [INDEX_BITS-1:0] class_q = '0;
  logic [INDEX_BITS-1:0] index_q;  // of the largest so far
  logic [LOGIT_BITS-1:0] best_q;

  wire logic greater = SIGNED ? $signed(logit) > $signed(best_q) : logit > best_q;
  wire logic better = class_q == '0 || greater;

  assign last = class_q == INDEX_BITS'(CLASSES - 1);
  assign index = better ? class_q : index_q;

  always_ff @(posedge ap_clk) begin
    if (take && better) begin
      best_q  <= logit;
      index_q <= class_q;
    end
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) class_q <= '0;
    else if (take) class_q <= last ? '0 : class_q + 1'b1;
  end

endmodule
`default_nettype wire
