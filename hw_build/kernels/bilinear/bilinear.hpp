// Bilinear upsampling by FACTOR (align_corners=False) in exact integers for Vitis HLS; Y is (2*FACTOR)**2 times the
// interpolated value.
//
//   rows:    V[y*FACTOR + FACTOR/2 + p] = (2*FACTOR - w)*X[y] + w*X[y+1],  w = 2*p + 1,  p = 0 .. FACTOR-1
//            (X[-1] = X[0], X[HEIGHT] = X[HEIGHT-1])
//   columns: the same on V, so that by two a pixel weighs 1, 3, 3 and 9 sixteenths in its neighbours
//
// Streams: pixels in raster order, one frame a call; a pixel is CHANNELS/PE beats, lane p of beat g is channel g*PE+p in
// bits [p*width +: width]. X, V and Y are ap_int or ap_uint alike, V as many bits wider than X as
// 2*FACTOR - 1 has, Y than V again.
//
// How. Each output row walks through its two input rows once: the newer one from the stream where it is new, else from
// its line. The two interpolated columns around an output pixel are kept for each beat. One output beat an iteration.
// Limits: PE divides CHANNELS; HEIGHT, WIDTH >= 1; FACTOR a power of two, 2 or more. C++14.
#ifndef EDGESEG_BILINEAR_HPP
#define EDGESEG_BILINEAR_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int HEIGHT, int WIDTH, int CHANNELS, int PE, int FACTOR, typename X, typename V, typename Y>
void bilinear(hls::stream<ap_uint<PE * X::width>> &in, hls::stream<ap_uint<PE * Y::width>> &out) {
    static_assert(CHANNELS % PE == 0, "PE must divide CHANNELS");
    static_assert(FACTOR >= 2 && (FACTOR & (FACTOR - 1)) == 0, "FACTOR must be a power of two");
    static_assert((1 << (V::width - X::width)) == 2 * FACTOR && Y::width - V::width == V::width - X::width,
                  "V and Y must hold 2*FACTOR and (2*FACTOR)**2 times X");
    constexpr int GROUPS = CHANNELS / PE;

    ap_uint<PE * X::width> lines[2][WIDTH * GROUPS];  // even and odd rows of the input
    V left[GROUPS][PE], right[GROUPS][PE];            // columns of V around the output pixel
#pragma HLS ARRAY_PARTITION variable=lines complete dim=1
#pragma HLS ARRAY_PARTITION variable=left complete dim=2
#pragma HLS ARRAY_PARTITION variable=right complete dim=2

    constexpr int HALF = FACTOR / 2, ROWS = FACTOR * HEIGHT, COLS = FACTOR * WIDTH;
    for (int row = 0; row < ROWS; row++) {
        const int below_row = (row + HALF) / FACTOR, row_phase = (row + HALF) % FACTOR;
        const bool top = row < HALF, bottom = row >= ROWS - HALF;
        const bool new_row = row == 0 || (row_phase == 0 && !bottom);
        const int lower = (top ? 0 : bottom ? HEIGHT - 1 : below_row) % 2;
        const int upper = top || bottom ? lower : 1 - lower;
        for (int col = 0; col < COLS; col++) {
            for (int group = 0; group < GROUPS; group++) {
#pragma HLS PIPELINE II=1
                const int col_phase = (col + HALF) % FACTOR;
                const bool first_col = col == 0, centre = col_phase == 0, loads = centre && col < COLS - HALF;
                const int place = (col + HALF) / FACTOR * GROUPS + group;
                ap_uint<PE * X::width> above = 0, below = 0;
                if (first_col || loads) {
                    below = new_row ? in.read() : lines[lower][place];
                    above = top || bottom ? below : lines[upper][place];
                    if (new_row) lines[lower][place] = below;
                }
                ap_uint<PE * Y::width> beat = 0;
                for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                    const X a = above.range((lane + 1) * X::width - 1, lane * X::width);
                    const X b = below.range((lane + 1) * X::width - 1, lane * X::width);
                    const V column = (2 * FACTOR - 2 * row_phase - 1) * a + (2 * row_phase + 1) * b;
                    if (first_col) {
                        left[group][lane] = column;
                        right[group][lane] = column;
                    } else if (centre) {
                        left[group][lane] = right[group][lane];
                        if (loads) right[group][lane] = column;
                    }
                    const V l = left[group][lane], r = right[group][lane];
                    const Y sum = (2 * FACTOR - 2 * col_phase - 1) * l + (2 * col_phase + 1) * r;
                    beat.range((lane + 1) * Y::width - 1, lane * Y::width) = sum;
                }
                out.write(beat);
            }
        }
    }
}

#endif
