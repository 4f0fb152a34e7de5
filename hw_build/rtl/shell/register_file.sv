// The registers that edgeseg_registers_pkg lists: what software writes goes to the job, what the job says is read.
//
// Both sides of the bus answer in the cycle of their enable. A bit that clears when read, or when written, stays set if
// its event comes in that same cycle. Registers that shape a job keep their value while one runs (STATUS_BUSY_WRITE).
`default_nettype none
module register_file #(
  parameter int unsigned HEIGHT = 16,
  parameter int unsigned WIDTH = 16,
  parameter int unsigned OUT_HEIGHT = HEIGHT,  // of a result
  parameter int unsigned OUT_WIDTH = WIDTH,
  parameter int unsigned CHANNELS = 3,
  parameter int unsigned CLASSES = 1,
  parameter int unsigned ADDRESS_BITS = 32,
  parameter logic [63:0] NETWORK_HASH = '0,
  localparam int unsigned ERRORS = edgeseg_registers_pkg::STATUS_BUSY_WRITE + 1
) (
  input  wire logic              ap_clk,
  input  wire logic              ap_rst_n,
  input  wire logic              write_en,
  /* verilator lint_off UNUSEDSIGNAL */ // words of 4 bytes
  input  wire logic [11:0]       write_addr,
  /* verilator lint_on UNUSEDSIGNAL */
  input  wire logic [31:0]       write_data,
  input  wire logic [3:0]        write_strb,
  output      logic              write_error,
  input  wire logic              read_en,
  /* verilator lint_off UNUSEDSIGNAL */ // words of 4 bytes
  input  wire logic [11:0]       read_addr,
  /* verilator lint_on UNUSEDSIGNAL */
  output      logic [31:0]       read_data,
  output      logic              read_error,
  output      logic              irq,
  // to the job
  output      logic              start,
  output      logic              soft_reset,
  output      logic [63:0]       source,
  output      logic [63:0]       destination,
  output      logic [31:0]       frames,
  output      logic              mask_mode,
  // from the job
  input  wire logic              busy,
  input  wire logic              resetting,
  input  wire logic              cleared,       // pulse: a soft reset has ended
  input  wire logic              done,          // pulse: a job has ended
  input  wire logic [ERRORS-2:0] errors,        // pulses, in the order of STATUS
  input  wire logic              reading,
  input  wire logic              writing,
  input  wire logic              input_waits,
  input  wire logic              output_waits,
  input  wire logic [31:0]       frame_cycles,
  input  wire logic [31:0]       frames_done,
  input  wire logic [31:0]       job_cycles
);
  import edgeseg_registers_pkg::*;

  logic              start_q = 1'b0, soft_reset_q = 1'b0;
  logic              done_q = 1'b0, ready_q = 1'b0, gie_q = 1'b0, mask_q = 1'b0;
  logic [1:0]        ier_q = '0, isr_q = '0;
  logic [63:0]       source_q = '0, destination_q = '0;
  logic [31:0]       frames_q = '0;
  logic [ERRORS-1:0] status_q = '0;

  wire logic [11:0] write_word = {write_addr[11:2], 2'b00};
  wire logic [11:0] read_word = {read_addr[11:2], 2'b00};
  wire logic working = busy || resetting;

  // only enabled bytes change
  logic [31:0] enabled;
  for (genvar i = 0; i < 4; i++) begin : g_enabled
    assign enabled[8*i +: 8] = {8{write_strb[i]}};
  end
  wire logic [31:0] ones = write_data & enabled;

  function automatic logic [31:0] merged(input logic [31:0] old, input logic [31:0] data, input logic [31:0] mask);
    return (old & ~mask) | (data & mask);
  endfunction

  logic shapes_job;
  always_comb begin
    write_error = 1'b0;
    shapes_job = 1'b0;
    case (write_word)
      CTRL, GIE, IER, ISR, STATUS, SOFT_RESET: ;
      SOURCE_LO, SOURCE_HI, DESTINATION_LO, DESTINATION_HI, FRAMES, OUTPUT_MODE: shapes_job = 1'b1;
      default: write_error = 1'b1;
    endcase
  end

  wire logic wants_start = write_en && write_word == CTRL && ones[CTRL_START];
  wire logic busy_write = (working && wants_start) || (busy && write_en && shapes_job);
  wire logic starts = wants_start && !working;
  wire logic resets = write_en && write_word == SOFT_RESET && ones[SOFT_RESET_RESET];

  wire logic read_ctrl = read_en && read_word == CTRL;
  wire logic [1:0] isr_clear = write_en && write_word == ISR ? ones[1:0] : '0;
  wire logic [ERRORS-1:0] status_clear = write_en && write_word == STATUS ? ones[ERRORS-1:0] : '0;

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) begin
      start_q       <= 1'b0;
      soft_reset_q  <= 1'b0;
      done_q        <= 1'b0;
      ready_q       <= 1'b0;
      gie_q         <= 1'b0;
      mask_q        <= 1'b0;
      ier_q         <= '0;
      isr_q         <= '0;
      source_q      <= '0;
      destination_q <= '0;
      frames_q      <= '0;
      status_q      <= '0;
    end else begin
      start_q      <= starts;
      soft_reset_q <= resets;
      done_q   <= done || (done_q && !read_ctrl && !starts && !cleared);
      ready_q  <= done || (ready_q && !read_ctrl && !starts && !cleared);
      isr_q    <= cleared ? '0 : ((isr_q & ~isr_clear) | ({2{done}} & ier_q));
      status_q <= cleared ? '0 : ((status_q & ~status_clear) | {busy_write, errors});
      if (write_en && write_word == GIE) gie_q <= ones[GIE_ENABLE] || (gie_q && !enabled[GIE_ENABLE]);
      if (write_en && write_word == IER) ier_q <= ones[1:0] | (ier_q & ~enabled[1:0]);
      if (write_en && !busy) begin
        case (write_word)
          SOURCE_LO:      source_q[31:0] <= merged(source_q[31:0], write_data, enabled);
          SOURCE_HI:      source_q[63:32] <= merged(source_q[63:32], write_data, enabled);
          DESTINATION_LO: destination_q[31:0] <= merged(destination_q[31:0], write_data, enabled);
          DESTINATION_HI: destination_q[63:32] <= merged(destination_q[63:32], write_data, enabled);
          FRAMES:         frames_q <= merged(frames_q, write_data, enabled);
          OUTPUT_MODE:    mask_q <= ones[OUTPUT_MODE_MASK] || (mask_q && !enabled[OUTPUT_MODE_MASK]);
          default: ;
        endcase
      end
    end
  end

  always_comb begin
    read_data = '0;
    read_error = 1'b0;
    case (read_word)
      CTRL: begin
        read_data[CTRL_START] = busy;
        read_data[CTRL_DONE] = done_q;
        read_data[CTRL_IDLE] = !working;
        read_data[CTRL_READY] = ready_q;
      end
      GIE:             read_data[GIE_ENABLE] = gie_q;
      IER:             read_data[1:0] = ier_q;
      ISR:             read_data[1:0] = isr_q;
      SOURCE_LO:       read_data = source_q[31:0];
      SOURCE_HI:       read_data = source_q[63:32];
      FRAMES:          read_data = frames_q;
      DESTINATION_LO:  read_data = destination_q[31:0];
      DESTINATION_HI:  read_data = destination_q[63:32];
      OUTPUT_MODE:     read_data[OUTPUT_MODE_MASK] = mask_q;
      STATUS: begin
        read_data[ERRORS-1:0] = status_q;
        read_data[STATUS_READING] = reading;
        read_data[STATUS_WRITING] = writing;
        read_data[STATUS_INPUT_WAITS] = input_waits;
        read_data[STATUS_OUTPUT_WAITS] = output_waits;
      end
      FRAME_CYCLES:    read_data = frame_cycles;
      FRAMES_DONE:     read_data = frames_done;
      JOB_CYCLES:      read_data = job_cycles;
      SOFT_RESET:      read_data[SOFT_RESET_RESET] = resetting;
      IDENTITY:        read_data = IDENTITY_VALUE;
      VERSION:         read_data = VERSION_VALUE;
      NETWORK_HASH_LO: read_data = NETWORK_HASH[31:0];
      NETWORK_HASH_HI: read_data = NETWORK_HASH[63:32];
      edgeseg_registers_pkg::HEIGHT:       read_data = HEIGHT;
      edgeseg_registers_pkg::WIDTH:        read_data = WIDTH;
      edgeseg_registers_pkg::CHANNELS:     read_data = CHANNELS;
      edgeseg_registers_pkg::ADDRESS_BITS: read_data = ADDRESS_BITS;
      edgeseg_registers_pkg::CLASSES:      read_data = CLASSES;
      edgeseg_registers_pkg::OUT_HEIGHT:   read_data = OUT_HEIGHT;
      edgeseg_registers_pkg::OUT_WIDTH:    read_data = OUT_WIDTH;
      default:         read_error = 1'b1;
    endcase
  end

  assign irq = gie_q && isr_q != '0;
  assign start = start_q;
  assign soft_reset = soft_reset_q;
  assign source = source_q;
  assign destination = destination_q;
  assign frames = frames_q;
  assign mask_mode = mask_q;

endmodule
`default_nettype wire
