/* The accelerator from C or C++, header only: open, identify, run frames, recover.
 *
 *   edgeseg_t device;
 *   int error = edgeseg_open(&device, "/dev/mem", 0x43C00000);     (or "/dev/uio0", 0)
 *   if (!error) error = edgeseg_identify(&device, NETWORK_HASH);   (the number in io_spec.json)
 *   if (!error) error = edgeseg_run(&device, source, destination, 1, 1, 100000000);
 *   if (error) fprintf(stderr, "%s\n", edgeseg_message(error));
 *
 * source and destination are physical addresses of contiguous memory, multiples of 8: HEIGHT x WIDTH x CHANNELS bytes a
 * frame in; out a mask of one bit a pixel, the first in bit 0 of its word, or int32 logits, those of a pixel side by side.
 * Of several classes the mask is one byte a pixel, the index of the largest logit, the first of equals. Frames follow
 * each other at distances of edgeseg_input_bytes and edgeseg_result_bytes, which are more where pixels do not fill beats
 * of 8 bytes; what fills them up is not read, and written as zeros. Whoever owns that memory keeps caches in step: flush
 * the source before, invalidate the destination after; the order of memory and registers is kept here. One process and
 * one thread at a time. Registers and their bits are in edgeseg_registers.h.
 */
#ifndef EDGESEG_H
#define EDGESEG_H

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "edgeseg_registers.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EDGESEG_WINDOW_BYTES 4096u
#define EDGESEG_ERROR_BITS 0xFFFFu       /* of STATUS: sticky errors */
#define EDGESEG_RESET_POLLS 2000         /* of a millisecond each */
#define EDGESEG_STOPPED_CLOCK_POLLS 2000 /* without one clock cycle */
#define EDGESEG_SPINS 1000               /* polls before the first that sleeps */

enum {
    EDGESEG_OK = 0,
    EDGESEG_E_OPEN = -1,
    EDGESEG_E_MAP = -2,
    EDGESEG_E_IDENTITY = -3,
    EDGESEG_E_VERSION = -4,
    EDGESEG_E_NETWORK = -5,
    EDGESEG_E_BUSY = -6,
    EDGESEG_E_TRANSFER = -7,
    EDGESEG_E_TIMEOUT = -8,
    EDGESEG_E_CLOCK = -9,
    EDGESEG_E_RESET = -10
};

typedef struct edgeseg {
    volatile uint32_t *registers;
    int file;
    uint32_t status; /* of the last job that failed, see edgeseg_explain */
} edgeseg_t;

/* What was written to memory is there before START, and what is read after the end is not older than it. */
#if defined(__arm__) || defined(__aarch64__)
#define EDGESEG_BARRIER() __asm__ __volatile__("dsb sy" ::: "memory")
#else
#define EDGESEG_BARRIER() __sync_synchronize()
#endif

/* A test may define both macros to reach registers that are not memory. */
#ifndef EDGESEG_READ
#define EDGESEG_READ(device, offset) ((device)->registers[(offset) / 4u])
#define EDGESEG_WRITE(device, offset, value) ((device)->registers[(offset) / 4u] = (value))
#endif

/* Maps the registers. path "/dev/mem" with their physical address, or "/dev/uioN" with 0. Needs root or its rights. */
static inline int edgeseg_open(edgeseg_t *device, const char *path, uint64_t physical_address) {
    void *window;
    device->registers = NULL;
    device->status = 0;
    device->file = open(path, O_RDWR | O_SYNC);
    if (device->file < 0) return EDGESEG_E_OPEN;
    window = mmap(NULL, EDGESEG_WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, device->file,
                  (off_t)physical_address);
    if (window == MAP_FAILED) {
        close(device->file);
        device->file = -1;
        return EDGESEG_E_MAP;
    }
    device->registers = (volatile uint32_t *)window;
    return EDGESEG_OK;
}

static inline void edgeseg_close(edgeseg_t *device) {
    if (device->registers) munmap((void *)(uintptr_t)device->registers, EDGESEG_WINDOW_BYTES);
    if (device->file >= 0) close(device->file);
    device->registers = NULL;
    device->file = -1;
}

/* EDGESEG_OK when the loaded bitstream is an edgeseg accelerator with the network of that hash. */
static inline int edgeseg_identify(const edgeseg_t *device, uint64_t network_hash) {
    if (EDGESEG_READ(device, EDGESEG_IDENTITY) != EDGESEG_IDENTITY_VALUE) return EDGESEG_E_IDENTITY;
    if (EDGESEG_READ(device, EDGESEG_VERSION) >> 16 != EDGESEG_VERSION_VALUE >> 16) return EDGESEG_E_VERSION;
    if (EDGESEG_READ(device, EDGESEG_NETWORK_HASH_LO) != (uint32_t)network_hash) return EDGESEG_E_NETWORK;
    if (EDGESEG_READ(device, EDGESEG_NETWORK_HASH_HI) != (uint32_t)(network_hash >> 32)) return EDGESEG_E_NETWORK;
    return EDGESEG_OK;
}

