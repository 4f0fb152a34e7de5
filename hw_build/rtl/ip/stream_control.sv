// AXI4-Lite registers of the accelerator as a stream core: output mode, reset, what it is. Offsets as in the shell.
//
// Registers:  OUTPUT_MODE, FRAMES_DONE (since the last reset), SOFT_RESET, NETWORK_HASH_LO/HI, HEIGHT, WIDTH, CHANNELS,
//             CLASSES, OUT_HEIGHT, OUT_WIDTH; every other word of the 4 KiB answers SLVERR.
// Reset:      a write to OUTPUT_MODE or of 1 to SOFT_RESET resets the core for RESET_CYCLES, so that no frame is given
//             half in one mode; frames inside are lost. SOFT_RESET reads 1 until then, and running is low: the streams
//             must stand still.
// Latency:    see axi_control.sv.
`default_nettype none
module stream_control #(
  parameter int unsigned HEIGHT = 16,
  parameter int unsigned WIDTH = 16,
  parameter int unsigned OUT_HEIGHT = HEIGHT,  // of a result
  parameter int unsigned OUT_WIDTH = WIDTH,
  parameter int unsigned CHANNELS = 3,
  parameter int unsigned CLASSES = 1,
  parameter logic [63:0] NETWORK_HASH = '0,
  parameter int unsigned RESET_CYCLES = 32
) (
  input  wire logic        ap_clk,
  input  wire logic        ap_rst_n,
  input  wire logic [11:0] s_axi_awaddr,
  input  wire logic        s_axi_awvalid,
  output      logic        s_axi_awready,
  input  wire logic [31:0] s_axi_wdata,
  input  wire logic [3:0]  s_axi_wstrb,
  input  wire logic        s_axi_wvalid,
  output      logic        s_axi_wready,
  output      logic [1:0]  s_axi_bresp,
  output      logic        s_axi_bvalid,
  input  wire logic        s_axi_bready,
  input  wire logic [11:0] s_axi_araddr,
  input  wire logic        s_axi_arvalid,
  output      logic        s_axi_arready,
  output      logic [31:0] s_axi_rdata,
  output      logic [1:0]  s_axi_rresp,
  output      logic        s_axi_rvalid,
  input  wire logic        s_axi_rready,
  // the core
  output      logic        running,    // also its reset, active low
  output      logic        mask_mode,
  input  wire logic        frame_end   // the last word of a frame is handed over
);
  import edgeseg_registers_pkg::*;

  axi_pkg::request_t request;
  /* verilator lint_off UNUSEDSIGNAL */ // AXI4-Lite has neither IDs nor bursts, and 32 bits
  axi_pkg::reply_t   reply;
  /* verilator lint_on UNUSEDSIGNAL */
  always_comb begin
    request = '0;
    request.aw.valid = s_axi_awvalid;
    request.aw.addr = 64'(s_axi_awaddr);
    request.aw.size = 3'd2;
    request.aw.burst = axi_pkg::INCR;
    request.w.valid = s_axi_wvalid;
    request.w.data = 64'(s_axi_wdata);
    request.w.strb = 8'(s_axi_wstrb);
    request.w.last = 1'b1;
    request.b_ready = s_axi_bready;
    request.ar.valid = s_axi_arvalid;
    request.ar.addr = 64'(s_axi_araddr);
    request.ar.size = 3'd2;
    request.ar.burst = axi_pkg::INCR;
    request.r_ready = s_axi_rready;
  end
  assign s_axi_awready = reply.aw_ready;
  assign s_axi_wready = reply.w_ready;
  assign s_axi_bresp = reply.b.resp;
  assign s_axi_bvalid = reply.b.valid;
  assign s_axi_arready = reply.ar_ready;
  assign s_axi_rdata = reply.r.data[31:0];
  assign s_axi_rresp = reply.r.resp;
  assign s_axi_rvalid = reply.r.valid;

  logic        write_en, write_error, read_error;
  logic [31:0] read_data;
  /* verilator lint_off UNUSEDSIGNAL */ // words of 4 bytes, of which the writable bits are the lowest
  logic [11:0] write_addr, read_addr;
  logic [31:0] write_data;
  logic [3:0]  write_strb;
  /* verilator lint_on UNUSEDSIGNAL */
  /* verilator lint_off PINCONNECTEMPTY */ // no register changes when it is read
  axi_control #(
    .BASE(64'd0)
  ) control (
    .ap_clk     (ap_clk),
    .ap_rst_n   (ap_rst_n),
    .s_axi      (request),
    .s_axi_reply(reply),
    .write_en   (write_en),
    .write_addr (write_addr),
    .write_data (write_data),
    .write_strb (write_strb),
    .write_error(write_error),
    .read_en    (),
    .read_addr  (read_addr),
    .read_data  (read_data),
    .read_error (read_error)
  );
  /* verilator lint_on PINCONNECTEMPTY */

  localparam int unsigned TIMER_BITS = $clog2(RESET_CYCLES);
  logic [TIMER_BITS-1:0] timer_q = '0;
  logic                  running_q = 1'b0, mask_q = 1'b0;
  logic [31:0]           frames_q = '0;

  wire logic [11:0] write_word = {write_addr[11:2], 2'b00};
  wire logic [11:0] read_word = {read_addr[11:2], 2'b00};
  wire logic writes_mode = write_en && write_strb[0] && write_word == OUTPUT_MODE;
  wire logic writes_reset = write_en && write_strb[0] && write_word == SOFT_RESET && write_data[SOFT_RESET_RESET];
  assign write_error = !(write_word inside {OUTPUT_MODE, SOFT_RESET});

  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n) mask_q <= 1'b0;
    else if (writes_mode) mask_q <= write_data[OUTPUT_MODE_MASK];
  end
  always_ff @(posedge ap_clk) begin
    if (!ap_rst_n || writes_mode || writes_reset) begin
      timer_q   <= '0;
      running_q <= 1'b0;
      frames_q  <= '0;
    end else begin
      if (!running_q) timer_q <= timer_q + 1'b1;
      running_q <= running_q || timer_q == TIMER_BITS'(RESET_CYCLES - 1);
      if (frame_end) frames_q <= frames_q + 1'b1;
    end
  end

  always_comb begin
    read_data = '0;
    read_error = 1'b0;
    case (read_word)
      OUTPUT_MODE:     read_data[OUTPUT_MODE_MASK] = mask_q;
      FRAMES_DONE:     read_data = frames_q;
      SOFT_RESET:      read_data[SOFT_RESET_RESET] = !running_q;
      NETWORK_HASH_LO: read_data = NETWORK_HASH[31:0];
      NETWORK_HASH_HI: read_data = NETWORK_HASH[63:32];
      edgeseg_registers_pkg::HEIGHT:   read_data = HEIGHT;
      edgeseg_registers_pkg::WIDTH:    read_data = WIDTH;
      edgeseg_registers_pkg::CHANNELS: read_data = CHANNELS;
      edgeseg_registers_pkg::CLASSES:  read_data = CLASSES;
      edgeseg_registers_pkg::OUT_HEIGHT: read_data = OUT_HEIGHT;
      edgeseg_registers_pkg::OUT_WIDTH: read_data = OUT_WIDTH;
      default:         read_error = 1'b1;
    endcase
  end

  assign running = running_q;
  assign mask_mode = mask_q;

endmodule
`default_nettype wire
