/* edgeseg.h against the simulated shell around four classes of 5 x 7 pixels, which fill no beats. */
#define main main_of_one_class
#include "c_driver.c"
#undef main

#define CLASSES 4
#define SIZE 35

/* The stand-in accelerator's logit of a class. */
static int32_t logit_of(const uint8_t *pixel, int index) { return (pixel[0] >> index) - index; }

static int largest(const uint8_t *pixel) {
    int best = 0, index;
    for (index = 1; index < CLASSES; ++index)
        if (logit_of(pixel, index) > logit_of(pixel, best)) best = index;
    return best;
}

int main(void) {
    edgeseg_t device = {NULL, -1, 0};
    const uint64_t destination = MEMORY + 0x8000;
    uint8_t *source, *result;
    uint64_t frame, in, out;
    int i, k;

    board = board_create(MEMORY, 1 << 16, 3, 1);
    board_timing(board, 0.3, 20);
    source = board_memory(board);
    result = source + 0x8000;
    in = edgeseg_input_bytes(&device);
    CHECK(edgeseg_classes(&device) == CLASSES && in == 120);
    CHECK(edgeseg_result_bytes(&device, 0) == 4 * CLASSES * SIZE && edgeseg_result_bytes(&device, 1) == 40);
    for (i = 0; i < (int)(2 * in); ++i) source[i] = (uint8_t)(i % 11 < 5 ? i % 4 : i * 37 % 0xF0);

    CHECK(edgeseg_run(&device, MEMORY, destination, 2, 1, 100000) == EDGESEG_OK);
    out = edgeseg_result_bytes(&device, 1);
    for (frame = 0; frame < 2; ++frame) {
        for (i = 0; i < SIZE; ++i) CHECK(result[frame * out + i] == largest(source + frame * in + 3 * i));
        for (i = SIZE; i < (int)out; ++i) CHECK(result[frame * out + i] == 0);
    }
    CHECK(edgeseg_run(&device, MEMORY, destination, 2, 0, 100000) == EDGESEG_OK);
    out = edgeseg_result_bytes(&device, 0);
    for (frame = 0; frame < 2; ++frame)
        for (i = 0; i < SIZE; ++i)
            for (k = 0; k < CLASSES; ++k) {
                const int32_t *logits = (const int32_t *)(const void *)(result + frame * out);
                CHECK(logits[i * CLASSES + k] == logit_of(source + frame * in + 3 * i, k));
            }
    (void)main_of_one_class;
    puts("exact");
    return 0;
}
