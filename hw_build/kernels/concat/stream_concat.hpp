// Concatenation along the channels for Vitis HLS: of each pixel A_TIMES the channels of a, then B_TIMES those of b.
//
// Streams: pixels in raster order, one frame a call; a pixel of a is GROUPS_A beats, of b GROUPS_B, of y both; lane p of a
// beat in bits [p*width +: width]. A, B and Y are ap_int or ap_uint; Y holds all that comes. One beat an iteration. C++14.
#ifndef EDGESEG_STREAM_CONCAT_HPP
#define EDGESEG_STREAM_CONCAT_HPP

#include <ap_int.h>
#include <hls_stream.h>

template <int PIXELS, int GROUPS_A, int GROUPS_B, int PE, int A_TIMES, int B_TIMES, typename A, typename B, typename Y>
void stream_concat(hls::stream<ap_uint<PE * A::width>> &a, hls::stream<ap_uint<PE * B::width>> &b,
                   hls::stream<ap_uint<PE * Y::width>> &y) {
    for (int pixel = 0; pixel < PIXELS; pixel++) {
        for (int group = 0; group < GROUPS_A + GROUPS_B; group++) {
#pragma HLS PIPELINE II=1
            const bool first = group < GROUPS_A;
            ap_uint<PE * A::width> of_a = 0;
            ap_uint<PE * B::width> of_b = 0;
            if (first) of_a = a.read();
            else of_b = b.read();
            ap_uint<PE * Y::width> beat = 0;
            for (int lane = 0; lane < PE; lane++) {
#pragma HLS UNROLL
                const A left = of_a.range((lane + 1) * A::width - 1, lane * A::width);
                const B right = of_b.range((lane + 1) * B::width - 1, lane * B::width);
                const Y value = first ? Y(A_TIMES * left) : Y(B_TIMES * right);
                beat.range((lane + 1) * Y::width - 1, lane * Y::width) = value;
            }
            y.write(beat);
        }
    }
}

#endif
