// Sums of 2x2 pixels with stride 2 for Vitis HLS: four times their average, in exact integers.
//
// Streams: pixels in raster order, one frame a call; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p in
// bits [p*width +: width]. X and Y are ap_int or ap_uint alike, Y two bits wider. One input beat an iteration: of an even
// row the sums of two pixels stay in a line until the odd row adds its own.
// Limits: HEIGHT and WIDTH are even, PE divides CHANNELS. C++14.
#ifndef EDGESEG_AVERAGE_POOL2X2_HPP
#define EDGESEG_AVERAGE_POOL2X2_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int CHANNELS, int PE, typename X, typename Y>
void average_pool2x2(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out) {
    static_assert(HEIGHT % 2 == 0 && WIDTH % 2 == 0, "height and width must be even");
    static_assert(CHANNELS % PE == 0, "PE must divide CHANNELS");
    static_assert(Y::width == X::width + 2, "Y must hold four times X");
    constexpr int GROUPS = CHANNELS / PE;

    ap_uint<PE * Y::width> line[WIDTH / 2 * GROUPS];  // sums of an even row
    ap_uint<PE * X::width> left[GROUPS];              // the even pixel of a pair

    for (int row = 0; row < HEIGHT; row++) {
        for (int col = 0; col < WIDTH; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const ap_uint<PE * X::width> right = in.read(), before = left[group];
                const int place = col / 2 * GROUPS + group;
                if (col % 2 == 0) {
                    left[group] = right;
                } else {
                    ap_uint<PE * Y::width> above = 0, sums = 0;
                    if (row % 2 == 1) above = line[place];
                    for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                        const X a = before.range((lane + 1) * X::width - 1, lane * X::width);
                        const X b = right.range((lane + 1) * X::width - 1, lane * X::width);
                        const Y c = above.range((lane + 1) * Y::width - 1, lane * Y::width);
                        const Y sum = a + b + c;
                        sums.range((lane + 1) * Y::width - 1, lane * Y::width) = sum;
                    }
                    if (row % 2 == 0) line[place] = sums;
                    else out.write(sums);
                }
            }
        }
    }
}

#endif
