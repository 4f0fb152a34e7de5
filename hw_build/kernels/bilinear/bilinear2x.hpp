// Bilinear x2 upsampling (align_corners=False) in exact integers for Vitis HLS; Y is 16 times the interpolated value.
//
//   rows:    V[2y] = X[y-1] + 3*X[y]      V[2y+1] = 3*X[y] + X[y+1]        (X[-1] = X[0], X[HEIGHT] = X[HEIGHT-1])
//   columns: the same on V, so that a pixel weighs 1, 3, 3 and 9 sixteenths in its neighbours
//
// Streams: pixels in raster order, one frame a call; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p in
// bits [p*width +: width]. X, V and Y are ap_int or ap_uint alike, V two bits wider than X, Y four.
//
// How. Each output row walks through its two input rows once: the newer one from the stream where it is new, else from
// its line. The two interpolated columns around an output pixel are kept for each beat. One output beat an iteration.
// Limits: PE divides CHANNELS; HEIGHT, WIDTH >= 1. C++14.
#ifndef EDGESEG_BILINEAR2X_HPP
#define EDGESEG_BILINEAR2X_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int CHANNELS, int PE, typename X, typename V, typename Y>
void bilinear2x(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out) {
    static_assert(CHANNELS % PE == 0, "PE must divide CHANNELS");
    static_assert(V::width == X::width + 2 && Y::width == X::width + 4, "V and Y must hold 4 and 16 times X");
    constexpr int GROUPS = CHANNELS / PE;

    ap_uint<PE * X::width> lines[2][WIDTH * GROUPS];  // even and odd rows of the input
    V left[GROUPS][PE], right[GROUPS][PE];            // columns of V around the output pixel
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=left complete dim=2
#pragma HLS ARRAY_PARTITION variable=right complete dim=2

    for (int row = 0; row < 2 * HEIGHT; row++) {
        const bool first_row = row == 0, last_row = row == 2 * HEIGHT - 1, odd_row = row % 2 == 1;
        const bool new_row = first_row || (odd_row && !last_row);
        const int upper = first_row ? 0 : (row - 1) / 2 % 2;
        const int lower = last_row ? upper : (row + 1) / 2 % 2;
        for (int col = 0; col < 2 * WIDTH; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const bool first_col = col == 0, last_col = col == 2 * WIDTH - 1, odd_col = col % 2 == 1;
                const int place = (col + 1) / 2 * GROUPS + group;
                ap_uint<PE * X::width> above = 0, below = 0;
                if (first_col || (odd_col && !last_col)) {
                    below = new_row ? in.read() : lines[lower][place];
                    above = first_row ? below : lines[upper][place];
                    if (new_row) lines[lower][place] = below;
                }
                ap_uint<PE * Y::width> beat = 0;
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const X a = above.range((lane + 1) * X::width - 1, lane * X::width);
                    const X b = below.range((lane + 1) * X::width - 1, lane * X::width);
                    const V column = a + b + 2 * (odd_row ? a : b);
                    if (first_col) {
                        left[group][lane] = column;
                        right[group][lane] = column;
                    } else if (odd_col) {
                        left[group][lane] = right[group][lane];
                        if (!last_col) right[group][lane] = column;
                    }
                    const V l = left[group][lane], r = right[group][lane];
                    const Y sum = l + r + 2 * (odd_col ? l : r);
                    beat.range((lane + 1) * Y::width - 1, lane * Y::width) = sum;
                }
                out.write(beat);
            }
        }
    }
}

#endif
