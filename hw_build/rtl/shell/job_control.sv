// One job after the other: refuses what can't be run, counts cycles and frames, and resets from any state.
//
// IDLE -> RUN -> IDLE; RUN ends when every read and write is answered. A job with a misaligned or unreachable address, or without
// frames, is done in the next cycle and touches neither memory nor accelerator.
// soft_reset -> DRAIN, until the DMAs have nothing outstanding (AXI transactions can't be abandoned), then CLEAR: the
// accelerator and the DMAs are held in reset for RESET_CYCLES but the last SETTLE_CYCLES, `cleared` pulses, IDLE. That reset
// crosses the whole device: it comes from a row of registers that do nothing else, RESET_STAGES + 1 cycles after it is
// decided, so that each of them may be copied for a part of the device.
`default_nettype none
module job_control #(
  parameter int unsigned ADDRESS_BITS = 32,
  parameter int unsigned RESET_CYCLES = 32
) (
  input  wire logic        ap_clk,
  input  wire logic        ap_rst_n,
  input  wire logic        start,
  input  wire logic        soft_reset,
  /* verilator lint_off UNUSEDSIGNAL */ // only the bits that must be zero are looked at
  input  wire logic [63:0] source,
  input  wire logic [63:0] destination,
  /* verilator lint_on UNUSEDSIGNAL */
  input  wire logic [31:0] frames,
  output      logic        busy,
  output      logic        resetting,
  output      logic        cleared,
  output      logic        done,
  output      logic        source_misaligned,
  output      logic        destination_misaligned,
  output      logic        address_range,
  output      logic [31:0] frame_cycles,
  output      logic [31:0] frames_done,
  output      logic [31:0] job_cycles,
  // to and from the data path
  output      logic        run,        // pulse: the job begins
  output      logic        halt,
  output      logic        core_rst_n,
  input  wire logic        idle,       // all of the job is read and written
  input  wire logic        quiet,      // nothing is outstanding on the bus
  input  wire logic        frame_end
);

  typedef enum logic [1:0] {IDLE, RUN, DRAIN, CLEAR} state_t;
  state_t state_q = CLEAR;

  localparam int unsigned TIMER_BITS = $clog2(RESET_CYCLES);
  localparam int unsigned RESET_STAGES = 3;
  localparam int unsigned SETTLE_CYCLES = RESET_STAGES + 3;  // those of the reset's registers, and two more
  logic [TIMER_BITS-1:0] timer_q = '0;
  logic                  core_reset_q = 1'b1;
  (* shreg_extract = "no" *) logic [RESET_STAGES-1:0] core_rst_n_q = '0;
  logic                  refused_q = 1'b0;
  logic [31:0]           frame_cycle_q, frame_cycles_q = '0, frames_done_q = '0, job_cycles_q = '0;

  wire logic timer_ends = timer_q == TIMER_BITS'(RESET_CYCLES - 1);

  // what is wrong with the job, a cycle after its registers; `start` comes two cycles after them at the earliest
  logic source_far_q, destination_far_q, source_misaligned_q, destination_misaligned_q, empty_q;
  always_ff @(posedge ap_clk) begin
    source_misaligned_q      <= source[2:0] != '0;
    destination_misaligned_q <= destination[2:0] != '0;
    empty_q                  <= frames == '0;
  end
  if (ADDRESS_BITS < 64) begin : g_range
    always_ff @(posedge ap_clk) begin
      source_far_q      <= source[63:ADDRESS_BITS] != '0;
      destination_far_q <= destination[63:ADDRESS_BITS] != '0;
    end
  end else begin : g_no_range
    assign source_far_q = 1'b0;
    assign destination_far_q = 1'b0;
  end
  wire logic accepted = start && state_q == IDLE;
  assign source_misaligned = accepted && source_misaligned_q;
  assign destination_misaligned = accepted && destination_misaligned_q;
  assign address_range = accepted && (source_far_q || destination_far_q);
  wire logic refused = source_misaligned || destination_misaligned || address_range || (accepted && empty_q);
  assign run = accepted && !refused && !soft_reset;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      state_q   <= CLEAR;
      timer_q   <= '0;
      refused_q <= 1'b0;
    end else begin
      refused_q <= refused;
      timer_q   <= state_q == CLEAR ? timer_q + 1'b1 : '0;
      case (state_q)
        IDLE:    if (run) state_q <= RUN;
        RUN:     if (idle) state_q <= IDLE;
        DRAIN:   if (quiet) state_q <= CLEAR;
        default: if (timer_ends) state_q <= IDLE;
      endcase
      if (soft_reset && (state_q == IDLE || state_q == RUN)) state_q <= DRAIN;
    end
  end
  always_ff @(posedge ap_clk) begin
    core_reset_q <= !ap_rst_n || (state_q == CLEAR && timer_q < TIMER_BITS'(RESET_CYCLES - SETTLE_CYCLES));
    core_rst_n_q <= {core_rst_n_q[RESET_STAGES-2:0], !core_reset_q};
  end

  always_ff @(posedge ap_clk) begin
    frame_cycle_q <= run || frame_end ? 32'd1 : frame_cycle_q + 1'b1;
    if (!ap_rst_n || cleared) begin
      frame_cycles_q <= '0;
      frames_done_q  <= '0;
      job_cycles_q   <= '0;
    end else if (accepted) begin
      frames_done_q <= '0;
      job_cycles_q  <= '0;
    end else if (state_q == RUN) begin
      job_cycles_q <= job_cycles_q + 1'b1;
      if (frame_end) begin
        frame_cycles_q <= frame_cycle_q;
        frames_done_q  <= frames_done_q + 1'b1;
      end
    end
  end

  assign busy = state_q == RUN || refused_q;
  assign resetting = state_q == DRAIN || state_q == CLEAR;
  assign cleared = state_q == CLEAR && timer_ends;
  assign done = refused_q || (state_q == RUN && idle && !soft_reset);
  assign halt = state_q == DRAIN || state_q == CLEAR;
  assign core_rst_n = core_rst_n_q[RESET_STAGES-1];
  assign frame_cycles = frame_cycles_q;
  assign frames_done = frames_done_q;
  assign job_cycles = job_cycles_q;

endmodule
`default_nettype wire
