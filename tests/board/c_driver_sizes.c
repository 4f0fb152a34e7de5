/* edgeseg.h against the simulated shell around results of 3 x 5 of 6 x 10 pixels. */
#define main main_of_one_class
#include "c_driver.c"
#undef main

#define SIZE 15
#define STEP 4

int main(void) {
    edgeseg_t device = {NULL, -1, 0};
    const uint64_t destination = MEMORY + 0x8000;
    uint8_t *source, *result;
    uint64_t frame, in, out;
    int i;

    board = board_create(MEMORY, 1 << 16, 3, 1);
    board_timing(board, 0.3, 20);
    source = board_memory(board);
    result = source + 0x8000;
    in = edgeseg_input_bytes(&device);
    CHECK(in == 192 && edgeseg_result_pixels(&device) == SIZE);
    CHECK(edgeseg_result_bytes(&device, 0) == 64 && edgeseg_result_bytes(&device, 1) == 8);
    for (i = 0; i < (int)(2 * in); ++i) source[i] = (uint8_t)(i * 37 % 0xF0);
    CHECK(edgeseg_run(&device, MEMORY, destination, 2, 0, 100000) == EDGESEG_OK);
    out = edgeseg_result_bytes(&device, 0);
    for (frame = 0; frame < 2; ++frame)
        for (i = 0; i < SIZE; ++i) {
            const uint8_t *pixel = source + frame * in + 3 * STEP * i;
            const int32_t *logits = (const int32_t *)(const void *)(result + frame * out);
            CHECK(logits[i] == pixel[0] + 2 * pixel[1] - 2 * pixel[2]);
        }
    (void)main_of_one_class;
    puts("exact");
    return 0;
}
