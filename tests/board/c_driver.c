/* edgeseg.h against the simulated shell: its registers are reached through the simulation's C interface. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *board_create(uint64_t base, uint64_t bytes, int protocol, uint64_t seed);
extern uint8_t *board_memory(void *board);
extern int board_burst_read(void *, uint64_t, int, int, int, int, uint32_t *, int *);
extern int board_burst_write(void *, uint64_t, int, int, int, int, int, const uint32_t *);
extern void board_inject(void *board, int port, int fault, uint64_t after);
extern void board_timing(void *board, double stall, int latency);

static void *board;
static const uint64_t CONTROL = 0x43C00000u, MEMORY = 0x10000000u;

static uint32_t read_register(uint32_t offset) {
    uint32_t value = 0;
    int response = 0;
    if (board_burst_read(board, CONTROL + offset, 1, 1, 2, 0, &value, &response) || response) abort();
    return value;
}

static void write_register(uint32_t offset, uint32_t value) {
    if (board_burst_write(board, CONTROL + offset, 1, 1, 2, 15, 0, &value)) abort();
}

#define EDGESEG_READ(device, offset) ((void)(device), read_register(offset))
#define EDGESEG_WRITE(device, offset, value) ((void)(device), write_register(offset, value))
#include "edgeseg.h"

#define PIXELS 256
#define CHECK(condition) \
    if (!(condition)) return printf("line %d: %s\n", __LINE__, #condition), 1

/* The stand-in accelerator's logit of a pixel. */
static int32_t logit(const uint8_t *pixel) { return pixel[0] + 2 * pixel[1] - 2 * pixel[2]; }

int main(void) {
    edgeseg_t device = {NULL, -1, 0};
    const uint64_t hash = UINT64_C(0x0123456789ABCDEF), destination = MEMORY + 0x8000;
    uint8_t *source, *result;
    char text[200];
    uint32_t i;

    board = board_create(MEMORY, 1 << 16, 3, 1);
    board_timing(board, 0.1, 20);
    source = board_memory(board);
    result = source + 0x8000;
    for (i = 0; i < 2 * 3 * PIXELS; ++i) source[i] = (uint8_t)(i * 37u % 0xF0u);

    CHECK(edgeseg_identify(&device, hash) == EDGESEG_OK);
    CHECK(edgeseg_identify(&device, hash + 1) == EDGESEG_E_NETWORK);
    CHECK(edgeseg_reset(&device) == EDGESEG_OK);
    CHECK(edgeseg_classes(&device) == 1 && edgeseg_input_bytes(&device) == 3 * PIXELS);
    CHECK(edgeseg_result_bytes(&device, 0) == 4 * PIXELS && edgeseg_result_bytes(&device, 1) == PIXELS / 8);

    CHECK(edgeseg_run(&device, MEMORY, destination, 2, 1, 100000) == EDGESEG_OK);
    for (i = 0; i < 2 * PIXELS; ++i) CHECK((result[i / 8] >> i % 8 & 1) == (logit(source + 3 * i) > 0));
    CHECK(edgeseg_run(&device, MEMORY, destination, 1, 0, 100000) == EDGESEG_OK);
    for (i = 0; i < PIXELS; ++i) CHECK(((const int32_t *)(const void *)result)[i] == logit(source + 3 * i));

    CHECK(edgeseg_run(&device, MEMORY + 4, destination, 1, 1, 100000) == EDGESEG_E_TRANSFER);
    CHECK(!strcmp(edgeseg_explain(device.status, text, sizeof text), "SOURCE_MISALIGNED"));
    board_inject(board, 0, 1, 2);
    CHECK(edgeseg_run(&device, MEMORY, destination, 1, 1, 100000) == EDGESEG_E_TRANSFER);
    CHECK(strstr(edgeseg_explain(device.status, text, sizeof text), "READ_SLVERR"));
    CHECK(strlen(edgeseg_explain(0xFFFFFFFFu, text, 12)) < 12);

    CHECK(edgeseg_start(&device, MEMORY, destination, 1, 1) == EDGESEG_OK);
    CHECK(edgeseg_start(&device, MEMORY, destination, 1, 1) == EDGESEG_E_BUSY);
    CHECK(edgeseg_wait(&device, 20) == EDGESEG_E_TIMEOUT); /* reset in mid-frame */
    CHECK(edgeseg_run(&device, MEMORY, destination, 1, 1, 100000) == EDGESEG_OK);
    for (i = 0; i < PIXELS; ++i) CHECK((result[i / 8] >> i % 8 & 1) == (logit(source + 3 * i) > 0));

    CHECK(edgeseg_open(&device, "/nonexistent", 0) == EDGESEG_E_OPEN);
    for (i = 0; i <= 10; ++i) CHECK(strcmp(edgeseg_message(-(int)i), "unknown error"));
    puts("exact");
    return 0;
}
