// Counts the words of each frame that leaves the accelerator and checks that TLAST stands at the last one.
//
// The words pass unchanged, in the same cycle, as many as the job has frames for and not one more: a wrong TLAST is
// reported (early, late: pulses) but never moves what is written. `frame_end` pulses with the last word of a frame.
`default_nettype none
module frame_counter #(
  parameter int unsigned WORD_BITS = 16
) (
  input  wire logic                 ap_clk,
  input  wire logic                 ap_rst_n,
  input  wire logic                 start,
  input  wire logic [31:0]          frames,       // more than 0
  input  wire logic [WORD_BITS-1:0] frame_words,  // more than 0; constant while a job runs
  output      logic                 frame_end,
  output      logic                 early,
  output      logic                 late,
  input  wire logic [31:0]          s_axis_tdata,
  input  wire logic                 s_axis_tvalid,
  output      logic                 s_axis_tready,
  input  wire logic                 s_axis_tlast,
  output      logic [31:0]          m_axis_tdata,
  output      logic                 m_axis_tvalid,
  input  wire logic                 m_axis_tready
);

  logic [31:0]          frames_q = '0;  // not yet ended
  logic                 open_q = 1'b0;  // there are some
  logic [WORD_BITS-1:0] word_q = '0;

  wire logic take = s_axis_tvalid && s_axis_tready;
  wire logic last = word_q == frame_words - 1'b1;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      frames_q <= '0;
      open_q   <= 1'b0;
      word_q   <= '0;
    end else begin
      if (start) begin
        frames_q <= frames;
        open_q   <= 1'b1;
      end else if (frame_end) begin
        frames_q <= frames_q - 1'b1;
        open_q   <= frames_q != 32'd1;
      end
      if (take) word_q <= last ? '0 : word_q + 1'b1;
    end
  end

  assign frame_end = take && last;
  assign early = take && s_axis_tlast && !last;
  assign late = take && !s_axis_tlast && last;
  assign s_axis_tready = m_axis_tready && open_q;
  assign m_axis_tvalid = s_axis_tvalid && open_q;
  assign m_axis_tdata = s_axis_tdata;

endmodule
`default_nettype wire
