"""Registers of the accelerator's shell: byte offsets, and masks of their fields.

Generated from hw_build/implement/shell/registers.toml by `python -m hw_build.implement.shell.registers`: edit that file.
"""

# Control of a job, as ap_ctrl of Vitis HLS. A job runs FRAMES frames.
CTRL = 0x00
CTRL_START = 1 << 0  # w1s: starts a job; ignored while one runs or a reset drains
CTRL_DONE = 1 << 1  # cor: the job has ended: every write response is in, or it was refused
CTRL_IDLE = 1 << 2  # ro: no job runs and no reset drains
CTRL_READY = 1 << 3  # cor: the next job may be set up; comes with DONE
# Global interrupt enable.
GIE = 0x04
GIE_ENABLE = 1 << 0  # rw: the interrupt line follows ISR
# Interrupt enable: which events set their bit of ISR.
IER = 0x08
IER_DONE = 1 << 0  # rw: the job has ended
IER_READY = 1 << 1  # rw: the next job may be set up
# Interrupt status. (Vitis HLS toggles a bit where a 1 is written; here a 1 only ever clears.)
ISR = 0x0C
ISR_DONE = 1 << 0  # w1c: the job has ended
ISR_READY = 1 << 1  # w1c: the next job may be set up
# Physical address of the first frame of codes, low word. A multiple of 8.
SOURCE_LO = 0x10
# The same, high word.
SOURCE_HI = 0x14
# Frames to run, back to back in memory on both sides. 0: the job is done at once.
FRAMES = 0x1C
# Physical address of the first frame of results, low word. A multiple of 8.
DESTINATION_LO = 0x24
# The same, high word.
DESTINATION_HI = 0x28
# What a job writes: int32 logits, CLASSES a pixel, or what they decide, packed.
OUTPUT_MODE = 0x30
OUTPUT_MODE_MASK = 1 << 0  # rw: 1: one bit a pixel, 32 pixels a word, the first in bit 0; of several classes one byte a pixel, the index of the largest logit
# Errors since they were last cleared (bits 0 to 15), and what the shell does now (bits 16 and up).
STATUS = 0x34
STATUS_READ_DECERR = 1 << 0  # w1c: no memory at an address that was read
STATUS_READ_SLVERR = 1 << 1  # w1c: the memory refused a read
STATUS_WRITE_DECERR = 1 << 2  # w1c: no memory at an address that was written
STATUS_WRITE_SLVERR = 1 << 3  # w1c: the memory refused a write
STATUS_SOURCE_MISALIGNED = 1 << 4  # w1c: the source address was no multiple of 8: job refused
STATUS_DESTINATION_MISALIGNED = 1 << 5  # w1c: the destination was no multiple of 8: job refused
STATUS_ADDRESS_RANGE = 1 << 6  # w1c: an address has more than ADDRESS_BITS bits: job refused
STATUS_TLAST_EARLY = 1 << 7  # w1c: the accelerator ended a frame before its last word; reset it
STATUS_TLAST_LATE = 1 << 8  # w1c: the accelerator did not end a frame at its last word; reset it
STATUS_BUSY_WRITE = 1 << 9  # w1c: a register was written, or START set, while a job ran: ignored
STATUS_READING = 1 << 16  # ro: read bursts are outstanding
STATUS_WRITING = 1 << 17  # ro: write bursts are outstanding
STATUS_INPUT_WAITS = 1 << 18  # ro: a pixel is offered that the accelerator does not take
STATUS_OUTPUT_WAITS = 1 << 19  # ro: a job runs and the accelerator offers no word
# Clock cycles of the last frame: from the end of the frame before, or from START, to its last word.
FRAME_CYCLES = 0x38
# Frames of this job whose last word has left the accelerator. DONE says when they are in memory.
FRAMES_DONE = 0x3C
# Clock cycles of the last job, from START to DONE; counts on while a job runs.
JOB_CYCLES = 0x40
# Ends whatever runs.
SOFT_RESET = 0x44
SOFT_RESET_RESET = 1 << 0  # w1s: ends what was begun on the bus, then resets the accelerator, the job, STATUS, ISR and DONE; reads 1 until then
# 'ESEG' in ASCII.
IDENTITY = 0x50
IDENTITY_VALUE = 0x45534547
# Version of this register map, major in the upper half, minor in the lower.
VERSION = 0x54
VERSION_VALUE = 0x00010002
# Low word of the 64-bit hash of network and folding that io_spec.json names, too.
NETWORK_HASH_LO = 0x58
# The same, high word.
NETWORK_HASH_HI = 0x5C
# Rows of a frame.
HEIGHT = 0x60
# Columns of a frame.
WIDTH = 0x64
# Codes of a pixel, one byte each.
CHANNELS = 0x68
# Bits of a memory address that the shell can reach.
ADDRESS_BITS = 0x6C
# Logits of a pixel. (From version 1.1 on; before, one.)
CLASSES = 0x70
# Rows of a result. (From version 1.2 on; before, HEIGHT.)
OUT_HEIGHT = 0x74
# Columns of a result. (From version 1.2 on; before, WIDTH.)
OUT_WIDTH = 0x78

