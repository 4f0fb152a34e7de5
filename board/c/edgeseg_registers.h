/* Registers of the accelerator's shell: byte offsets, and masks of their fields.
 * Generated from hw_build/implement/shell/registers.toml by `python -m hw_build.implement.shell.registers`: edit that file. */
#ifndef EDGESEG_REGISTERS_H
#define EDGESEG_REGISTERS_H

/* Control of a job, as ap_ctrl of Vitis HLS. A job runs FRAMES frames. */
#define EDGESEG_CTRL 0x00u
#define EDGESEG_CTRL_START (1u << 0) /* w1s: starts a job; ignored while one runs or a reset drains */
#define EDGESEG_CTRL_DONE (1u << 1) /* cor: the job has ended: every write response is in, or it was refused */
#define EDGESEG_CTRL_IDLE (1u << 2) /* ro: no job runs and no reset drains */
#define EDGESEG_CTRL_READY (1u << 3) /* cor: the next job may be set up; comes with DONE */

/* Global interrupt enable. */
#define EDGESEG_GIE 0x04u
#define EDGESEG_GIE_ENABLE (1u << 0) /* rw: the interrupt line follows ISR */

/* Interrupt enable: which events set their bit of ISR. */
#define EDGESEG_IER 0x08u
#define EDGESEG_IER_DONE (1u << 0) /* rw: the job has ended */
#define EDGESEG_IER_READY (1u << 1) /* rw: the next job may be set up */

/* Interrupt status. (Vitis HLS toggles a bit where a 1 is written; here a 1 only ever clears.) */
#define EDGESEG_ISR 0x0Cu
#define EDGESEG_ISR_DONE (1u << 0) /* w1c: the job has ended */
#define EDGESEG_ISR_READY (1u << 1) /* w1c: the next job may be set up */

/* Physical address of the first frame of codes, low word. A multiple of 8. */
#define EDGESEG_SOURCE_LO 0x10u

/* The same, high word. */
#define EDGESEG_SOURCE_HI 0x14u

/* Frames to run, back to back in memory on both sides. 0: the job is done at once. */
#define EDGESEG_FRAMES 0x1Cu

/* Physical address of the first frame of results, low word. A multiple of 8. */
#define EDGESEG_DESTINATION_LO 0x24u

/* The same, high word. */
#define EDGESEG_DESTINATION_HI 0x28u

/* What a job writes: int32 logits, CLASSES a pixel, or what they decide, packed. */
#define EDGESEG_OUTPUT_MODE 0x30u
#define EDGESEG_OUTPUT_MODE_MASK (1u << 0) /* rw: 1: one bit a pixel, 32 pixels a word, the first in bit 0; of several classes one byte a pixel, the index of the largest logit */

/* Errors since they were last cleared (bits 0 to 15), and what the shell does now (bits 16 and up). */
#define EDGESEG_STATUS 0x34u
#define EDGESEG_STATUS_READ_DECERR (1u << 0) /* w1c: no memory at an address that was read */
#define EDGESEG_STATUS_READ_SLVERR (1u << 1) /* w1c: the memory refused a read */
#define EDGESEG_STATUS_WRITE_DECERR (1u << 2) /* w1c: no memory at an address that was written */
#define EDGESEG_STATUS_WRITE_SLVERR (1u << 3) /* w1c: the memory refused a write */
#define EDGESEG_STATUS_SOURCE_MISALIGNED (1u << 4) /* w1c: the source address was no multiple of 8: job refused */
#define EDGESEG_STATUS_DESTINATION_MISALIGNED (1u << 5) /* w1c: the destination was no multiple of 8: job refused */
#define EDGESEG_STATUS_ADDRESS_RANGE (1u << 6) /* w1c: an address has more than ADDRESS_BITS bits: job refused */
#define EDGESEG_STATUS_TLAST_EARLY (1u << 7) /* w1c: the accelerator ended a frame before its last word; reset it */
#define EDGESEG_STATUS_TLAST_LATE (1u << 8) /* w1c: the accelerator did not end a frame at its last word; reset it */
#define EDGESEG_STATUS_BUSY_WRITE (1u << 9) /* w1c: a register was written, or START set, while a job ran: ignored */
#define EDGESEG_STATUS_READING (1u << 16) /* ro: read bursts are outstanding */
#define EDGESEG_STATUS_WRITING (1u << 17) /* ro: write bursts are outstanding */
#define EDGESEG_STATUS_INPUT_WAITS (1u << 18) /* ro: a pixel is offered that the accelerator does not take */
#define EDGESEG_STATUS_OUTPUT_WAITS (1u << 19) /* ro: a job runs and the accelerator offers no word */

/* Clock cycles of the last frame: from the end of the frame before, or from START, to its last word. */
#define EDGESEG_FRAME_CYCLES 0x38u

/* Frames of this job whose last word has left the accelerator. DONE says when they are in memory. */
#define EDGESEG_FRAMES_DONE 0x3Cu

/* Clock cycles of the last job, from START to DONE; counts on while a job runs. */
#define EDGESEG_JOB_CYCLES 0x40u

/* Ends whatever runs. */
#define EDGESEG_SOFT_RESET 0x44u
#define EDGESEG_SOFT_RESET_RESET (1u << 0) /* w1s: ends what was begun on the bus, then resets the accelerator, the job, STATUS, ISR and DONE; reads 1 until then */

/* 'ESEG' in ASCII. */
#define EDGESEG_IDENTITY 0x50u
#define EDGESEG_IDENTITY_VALUE 0x45534547u

/* Version of this register map, major in the upper half, minor in the lower. */
#define EDGESEG_VERSION 0x54u
#define EDGESEG_VERSION_VALUE 0x00010002u

/* Low word of the 64-bit hash of network and folding that io_spec.json names, too. */
#define EDGESEG_NETWORK_HASH_LO 0x58u

/* The same, high word. */
#define EDGESEG_NETWORK_HASH_HI 0x5Cu

/* Rows of a frame. */
#define EDGESEG_HEIGHT 0x60u

/* Columns of a frame. */
#define EDGESEG_WIDTH 0x64u

/* Codes of a pixel, one byte each. */
#define EDGESEG_CHANNELS 0x68u

/* Bits of a memory address that the shell can reach. */
#define EDGESEG_ADDRESS_BITS 0x6Cu

/* Logits of a pixel. (From version 1.1 on; before, one.) */
#define EDGESEG_CLASSES 0x70u

/* Rows of a result. (From version 1.2 on; before, HEIGHT.) */
#define EDGESEG_OUT_HEIGHT 0x74u

/* Columns of a result. (From version 1.2 on; before, WIDTH.) */
#define EDGESEG_OUT_WIDTH 0x78u

#endif
