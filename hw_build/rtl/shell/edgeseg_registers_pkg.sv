// Registers of the shell: byte offsets (name), bit numbers of their fields (name_FIELD), constant words.
// Generated from hw_build/implement/shell/registers.toml by `python -m hw_build.implement.shell.registers`: edit that file.
package edgeseg_registers_pkg;
  localparam int unsigned WINDOW_BITS = 12;

  // Control of a job, as ap_ctrl of Vitis HLS. A job runs FRAMES frames.
  localparam logic [11:0] CTRL = 12'h000;
  localparam int unsigned CTRL_START = 0;  // w1s: starts a job; ignored while one runs or a reset drains
  localparam int unsigned CTRL_DONE = 1;  // cor: the job has ended: every write response is in, or it was refused
  localparam int unsigned CTRL_IDLE = 2;  // ro: no job runs and no reset drains
  localparam int unsigned CTRL_READY = 3;  // cor: the next job may be set up; comes with DONE

  // Global interrupt enable.
  localparam logic [11:0] GIE = 12'h004;
  localparam int unsigned GIE_ENABLE = 0;  // rw: the interrupt line follows ISR

  // Interrupt enable: which events set their bit of ISR.
  localparam logic [11:0] IER = 12'h008;
  localparam int unsigned IER_DONE = 0;  // rw: the job has ended
  localparam int unsigned IER_READY = 1;  // rw: the next job may be set up

  // Interrupt status. (Vitis HLS toggles a bit where a 1 is written; here a 1 only ever clears.)
  localparam logic [11:0] ISR = 12'h00C;
  localparam int unsigned ISR_DONE = 0;  // w1c: the job has ended
  localparam int unsigned ISR_READY = 1;  // w1c: the next job may be set up

  // Physical address of the first frame of codes, low word. A multiple of 8.
  localparam logic [11:0] SOURCE_LO = 12'h010;

  // The same, high word.
  localparam logic [11:0] SOURCE_HI = 12'h014;

  // Frames to run, back to back in memory on both sides. 0: the job is done at once.
  localparam logic [11:0] FRAMES = 12'h01C;

  // Physical address of the first frame of results, low word. A multiple of 8.
  localparam logic [11:0] DESTINATION_LO = 12'h024;

  // The same, high word.
  localparam logic [11:0] DESTINATION_HI = 12'h028;

  // What a job writes: int32 logits, CLASSES a pixel, or what they decide, packed.
  localparam logic [11:0] OUTPUT_MODE = 12'h030;
  localparam int unsigned OUTPUT_MODE_MASK = 0;  // rw: 1: one bit a pixel, 32 pixels a word, the first in bit 0; of several classes one byte a pixel, the index of the largest logit

  // Errors since they were last cleared (bits 0 to 15), and what the shell does now (bits 16 and up).
  localparam logic [11:0] STATUS = 12'h034;
  localparam int unsigned STATUS_READ_DECERR = 0;  // w1c: no memory at an address that was read
  localparam int unsigned STATUS_READ_SLVERR = 1;  // w1c: the memory refused a read
  localparam int unsigned STATUS_WRITE_DECERR = 2;  // w1c: no memory at an address that was written
  localparam int unsigned STATUS_WRITE_SLVERR = 3;  // w1c: the memory refused a write
  localparam int unsigned STATUS_SOURCE_MISALIGNED = 4;  // w1c: the source address was no multiple of 8: job refused
  localparam int unsigned STATUS_DESTINATION_MISALIGNED = 5;  // w1c: the destination was no multiple of 8: job refused
  localparam int unsigned STATUS_ADDRESS_RANGE = 6;  // w1c: an address has more than ADDRESS_BITS bits: job refused
  localparam int unsigned STATUS_TLAST_EARLY = 7;  // w1c: the accelerator ended a frame before its last word; reset it
  localparam int unsigned STATUS_TLAST_LATE = 8;  // w1c: the accelerator did not end a frame at its last word; reset it
  localparam int unsigned STATUS_BUSY_WRITE = 9;  // w1c: a register was written, or START set, while a job ran: ignored
  localparam int unsigned STATUS_READING = 16;  // ro: read bursts are outstanding
  localparam int unsigned STATUS_WRITING = 17;  // ro: write bursts are outstanding
  localparam int unsigned STATUS_INPUT_WAITS = 18;  // ro: a pixel is offered that the accelerator does not take
  localparam int unsigned STATUS_OUTPUT_WAITS = 19;  // ro: a job runs and the accelerator offers no word

  // Clock cycles of the last frame: from the end of the frame before, or from START, to its last word.
  localparam logic [11:0] FRAME_CYCLES = 12'h038;

  // Frames of this job whose last word has left the accelerator. DONE says when they are in memory.
  localparam logic [11:0] FRAMES_DONE = 12'h03C;

  // Clock cycles of the last job, from START to DONE; counts on while a job runs.
  localparam logic [11:0] JOB_CYCLES = 12'h040;

  // Ends whatever runs.
  localparam logic [11:0] SOFT_RESET = 12'h044;
  localparam int unsigned SOFT_RESET_RESET = 0;  // w1s: ends what was begun on the bus, then resets the accelerator, the job, STATUS, ISR and DONE; reads 1 until then

  // 'ESEG' in ASCII.
  localparam logic [11:0] IDENTITY = 12'h050;
  localparam logic [31:0] IDENTITY_VALUE = 32'h45534547;

  // Version of this register map, major in the upper half, minor in the lower.
  localparam logic [11:0] VERSION = 12'h054;
  localparam logic [31:0] VERSION_VALUE = 32'h00010002;

  // Low word of the 64-bit hash of network and folding that io_spec.json names, too.
  localparam logic [11:0] NETWORK_HASH_LO = 12'h058;

  // The same, high word.
  localparam logic [11:0] NETWORK_HASH_HI = 12'h05C;

  // Rows of a frame.
  localparam logic [11:0] HEIGHT = 12'h060;

  // Columns of a frame.
  localparam logic [11:0] WIDTH = 12'h064;

  // Codes of a pixel, one byte each.
  localparam logic [11:0] CHANNELS = 12'h068;

  // Bits of a memory address that the shell can reach.
  localparam logic [11:0] ADDRESS_BITS = 12'h06C;

  // Logits of a pixel. (From version 1.1 on; before, one.)
  localparam logic [11:0] CLASSES = 12'h070;

  // Rows of a result. (From version 1.2 on; before, HEIGHT.)
  localparam logic [11:0] OUT_HEIGHT = 12'h074;

  // Columns of a result. (From version 1.2 on; before, WIDTH.)
  localparam logic [11:0] OUT_WIDTH = 12'h078;
endpackage
