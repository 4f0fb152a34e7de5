// Channels of each pixel in another order, left out or repeated: Y[n] = X[INDEX[n]].
//
// Streams: pixels in raster order; a pixel of the input is IN_CHANNELS/PE beats, one of the output OUT_CHANNELS/PE; lane p
// of beat g is channel g*PE+p at bits [p*X_BITS +: X_BITS]. A pixel is stored, once for each lane of the output and there
// without the lanes that it never reads; while it leaves, the next one comes into the other half of the memories.
//
// Throughput: as many cycles a pixel as the larger of both counts of beats. Latency: 1 cycle after its last beat.
// Limits: PE divides both numbers of channels; INDEX holds numbers below IN_CHANNELS, the first one lowest.
`default_nettype none
module channel_gather #(
  parameter int unsigned IN_CHANNELS = 4,
  parameter int unsigned OUT_CHANNELS = 4,
  parameter int unsigned PE = 1,
  parameter int unsigned X_BITS = 4,
  localparam int unsigned IB = (IN_CHANNELS > 1) ? $clog2(IN_CHANNELS) : 1,
  parameter logic [OUT_CHANNELS*IB-1:0] INDEX = '0,
  localparam int unsigned BEAT = PE * X_BITS
) (
  input  wire logic            clk,
  input  wire logic            rst_n,
  input  wire logic [BEAT-1:0] x_data,
  input  wire logic            x_valid,
  output      logic            x_ready,
  output      logic [BEAT-1:0] y_data,
  output      logic            y_valid,
  input  wire logic            y_ready
);
  if (IN_CHANNELS % PE != 0 || OUT_CHANNELS % PE != 0) begin : g_check_pe
    $error("channel_gather: PE=%0d must divide IN_CHANNELS=%0d and OUT_CHANNELS=%0d", PE, IN_CHANNELS, OUT_CHANNELS);
  end

  localparam int unsigned COME = IN_CHANNELS / PE;
  localparam int unsigned LEAVE = OUT_CHANNELS / PE;
  localparam int unsigned CB = (COME > 1) ? $clog2(COME) : 1;
  localparam int unsigned LB = (LEAVE > 1) ? $clog2(LEAVE) : 1;

  function automatic int unsigned lane_of(int unsigned beat, int unsigned lane);
    return 32'(INDEX[(beat*PE+lane)*IB+:IB]) % PE;
  endfunction
  // whether lane `to` of the output ever reads lane `from` of the input
  function automatic bit reads(int unsigned to, int unsigned from);
    for (int unsigned beat = 0; beat < LEAVE; beat++) if (lane_of(beat, to) == from) return 1'b1;
    return 1'b0;
  endfunction
  // how many lanes below `from` it reads: where that lane lies in its memory
  function automatic int unsigned place(int unsigned to, int unsigned from);
    int unsigned count;
    count = 0;
    for (int unsigned lane = 0; lane < from; lane++) if (reads(to, lane)) count++;
    return count;
  endfunction

  // ---- two pixels: one comes, one leaves ----------------------------------------------------------------------------
  logic [CB-1:0] come_q;
  logic [LB-1:0] leave_q;
  logic to_q, from_q;    // half of the memories
  logic [1:0] filled_q;  // pixels that are there
  wire logic en = y_ready;
  wire logic write = x_valid && x_ready;
  wire logic read = en && filled_q != '0;
  wire logic come_ends = write && come_q == CB'(COME - 1);
  wire logic leave_ends = read && leave_q == LB'(LEAVE - 1);
  assign x_ready = !filled_q[1];

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      come_q   <= '0;
      leave_q  <= '0;
      to_q     <= 1'b0;
      from_q   <= 1'b0;
      filled_q <= '0;
    end else begin
      if (write) come_q <= come_ends ? '0 : come_q + 1'b1;
      if (read) leave_q <= leave_ends ? '0 : leave_q + 1'b1;
      to_q     <= to_q ^ come_ends;
      from_q   <= from_q ^ leave_ends;
      filled_q <= filled_q + 2'(come_ends) - 2'(leave_ends);
    end
  end

  logic [BEAT-1:0] y;
  for (genvar lane = 0; lane < PE; lane++) begin : g_lane
    localparam int unsigned LANES = place(lane, PE);
    logic [LANES*X_BITS-1:0] kept, found;
    logic [CB-1:0] group;
    for (genvar from = 0; from < PE; from++) begin : g_kept
      if (reads(lane, from)) begin : g_read
        assign kept[place(lane, from)*X_BITS+:X_BITS] = x_data[from*X_BITS+:X_BITS];
      end
    end
    always_comb begin
      group = '0;
      for (int unsigned beat = 0; beat < LEAVE; beat++) begin
        if (leave_q == LB'(beat)) group = CB'(32'(INDEX[(beat*PE+lane)*IB+:IB]) / PE);
      end
    end
    (* ram_style = "distributed" *) logic [LANES*X_BITS-1:0] memory[2<<((COME > 1) ? CB : 0)];
    if (COME > 1) begin : g_groups
      assign found = memory[{from_q, group}];
      always_ff @(posedge clk) if (write) memory[{to_q, come_q}] <= kept;
    end else begin : g_pixel
      assign found = memory[from_q];
      always_ff @(posedge clk) if (write) memory[to_q] <= kept;
    end
    if (LANES > 1) begin : g_choose
      logic [$clog2(LANES)-1:0] chosen;
      always_comb begin
        chosen = '0;
        for (int unsigned beat = 0; beat < LEAVE; beat++) begin
          if (leave_q == LB'(beat)) chosen = $bits(chosen)'(place(lane, lane_of(beat, lane)));
        end
      end
      assign y[lane*X_BITS+:X_BITS] = found[chosen*X_BITS+:X_BITS];
    end else begin : g_one
      assign y[lane*X_BITS+:X_BITS] = found;
    end
  end

  always_ff @(posedge clk) begin
    if (read) y_data <= y;
  end
  always_ff @(posedge clk) begin
    if (!rst_n) y_valid <= 1'b0;
    else if (en) y_valid <= read;
  end
endmodule
`default_nettype wire
