// All taps of a K x K window at once, SIMD channels after SIMD channels, out of the arriving pixels.
//
// In:    pixels in raster order, CHANNELS/SIMD words of SIMD channels each, frame after frame without a mark between.
// Out:   for every pixel, PASSES times, and every word g of a pixel: word g of all pixels (y+i-K/2, x+j-K/2), that of tap
//        i*K+j at bits [.. *SIMD*X_BITS +: SIMD*X_BITS], 0 outside the image. One window each cycle with en; first and
//        last mark the ends of a pass. Valid one cycle with en after the step.
//
// How. A window comes from sliding_window once and stays for its PASSES; where a pixel has several words, a small memory
// gives them again, and another one collects those of the next pixel, so that they need not come in a burst.
//
// Throughput: PASSES*CHANNELS/SIMD cycles a pixel, no bubble. Limits: K odd; SIMD divides CHANNELS.
`default_nettype none
module conv_window_parallel #(
    parameter int HEIGHT   = 8,
    parameter int WIDTH    = 8,
    parameter int CHANNELS = 2,
    parameter int K        = 3,
    parameter int SIMD     = 1,
    parameter int X_BITS   = 4,
    parameter int PASSES   = 1,
    parameter     RAM_STYLE = "auto"  // of the rows of pixels
) (
    input  wire logic                       clk,
    input  wire logic                       rst_n,
    input  wire logic [SIMD*X_BITS-1:0]     x_data,
    input  wire logic                       x_valid,
    output      logic                       x_ready,
    input  wire logic                       en,    // the reader moves
    output      logic                       step,  // a window is read in this cycle
    output      logic [K*K*SIMD*X_BITS-1:0] data,
    output      logic                       valid,
    output      logic                       first,
    output      logic                       last
);
  localparam int G    = CHANNELS / SIMD;  // words a pixel
  localparam int GB   = (G > 1) ? $clog2(G) : 1;
  localparam int PB   = (PASSES > 1) ? $clog2(PASSES) : 1;
  localparam int BEAT = SIMD * X_BITS;
  localparam bit AGAIN = PASSES > 1 && G > 1;  // words are read again

  logic [GB-1:0] group_q;
  logic [PB-1:0] pass_q;
  logic arriving, group_end, pass_end, window_valid;
  logic [K*K-1:0][BEAT-1:0] arrived;
  logic [K*K-1:0] mask;

  assign arriving  = pass_q == '0;  // this pass reads what arrives, the others read it again
  assign group_end = group_q == GB'(G - 1);
  assign pass_end  = group_end && pass_q == PB'(PASSES - 1);
  assign step      = en && (!arriving || window_valid);

  logic [BEAT-1:0] word;
  logic word_valid, word_ready;
  if (AGAIN) begin : collected
    /* verilator lint_off UNUSEDSIGNAL */ // nobody gauges this one
    logic [$clog2(G+1)-1:0] level, peak;
    /* verilator lint_on UNUSEDSIGNAL */
    stream_fifo #(
        .WIDTH(BEAT), .DEPTH(G), .RAM_STYLE("distributed")
    ) next_pixel (
        .ap_clk(clk), .ap_rst_n(rst_n), .s_axis_tdata(x_data), .s_axis_tvalid(x_valid), .s_axis_tready(x_ready),
        .m_axis_tdata(word), .m_axis_tvalid(word_valid), .m_axis_tready(word_ready), .level, .peak
    );
  end else begin : straight
    assign word       = x_data;
    assign word_valid = x_valid;
    assign x_ready    = word_ready;
  end

  sliding_window #(
      .HEIGHT(HEIGHT), .WIDTH(WIDTH), .GROUPS(G), .K(K), .BEAT_BITS(BEAT), .RAM_STYLE(RAM_STYLE)
  ) windows (
      .clk, .rst_n, .en, .x_data(word), .x_valid(word_valid), .x_ready(word_ready), .free(arriving),
      .soon_free(PASSES == 1 || pass_end || (arriving && !window_valid)), .valid(window_valid), .window(arrived), .mask
  );

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q <= '0;
      pass_q  <= '0;
      valid   <= 1'b0;
    end else if (en) begin
      valid <= step;
      if (step) begin
        group_q <= group_end ? '0 : group_q + 1'b1;
        if (group_end) pass_q <= pass_end ? '0 : pass_q + 1'b1;
      end
    end
  end
  always_ff @(posedge clk) begin
    if (en) begin
      first <= group_q == '0;
      last  <= group_end;
    end
  end

  logic [K*K-1:0][BEAT-1:0] data_q;
  assign data = data_q;
  if (!AGAIN) begin : held
    always_ff @(posedge clk) begin
      if (en && arriving) begin
        for (int t = 0; t < K * K; t++) data_q[t] <= mask[t] ? arrived[t] : '0;
      end
    end
  end else begin : again
    (* ram_style = "distributed" *) logic [K*K*BEAT-1:0] replay[G];
    logic [K*K-1:0][BEAT-1:0] masked;
    for (genvar t = 0; t < K * K; t++) begin : tap
      assign masked[t] = mask[t] ? arrived[t] : '0;
    end
    always_ff @(posedge clk) if (step && arriving) replay[group_q] <= masked;
    always_ff @(posedge clk) if (en) data_q <= arriving ? masked : replay[group_q];
  end
endmodule
`default_nettype wire
