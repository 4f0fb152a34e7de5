// The shell: registers on one AXI slave, frames read and results written over one AXI master, around a stream core.
//
//   s_ctrl -> axi_control -> register_file -> job_control
//   m_mem.AR/R -> read_dma -> 64 bits to pixels -> core -> frame_counter -> words to 64 bits -> write_dma -> m_mem.AW/W/B
//
// In memory: a frame is HEIGHT x WIDTH pixels of CHANNELS bytes in raster order, then what fills the least number of whole
// pixels that are whole beats of 8 bytes (read and dropped); a result is little-endian words as logit_output.sv has them:
// CLASSES a pixel (logits), or one for 32 pixels (mask), for 4 of several classes (indices), and zeros that fill a beat.
// Frames follow each other without a gap.
// AXI3 and AXI4: what differs is only MAX_BURST (AXI3: at most 16) and that AXI4 leaves w.id unconnected.
// The core's ports are those of edgeseg_accelerator; core_rst_n is low for job_control's RESET_CYCLES.
`default_nettype none
module shell #(
  parameter int unsigned HEIGHT = 16,
  parameter int unsigned WIDTH = 16,
  parameter int unsigned OUT_HEIGHT = HEIGHT,  // of a result
  parameter int unsigned OUT_WIDTH = WIDTH,
  parameter int unsigned CHANNELS = 3,
  parameter int unsigned CLASSES = 1,
  parameter logic [63:0] NETWORK_HASH = '0,
  parameter logic [63:0] CONTROL_BASE = 64'h43C0_0000,
  parameter int unsigned ADDRESS_BITS = 32,
  parameter int unsigned MAX_BURST = 16,
  localparam int unsigned PIXEL_BITS = 8 * CHANNELS
) (
  input  wire logic                  ap_clk,
  input  wire logic                  ap_rst_n,
  input  wire axi_pkg::request_t     s_ctrl,
  output      axi_pkg::reply_t       s_ctrl_reply,
  output      axi_pkg::request_t     m_mem,
  input  wire axi_pkg::reply_t       m_mem_reply,
  output      logic                  irq,
  output      logic                  busy,
  output      logic                  core_rst_n,
  output      logic                  core_mask_mode,
  output      logic [PIXEL_BITS-1:0] core_in_tdata,
  output      logic                  core_in_tvalid,
  input  wire logic                  core_in_tready,
  input  wire logic [31:0]           core_out_tdata,
  input  wire logic                  core_out_tvalid,
  output      logic                  core_out_tready,
  input  wire logic                  core_out_tlast
);
  import edgeseg_registers_pkg::STATUS_BUSY_WRITE;

  localparam int unsigned PIXELS = HEIGHT * WIDTH;
  localparam int unsigned OUT_PIXELS = OUT_HEIGHT * OUT_WIDTH;
  localparam int unsigned BEAT_BYTES = 8;
  // the fewest pixels that fill whole beats, and how many beats
  localparam int unsigned GROUP_PIXELS = (CHANNELS % 8 == 0) ? 1 : (CHANNELS % 4 == 0) ? 2 : (CHANNELS % 2 == 0) ? 4 : 8;
  localparam int unsigned GROUP_BEATS = GROUP_PIXELS * CHANNELS / BEAT_BYTES;
  localparam int unsigned IN_BEATS = (PIXELS + GROUP_PIXELS - 1) / GROUP_PIXELS * GROUP_BEATS;
  // words of a result, always even in number
  localparam int unsigned LOGIT_WORDS = (OUT_PIXELS * CLASSES + 1) / 2 * 2;
  localparam int unsigned MASK_BEAT_PIXELS = (CLASSES == 1) ? 64 : 8;
  localparam int unsigned MASK_WORDS = (OUT_PIXELS + MASK_BEAT_PIXELS - 1) / MASK_BEAT_PIXELS * 2;
  localparam int unsigned WORD_BITS = $clog2(LOGIT_WORDS + 1);  // a mask has no more words

  // registers
  logic        write_en, write_error, read_en, read_error;
  logic [11:0] write_addr, read_addr;
  logic [31:0] write_data, read_data;
  logic [3:0]  write_strb;

  axi_control #(
    .BASE(CONTROL_BASE)
  ) control (
    .ap_clk     (ap_clk),
    .ap_rst_n   (ap_rst_n),
    .s_axi      (s_ctrl),
    .s_axi_reply(s_ctrl_reply),
    .write_en   (write_en),
    .write_addr (write_addr),
    .write_data (write_data),
    .write_strb (write_strb),
    .write_error(write_error),
    .read_en    (read_en),
    .read_addr  (read_addr),
    .read_data  (read_data),
    .read_error (read_error)
  );

  logic        start, soft_reset, mask_mode, resetting, cleared, done;
  logic [63:0] source, destination;
  logic [31:0] frames, frame_cycles, frames_done, job_cycles;
  logic        read_decerr, read_slverr, write_decerr, write_slverr, early, late;
  logic        source_misaligned, destination_misaligned, address_range;
  logic        read_quiet, write_quiet;
  wire logic [STATUS_BUSY_WRITE-1:0] errors = {
    late, early, address_range, destination_misaligned, source_misaligned,
    write_slverr, write_decerr, read_slverr, read_decerr
  };

  register_file #(
    .HEIGHT      (HEIGHT),
    .WIDTH       (WIDTH),
    .OUT_HEIGHT  (OUT_HEIGHT),
    .OUT_WIDTH   (OUT_WIDTH),
    .CHANNELS    (CHANNELS),
    .CLASSES     (CLASSES),
    .ADDRESS_BITS(ADDRESS_BITS),
    .NETWORK_HASH(NETWORK_HASH)
  ) registers (
    .ap_clk      (ap_clk),
    .ap_rst_n    (ap_rst_n),
    .write_en    (write_en),
    .write_addr  (write_addr),
    .write_data  (write_data),
    .write_strb  (write_strb),
    .write_error (write_error),
    .read_en     (read_en),
    .read_addr   (read_addr),
    .read_data   (read_data),
    .read_error  (read_error),
    .irq         (irq),
    .start       (start),
    .soft_reset  (soft_reset),
    .source      (source),
    .destination (destination),
    .frames      (frames),
    .mask_mode   (mask_mode),
    .busy        (busy),
    .resetting   (resetting),
    .cleared     (cleared),
    .done        (done),
    .errors      (errors),
    .reading     (!read_quiet),
    .writing     (!write_quiet),
    .input_waits (core_in_tvalid && !core_in_tready),
    .output_waits(busy && !core_out_tvalid),
    .frame_cycles(frame_cycles),
    .frames_done (frames_done),
    .job_cycles  (job_cycles)
  );

  logic run, halt, read_idle, write_idle, frame_end;

  job_control #(
    .ADDRESS_BITS(ADDRESS_BITS)
  ) job (
    .ap_clk                (ap_clk),
    .ap_rst_n              (ap_rst_n),
    .start                 (start),
    .soft_reset            (soft_reset),
    .source                (source),
    .destination           (destination),
    .frames                (frames),
    .busy                  (busy),
    .resetting             (resetting),
    .cleared               (cleared),
    .done                  (done),
    .source_misaligned     (source_misaligned),
    .destination_misaligned(destination_misaligned),
    .address_range         (address_range),
    .frame_cycles          (frame_cycles),
    .frames_done           (frames_done),
    .job_cycles            (job_cycles),
    .run                   (run),
    .halt                  (halt),
    .core_rst_n            (core_rst_n),
    .idle                  (read_idle && write_idle),
    .quiet                 (read_quiet && write_quiet),
    .frame_end             (frame_end)
  );

  // memory to core
  logic [63:0] beat_tdata;
  logic        beat_tvalid, beat_tready;

  read_dma #(
    .MAX_BURST   (MAX_BURST),
    .FRAME_BEATS (IN_BEATS),
    .ADDRESS_BITS(ADDRESS_BITS)
  ) reader (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .start        (run),
    .halt         (halt),
    .source       (source),
    .frames       (frames),
    .idle         (read_idle),
    .quiet        (read_quiet),
    .decerr       (read_decerr),
    .slverr       (read_slverr),
    .ar           (m_mem.ar),
    .ar_ready     (m_mem_reply.ar_ready),
    .r            (m_mem_reply.r),
    .r_ready      (m_mem.r_ready),
    .m_axis_tdata (beat_tdata),
    .m_axis_tvalid(beat_tvalid),
    .m_axis_tready(beat_tready)
  );

  // GROUP_BEATS beats hold GROUP_PIXELS pixels
  logic [PIXEL_BITS*GROUP_PIXELS-1:0] group_tdata;
  logic                               group_tvalid, group_tready;

  stream_width #(
    .ELEMENT_BITS(8),
    .IN_ELEMENTS (BEAT_BYTES),
    .OUT_ELEMENTS(GROUP_BEATS * BEAT_BYTES)
  ) gather (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .s_axis_tdata (beat_tdata),
    .s_axis_tvalid(beat_tvalid),
    .s_axis_tready(beat_tready),
    .m_axis_tdata (group_tdata),
    .m_axis_tvalid(group_tvalid),
    .m_axis_tready(group_tready)
  );

  beat_select #(
    .ELEMENT_BITS(PIXEL_BITS),
    .COUNT       (GROUP_PIXELS),
    .FRAME       (PIXELS)
  ) spread (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .s_axis_tdata (group_tdata),
    .s_axis_tvalid(group_tvalid),
    .s_axis_tready(group_tready),
    .m_axis_tdata (core_in_tdata),
    .m_axis_tvalid(core_in_tvalid),
    .m_axis_tready(core_in_tready)
  );

  // core to memory
  wire logic [WORD_BITS-1:0] words = mask_mode ? WORD_BITS'(MASK_WORDS) : WORD_BITS'(LOGIT_WORDS);
  logic [31:0] word_tdata;
  logic        word_tvalid, word_tready;
  logic [63:0] pair_tdata;
  logic        pair_tvalid, pair_tready;

  frame_counter #(
    .WORD_BITS(WORD_BITS)
  ) frame_check (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .start        (run),
    .frames       (frames),
    .frame_words  (words),
    .frame_end    (frame_end),
    .early        (early),
    .late         (late),
    .s_axis_tdata (core_out_tdata),
    .s_axis_tvalid(core_out_tvalid),
    .s_axis_tready(core_out_tready),
    .s_axis_tlast (core_out_tlast),
    .m_axis_tdata (word_tdata),
    .m_axis_tvalid(word_tvalid),
    .m_axis_tready(word_tready)
  );

  stream_width #(
    .ELEMENT_BITS(32),
    .IN_ELEMENTS (1),
    .OUT_ELEMENTS(2)
  ) pair (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .s_axis_tdata (word_tdata),
    .s_axis_tvalid(word_tvalid),
    .s_axis_tready(word_tready),
    .m_axis_tdata (pair_tdata),
    .m_axis_tvalid(pair_tvalid),
    .m_axis_tready(pair_tready)
  );

  write_dma #(
    .MAX_BURST   (MAX_BURST),
    .FRAME_BITS  (WORD_BITS),
    .ADDRESS_BITS(ADDRESS_BITS)
  ) writer (
    .ap_clk       (ap_clk),
    .ap_rst_n     (core_rst_n),
    .start        (run),
    .halt         (halt),
    .destination  (destination),
    .frames       (frames),
    .frame_beats  (words >> 1),
    .idle         (write_idle),
    .quiet        (write_quiet),
    .decerr       (write_decerr),
    .slverr       (write_slverr),
    .aw           (m_mem.aw),
    .aw_ready     (m_mem_reply.aw_ready),
    .w            (m_mem.w),
    .w_ready      (m_mem_reply.w_ready),
    .b            (m_mem_reply.b),
    .b_ready      (m_mem.b_ready),
    .s_axis_tdata (pair_tdata),
    .s_axis_tvalid(pair_tvalid),
    .s_axis_tready(pair_tready)
  );

  assign core_mask_mode = mask_mode;

endmodule
`default_nettype wire