# name -> (offset, may be written, meaning, ((field, bit, access, meaning), ...))
REGISTERS = {
    'CTRL': (0, True, 'Control of a job, as ap_ctrl of Vitis HLS. A job runs FRAMES frames.', (('START', 0, 'w1s', 'starts a job; ignored while one runs or a reset drains'), ('DONE', 1, 'cor', 'the job has ended: every write response is in, or it was refused'), ('IDLE', 2, 'ro', 'no job runs and no reset drains'), ('READY', 3, 'cor', 'the next job may be set up; comes with DONE'),)),
    'GIE': (4, True, 'Global interrupt enable.', (('ENABLE', 0, 'rw', 'the interrupt line follows ISR'),)),
    'IER': (8, True, 'Interrupt enable: which events set their bit of ISR.', (('DONE', 0, 'rw', 'the job has ended'), ('READY', 1, 'rw', 'the next job may be set up'),)),
    'ISR': (12, True, 'Interrupt status. (Vitis HLS toggles a bit where a 1 is written; here a 1 only ever clears.)', (('DONE', 0, 'w1c', 'the job has ended'), ('READY', 1, 'w1c', 'the next job may be set up'),)),
    'SOURCE_LO': (16, True, 'Physical address of the first frame of codes, low word. A multiple of 8.', ()),
    'SOURCE_HI': (20, True, 'The same, high word.', ()),
    'FRAMES': (28, True, 'Frames to run, back to back in memory on both sides. 0: the job is done at once.', ()),
    'DESTINATION_LO': (36, True, 'Physical address of the first frame of results, low word. A multiple of 8.', ()),
    'DESTINATION_HI': (40, True, 'The same, high word.', ()),
    'OUTPUT_MODE': (48, True, 'What a job writes: int32 logits, CLASSES a pixel, or what they decide, packed.', (('MASK', 0, 'rw', '1: one bit a pixel, 32 pixels a word, the first in bit 0; of several classes one byte a pixel, the index of the largest logit'),)),
    'STATUS': (52, True, 'Errors since they were last cleared (bits 0 to 15), and what the shell does now (bits 16 and up).', (('READ_DECERR', 0, 'w1c', 'no memory at an address that was read'), ('READ_SLVERR', 1, 'w1c', 'the memory refused a read'), ('WRITE_DECERR', 2, 'w1c', 'no memory at an address that was written'), ('WRITE_SLVERR', 3, 'w1c', 'the memory refused a write'), ('SOURCE_MISALIGNED', 4, 'w1c', 'the source address was no multiple of 8: job refused'), ('DESTINATION_MISALIGNED', 5, 'w1c', 'the destination was no multiple of 8: job refused'), ('ADDRESS_RANGE', 6, 'w1c', 'an address has more than ADDRESS_BITS bits: job refused'), ('TLAST_EARLY', 7, 'w1c', 'the accelerator ended a frame before its last word; reset it'), ('TLAST_LATE', 8, 'w1c', 'the accelerator did not end a frame at its last word; reset it'), ('BUSY_WRITE', 9, 'w1c', 'a register was written, or START set, while a job ran: ignored'), ('READING', 16, 'ro', 'read bursts are outstanding'), ('WRITING', 17, 'ro', 'write bursts are outstanding'), ('INPUT_WAITS', 18, 'ro', 'a pixel is offered that the accelerator does not take'), ('OUTPUT_WAITS', 19, 'ro', 'a job runs and the accelerator offers no word'),)),
    'FRAME_CYCLES': (56, False, 'Clock cycles of the last frame: from the end of the frame before, or from START, to its last word.', ()),
    'FRAMES_DONE': (60, False, 'Frames of this job whose last word has left the accelerator. DONE says when they are in memory.', ()),
    'JOB_CYCLES': (64, False, 'Clock cycles of the last job, from START to DONE; counts on while a job runs.', ()),
    'SOFT_RESET': (68, True, 'Ends whatever runs.', (('RESET', 0, 'w1s', 'ends what was begun on the bus, then resets the accelerator, the job, STATUS, ISR and DONE; reads 1 until then'),)),
    'IDENTITY': (80, False, "'ESEG' in ASCII.", ()),
    'VERSION': (84, False, 'Version of this register map, major in the upper half, minor in the lower.', ()),
    'NETWORK_HASH_LO': (88, False, 'Low word of the 64-bit hash of network and folding that io_spec.json names, too.', ()),
    'NETWORK_HASH_HI': (92, False, 'The same, high word.', ()),
    'HEIGHT': (96, False, 'Rows of a frame.', ()),
    'WIDTH': (100, False, 'Columns of a frame.', ()),
    'CHANNELS': (104, False, 'Codes of a pixel, one byte each.', ()),
    'ADDRESS_BITS': (108, False, 'Bits of a memory address that the shell can reach.', ()),
    'CLASSES': (112, False, 'Logits of a pixel. (From version 1.1 on; before, one.)', ()),
    'OUT_HEIGHT': (116, False, 'Rows of a result. (From version 1.2 on; before, HEIGHT.)', ()),
    'OUT_WIDTH': (120, False, 'Columns of a result. (From version 1.2 on; before, WIDTH.)', ()),
}
