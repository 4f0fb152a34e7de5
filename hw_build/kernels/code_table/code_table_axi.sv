// AXI-Stream wrapper of code_table for one stream. Formula, order, latency and limits: see code_table.sv.
`default_nettype none
module code_table_axi #(
    parameter int PE     = 1,
    parameter int ROWS   = 1,
    parameter int A_BITS = 4,
    parameter int Y_BITS = 4,
    parameter bit BLOCK  = 0,
    parameter logic [(ROWS<<A_BITS)*Y_BITS-1:0] CONTENTS = '0
) (
    input  wire logic                 ap_clk,
    input  wire logic                 ap_rst_n,
    input  wire logic [PE*A_BITS-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output      logic                 s_axis_tready,
    output      logic [PE*Y_BITS-1:0] m_axis_tdata,
    output      logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);
  if (ROWS != 1 && ROWS % PE != 0) begin : g_check_pe
    $error("code_table_axi: PE=%0d must divide ROWS=%0d", PE, ROWS);
  end

  code_table #(
      .PE(PE), .ROWS(ROWS), .X_BITS(A_BITS), .Y_BITS(Y_BITS), .BLOCK(BLOCK), .CONTENTS(CONTENTS)
  ) core (
      .clk(ap_clk), .rst_n(ap_rst_n), .s_data(s_axis_tdata), .s_valid(s_axis_tvalid), .s_ready(s_axis_tready),
      .m_data(m_axis_tdata), .m_valid(m_axis_tvalid), .m_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
