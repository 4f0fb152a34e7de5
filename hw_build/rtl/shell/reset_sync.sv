// Brings an asynchronous reset into the clock domain: falls at once, rises with the clock, STAGES cycles later.
`default_nettype none
module reset_sync #(
  parameter int unsigned STAGES = 4
) (
  input  wire logic clk,
  input  wire logic async_rst_n,
  output      logic rst_n
);

  (* async_reg = "true" *) logic [STAGES-1:0] chain_q = '0;

  always_ff @(posedge clk or negedge async_rst_n) begin
    if (!async_rst_n) chain_q <= '0;
    else chain_q <= {chain_q[STAGES-2:0], 1'b1};
  end
  assign rst_n = chain_q[STAGES-1];

endmodule
`default_nettype wire
