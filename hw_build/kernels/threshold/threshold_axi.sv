// Thresholds on a stream: Y = number of t < NUM_T with THRESHOLDS[channel][t] <= X, in beats of PE channels.
//
// X is signed or unsigned, ACC_BITS holds it signed; THRESHOLDS as in thresholds.sv, ROWS is 1 where all channels share.
// Throughput one beat a cycle; latency Y_BITS + 2 cycles, SCALED 5. Limits: PE divides CHANNELS.
`default_nettype none
module threshold_axi #(
    parameter int CHANNELS = 2,
    parameter int PE       = 1,
    parameter int ROWS     = 2,
    parameter int X_BITS   = 8,
    parameter bit X_SIGNED = 0,
    parameter int ACC_BITS = 9,
    parameter int NUM_T    = 15,
    parameter int Y_BITS   = 4,
    parameter bit SCALED   = 0,  // a line in place of thresholds: scaler.sv
    parameter int M_BITS   = 1,
    parameter int B_BITS   = 1,
    parameter int SHIFT    = 0,
    parameter logic [ROWS*NUM_T*ACC_BITS-1:0] THRESHOLDS = '0,
    parameter logic [ROWS*M_BITS-1:0] SCALES = '0,
    parameter logic [ROWS*B_BITS-1:0] OFFSETS = '0
) (
    input  wire logic                 ap_clk,
    input  wire logic                 ap_rst_n,
    input  wire logic [PE*X_BITS-1:0] s_axis_tdata,
    input  wire logic                 s_axis_tvalid,
    output      logic                 s_axis_tready,
    output      logic [PE*Y_BITS-1:0] m_axis_tdata,
    output      logic                 m_axis_tvalid,
    input  wire logic                 m_axis_tready
);
  localparam int GROUPS  = (ROWS > 1) ? CHANNELS / PE : 1;
  localparam int GB      = (GROUPS > 1) ? $clog2(GROUPS) : 1;
  localparam int LATENCY = SCALED ? 4 : Y_BITS + 1;

  logic en, y_valid;
  logic [LATENCY-1:0] valid_q;
  logic [GB-1:0] group_q;
  logic [PE*ACC_BITS-1:0] acc;
  logic [PE*Y_BITS-1:0] y_data;

  assign s_axis_tready = en;  // a register
  assign y_valid       = valid_q[LATENCY-1];

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      valid_q <= '0;
      group_q <= '0;
    end else if (en) begin
      valid_q <= LATENCY'({valid_q, s_axis_tvalid});
      if (s_axis_tvalid) group_q <= (group_q == GB'(GROUPS - 1)) ? '0 : group_q + 1'b1;
    end
  end

  for (genvar p = 0; p < PE; p++) begin : lane
    assign acc[p*ACC_BITS+:ACC_BITS] =
        ACC_BITS'($signed({X_SIGNED && s_axis_tdata[(p+1)*X_BITS-1], s_axis_tdata[p*X_BITS+:X_BITS]}));
  end

  requantizer #(
      .ROWS(ROWS), .LANES(PE), .NUM_T(NUM_T), .ACC_BITS(ACC_BITS), .Y_BITS(Y_BITS), .SCALED(SCALED), .M_BITS(M_BITS),
      .B_BITS(B_BITS), .SHIFT(SHIFT), .THRESHOLDS(THRESHOLDS), .SCALES(SCALES), .OFFSETS(OFFSETS)
  ) counts (
      .clk(ap_clk), .en, .group(group_q), .acc, .y(y_data)
  );

  stream_fifo2 #(
      .DATA_BITS(PE * Y_BITS)
  ) out_buffer (
      .clk(ap_clk), .rst_n(ap_rst_n), .in_data(y_data), .in_valid(y_valid), .in_ready(en),
      .out_data(m_axis_tdata), .out_valid(m_axis_tvalid), .out_ready(m_axis_tready)
  );
endmodule
`default_nettype wire
