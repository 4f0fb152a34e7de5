// One axis of an image with zeros around it: a counter of BEFORE + SIZE + BEHIND places, which says whether the place at
// hand is of the image. It begins anew behind the last one.
//
// Throughput: a place a cycle in which `step` is high. `of_image` and `last` come from registers.
`default_nettype none
module pad_axis #(
  parameter int unsigned BEFORE = 1,
  parameter int unsigned SIZE = 4,
  parameter int unsigned BEHIND = 1
) (
  input  wire logic clk,
  input  wire logic rst_n,
  input  wire logic step,
  output      logic of_image,
  output      logic last
);
  if (SIZE < 1) begin : g_check_size
    $error("pad_axis: SIZE = %0d must be at least 1", SIZE);
  end

  localparam int unsigned PLACES = BEFORE + SIZE + BEHIND;
  localparam int unsigned BITS = (PLACES > 1) ? $clog2(PLACES) : 1;

  logic [BITS-1:0] place_q;
  assign last = place_q == BITS'(PLACES - 1);
  always_ff @(posedge clk) begin
    if (!rst_n) place_q <= '0;
    else if (step) place_q <= last ? '0 : place_q + 1'b1;
  end

  if (PLACES == SIZE) begin : g_no_zeros
    assign of_image = 1'b1;
  end else begin : g_zeros
    logic of_image_q;
    assign of_image = of_image_q;
    wire logic begins = (BEFORE == 0) ? last : place_q == BITS'(BEFORE - 1);
    wire logic ends = (BEHIND == 0) ? last : place_q == BITS'(BEFORE + SIZE - 1);
    always_ff @(posedge clk) begin
      if (!rst_n) of_image_q <= BEFORE == 0;
      else if (step && (begins || ends)) of_image_q <= begins;
    end
  end
endmodule
`default_nettype wire