/* Logits of a pixel. */
static inline uint32_t edgeseg_classes(const edgeseg_t *device) {
    if (!(EDGESEG_READ(device, EDGESEG_VERSION) & 0xFFFFu)) return 1; /* 1.0 has no such register */
    return EDGESEG_READ(device, EDGESEG_CLASSES);
}

/* Bytes of a frame of codes: the fewest whole pixels that are whole beats of 8 bytes. */
static inline uint64_t edgeseg_input_bytes(const edgeseg_t *device) {
    const uint64_t bytes = EDGESEG_READ(device, EDGESEG_CHANNELS);
    const uint64_t pixels = (uint64_t)EDGESEG_READ(device, EDGESEG_HEIGHT) * EDGESEG_READ(device, EDGESEG_WIDTH);
    uint64_t group = 1; /* pixels in whole beats */
    while (group * bytes % 8u) ++group;
    return (pixels + group - 1u) / group * group * bytes;
}

/* Pixels of a result. */
static inline uint64_t edgeseg_result_pixels(const edgeseg_t *device) {
    const int newer = (EDGESEG_READ(device, EDGESEG_VERSION) & 0xFFFFu) > 1u; /* before 1.2: those of the image */
    return (uint64_t)EDGESEG_READ(device, newer ? EDGESEG_OUT_HEIGHT : EDGESEG_HEIGHT) *
           EDGESEG_READ(device, newer ? EDGESEG_OUT_WIDTH : EDGESEG_WIDTH);
}

/* Bytes of a frame of results, in whole beats; mask 0: of logits. */
static inline uint64_t edgeseg_result_bytes(const edgeseg_t *device, int mask) {
    const uint64_t pixels = edgeseg_result_pixels(device);
    const uint32_t classes = edgeseg_classes(device);
    const uint64_t bytes = !mask ? 4u * classes * pixels : classes > 1u ? pixels : (pixels + 7u) / 8u;
    return (bytes + 7u) / 8u * 8u;
}

/* No job runs and no reset drains. */
static inline int edgeseg_idle(const edgeseg_t *device) {
    return (EDGESEG_READ(device, EDGESEG_CTRL) & EDGESEG_CTRL_IDLE) != 0;
}

/* Soft reset from any state; what was begun on the bus is ended first. */
static inline int edgeseg_reset(const edgeseg_t *device) {
    int polls;
    EDGESEG_WRITE(device, EDGESEG_SOFT_RESET, EDGESEG_SOFT_RESET_RESET);
    for (polls = 0; EDGESEG_READ(device, EDGESEG_SOFT_RESET) & EDGESEG_SOFT_RESET_RESET; ++polls) {
        if (polls >= EDGESEG_SPINS + EDGESEG_RESET_POLLS) return EDGESEG_E_RESET;
        if (polls >= EDGESEG_SPINS) (void)poll(NULL, 0, 1);
    }
    return EDGESEG_OK;
}

/* Starts a job of frames that follow each other in memory; mask 0: logits. EDGESEG_E_BUSY while one runs. */
static inline int edgeseg_start(const edgeseg_t *device, uint64_t source, uint64_t destination, uint32_t frames,
                                int mask) {
    if (!edgeseg_idle(device)) return EDGESEG_E_BUSY;
    EDGESEG_WRITE(device, EDGESEG_STATUS, EDGESEG_ERROR_BITS);
    EDGESEG_WRITE(device, EDGESEG_SOURCE_LO, (uint32_t)source);
    EDGESEG_WRITE(device, EDGESEG_SOURCE_HI, (uint32_t)(source >> 32));
    EDGESEG_WRITE(device, EDGESEG_DESTINATION_LO, (uint32_t)destination);
    EDGESEG_WRITE(device, EDGESEG_DESTINATION_HI, (uint32_t)(destination >> 32));
    EDGESEG_WRITE(device, EDGESEG_FRAMES, frames);
    EDGESEG_WRITE(device, EDGESEG_OUTPUT_MODE, mask ? EDGESEG_OUTPUT_MODE_MASK : 0u);
    EDGESEG_BARRIER();
    EDGESEG_WRITE(device, EDGESEG_CTRL, EDGESEG_CTRL_START);
    return EDGESEG_OK;
}

static inline int edgeseg_failed(edgeseg_t *device, int error) {
    device->status = EDGESEG_READ(device, EDGESEG_STATUS);
    return edgeseg_reset(device) == EDGESEG_OK ? error : EDGESEG_E_RESET;
}

/* Waits for the job's end, at most max_cycles of the accelerator's clock. After an error it has been reset. */
static inline int edgeseg_wait(edgeseg_t *device, uint32_t max_cycles) {
    uint32_t seen = 0;
    int polls = 0, standstill = 0;
    while (!edgeseg_idle(device)) {
        const uint32_t cycles = EDGESEG_READ(device, EDGESEG_JOB_CYCLES);
        if (cycles > max_cycles) return edgeseg_failed(device, EDGESEG_E_TIMEOUT);
        standstill = cycles == seen ? standstill + 1 : 0;
        if (standstill > EDGESEG_SPINS + EDGESEG_STOPPED_CLOCK_POLLS) return edgeseg_failed(device, EDGESEG_E_CLOCK);
        seen = cycles;
        if (polls < EDGESEG_SPINS) {
            ++polls;
        } else {
            (void)poll(NULL, 0, 1);
        }
    }
    EDGESEG_BARRIER();
    if (EDGESEG_READ(device, EDGESEG_STATUS) & EDGESEG_ERROR_BITS) return edgeseg_failed(device, EDGESEG_E_TRANSFER);
    return EDGESEG_OK;
}

/* edgeseg_start, then edgeseg_wait. */
static inline int edgeseg_run(edgeseg_t *device, uint64_t source, uint64_t destination, uint32_t frames, int mask,
                              uint32_t max_cycles) {
    const int error = edgeseg_start(device, source, destination, frames, mask);
    return error ? error : edgeseg_wait(device, max_cycles);
}

/* One sentence for each result. */
static inline const char *edgeseg_message(int error) {
    switch (error) {
        case EDGESEG_OK: return "no error";
        case EDGESEG_E_OPEN: return "the device file cannot be opened: run as root, check its path";
        case EDGESEG_E_MAP: return "the registers cannot be mapped: check their address";
        case EDGESEG_E_IDENTITY: return "the loaded bitstream is no edgeseg accelerator";
        case EDGESEG_E_VERSION: return "the bitstream's register map is of another version than this header";
        case EDGESEG_E_NETWORK: return "the bitstream holds another network than expected";
        case EDGESEG_E_BUSY: return "a job is running: wait for it, or reset";
        case EDGESEG_E_TRANSFER: return "the job failed, see edgeseg_explain; the accelerator has been reset";
        case EDGESEG_E_TIMEOUT: return "the job did not end in time; the accelerator has been reset";
        case EDGESEG_E_CLOCK: return "the accelerator's clock does not run";
        case EDGESEG_E_RESET: return "the soft reset does not end: switch the board off and on";
        default: return "unknown error";
    }
}

/* Names of the bits set in a status, separated by spaces, as far as `bytes` hold them; returns text. */
static inline const char *edgeseg_explain(uint32_t status, char *text, size_t bytes) {
#define EDGESEG_BIT(name) {EDGESEG_STATUS_##name, #name}
    static const struct {
        uint32_t mask;
        const char *name;
    } bits[] = {EDGESEG_BIT(READ_DECERR),        EDGESEG_BIT(READ_SLVERR),
                EDGESEG_BIT(WRITE_DECERR),       EDGESEG_BIT(WRITE_SLVERR),
                EDGESEG_BIT(SOURCE_MISALIGNED),  EDGESEG_BIT(DESTINATION_MISALIGNED),
                EDGESEG_BIT(ADDRESS_RANGE),      EDGESEG_BIT(TLAST_EARLY),
                EDGESEG_BIT(TLAST_LATE),         EDGESEG_BIT(BUSY_WRITE),
                EDGESEG_BIT(READING),            EDGESEG_BIT(WRITING),
                EDGESEG_BIT(INPUT_WAITS),        EDGESEG_BIT(OUTPUT_WAITS)};
#undef EDGESEG_BIT
    size_t used = 0, i;
    if (bytes) text[0] = '\0';
    for (i = 0; i < sizeof bits / sizeof bits[0]; ++i) {
        const size_t length = strlen(bits[i].name);
        if (!(status & bits[i].mask) || used + length + 2 > bytes) continue;
        if (used) text[used++] = ' ';
        memcpy(text + used, bits[i].name, length + 1);
        used += length;
    }
    return text;
}

#ifdef __cplusplus
}
#endif

#endif
